"""The manifest of a dataset, and the lines and warnings that tell people about it."""

from collections.abc import Iterable, Mapping, Sequence

from inference_worker.preprocessing.buckets import ENLARGED
from inference_worker.preprocessing.captions import first_caption, is_unnamed, model_caption
from inference_worker.preprocessing.held_out import choose_held_out
from inference_worker.preprocessing.rendering import RenderedPicture
from inference_worker.preprocessing.sources import Source
from shared.contracts.datasets import (
    DatasetImage,
    DatasetManifest,
    DuplicateImage,
    PreprocessDataset,
    SkippedImage,
)
from shared.contracts.enums import CaptioningStrategy


def dataset_folder(training_id: object) -> str:
    """Return the prefix of all keys of a dataset, without the last slash."""
    return f"trainings/{training_id}/dataset"


def captioning_key(training_id: object, index: int) -> str:
    """Return the key of a picture for the captioning model."""
    return f"{dataset_folder(training_id)}/captioning/{index}.jpg"


def manifest_json(manifest: DatasetManifest) -> bytes:
    """Return the bytes of a manifest's object."""
    return manifest.model_dump_json(indent=1).encode()


def build_images(
    request: PreprocessDataset, sources: Sequence[Source], pictures: Iterable[RenderedPicture]
) -> list[DatasetImage]:
    """Return all entries, in the order of their sources, with captions and held-out flags."""
    pictures = list(pictures)
    digests = {picture.source.index: picture.source.sha256 for picture in pictures}
    held_out = choose_held_out(digests, request.held_out_share)
    return [
        DatasetImage(
            index=picture.source.index,
            name=entry.path.name,
            source=sources[picture.source.index].name,
            sha256=entry.sha256,
            width=entry.size[0],
            height=entry.size[1],
            bucket=entry.bucket,
            caption=first_caption(request.captioning, sources[picture.source.index].name),
            is_held_out=picture.source.index in held_out,
            notes=entry.notes,
        )
        for picture in pictures
        for entry in picture.entries
    ]


def log_lines(
    sources: Sequence[Source], skipped: Iterable[SkippedImage], same: Iterable[DuplicateImage]
) -> list[str]:
    """Return a line for each image that is no part of the dataset."""
    return [
        *(f"{sources[each.index].label} is not used: {each.reason}" for each in skipped),
        *(
            f"{sources[each.index].label} shows the same as {sources[each.kept_index].label},"
            " which is used"
            for each in same
        ),
    ]


def warnings_of(manifest: DatasetManifest) -> list[str]:
    """Return the facts about a dataset that the client should know, one sentence each."""
    found: list[str] = []
    images = manifest.images
    if manifest.skipped:
        found.append(f"{_images(len(manifest.skipped))} not used; the log names them.")
    if manifest.duplicates:
        found.append(f"{_images(len(manifest.duplicates))} left out: other images show the same.")
    enlarged = _having(images, ENLARGED)
    if enlarged:
        found.append(
            f"{_images(enlarged)} enlarged to a training size, which makes pictures blurred;"
            " send larger ones."
        )
    cropped = _having(images, "cropped")
    if cropped:
        found.append(f"{_images(cropped)} cropped to an aspect of 4:1.")
    unnamed = len({image.index for image in images if is_unnamed(image.source)})
    if manifest.captioning.strategy is CaptioningStrategy.FILENAME and unnamed:
        found.append(
            f"{_images(unnamed)} captioned by the trigger word alone, since images sent as base64"
            " have no file names; send paths or URLs."
        )
    return found


def with_captions(
    manifest: DatasetManifest, captions: Mapping[str, str], training_id: object
) -> DatasetManifest:
    """Return a manifest with a model's captions and its new digest.

    Pictures without a caption have the trigger word; the run that asked the model counts them.
    """
    trigger = first_caption(manifest.captioning, "")
    replies = {
        index: model_caption(
            captions.get(captioning_key(training_id, index), ""), manifest.captioning.trigger_word
        )
        for index in {image.index for image in manifest.images}
    }
    images = [
        image.model_copy(update={"caption": replies[image.index] or trigger})
        for image in manifest.images
    ]
    return manifest.model_copy(update={"images": images}).with_digest()


def _having(images: Iterable[DatasetImage], word: str) -> int:
    """Return the number of source images with a note that begins with a word."""
    noted = (image for image in images if any(note.startswith(word) for note in image.notes))
    return len({image.index for image in noted})


def _images(count: int) -> str:
    return "1 image was" if count == 1 else f"{count} images were"
