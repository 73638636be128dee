"""One dataset, stage by stage; pictures lie on disk and are decoded one at a time."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from inference_worker.cpu_threads import gather
from inference_worker.io.picture_files import PictureFiles
from inference_worker.io.uploads import upload_file
from inference_worker.preprocessing.archive import file_sha256, write_archive
from inference_worker.preprocessing.duplicates import find_duplicates
from inference_worker.preprocessing.manifest import (
    build_images,
    captioning_key,
    dataset_folder,
    log_lines,
    manifest_json,
    warnings_of,
)
from inference_worker.preprocessing.pipeline import TransformSteps
from inference_worker.preprocessing.preview import MOST_CELLS, draw_preview
from inference_worker.preprocessing.progress import StageReports
from inference_worker.preprocessing.rendering import CheckedPicture, RenderedPicture, Renderer
from inference_worker.preprocessing.sources import (
    Source,
    first_uses,
    locate_sources,
    name_all,
    require_enough,
)
from inference_worker.preprocessing.steps.step import PictureLeftOut
from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import (
    MODEL_STRATEGIES,
    DatasetManifest,
    DuplicateImage,
    PreprocessDataset,
    SkippedImage,
)
from shared.errors import InvalidInputError, ObjectNotFoundError

_DOWNLOADS = 2
"""Concurrent downloads, each in memory until it is on disk."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class BuiltDataset:
    """A stored dataset.

    Attributes:
        path: key of the manifest.
        num_used: number of source images in it.
        files: the objects that were written.
        to_caption: keys of the pictures that a captioning model has to describe.
        log: lines on images that are not used.
        warnings: facts that the client should know.
    """

    path: str
    num_used: int
    files: list[StoredFile]
    to_caption: list[str]
    log: list[str]
    warnings: list[str]


class DatasetBuild:
    """Builds one dataset.

    Args:
        request: the activity's message.
        resolutions: training resolutions in pixels, all different.
        steps: the request's transforms.
        folder: an empty folder for temporary files.
        files: loads and stores pictures.
        reports: receives the stages.
    """

    def __init__(
        self,
        request: PreprocessDataset,
        resolutions: list[int],
        steps: TransformSteps,
        folder: Path,
        files: PictureFiles,
        reports: StageReports,
    ) -> None:
        self._request = request
        self._resolutions = resolutions
        self._files = files
        self._reports = reports
        self._sources = locate_sources(request)
        self._first_of = first_uses(self._sources)
        self._bad: list[SkippedImage] = []
        self._left_out: list[SkippedImage] = []
        self._folder = folder
        self._renderer = Renderer(
            steps,
            resolutions,
            folder,
            files.max_pixels,
            needs_captioning=request.captioning.strategy in MODEL_STRATEGIES,
        )
        self._prefix = dataset_folder(request.training_id)

    async def run(self) -> BuiltDataset:
        """Go through all stages.

        Raises:
            InvalidInputError: too many images are bad, or all are left out.
        """
        downloaded = await self._download()
        checked = await self._validate(downloaded)
        distinct, duplicates = await self._deduplicate(checked)
        rendered = await self._transform(distinct)
        self._reports.begin("captioning")
        captioning = await self._store_captioning(rendered)
        self._reports.begin("bucketing")
        manifest = self._manifest(rendered, duplicates)
        stored = await self._store(manifest, rendered)
        if captioning:
            # The captioning model comes next.
            self._reports.begin("captioning")
        else:
            self._reports.complete(len(rendered))
        return BuiltDataset(
            path=f"{self._prefix}/manifest.json",
            num_used=len(rendered),
            files=[*stored, *captioning],
            to_caption=[file.key for file in captioning],
            log=log_lines(self._sources, manifest.skipped, duplicates),
            warnings=warnings_of(manifest),
        )

    async def _download(self) -> list[tuple[Source, Path]]:
        self._reports.begin("downloading")
        slots = asyncio.Semaphore(_DOWNLOADS)

        async def download(source: Source) -> Path | None:
            if source.index in self._first_of:
                self._reports.count()
                return None
            if source.key is None:
                self._bad.append(source.skipped(source.fault))
                return None
            path = self._folder / f"{source.index}.source"
            try:
                async with slots:
                    # Not `get_file`, whose thread would write on after a cancellation.
                    content = await self._files.objects.get(source.key)
                    await self._files.cpu.run(partial(path.write_bytes, content))
            except ObjectNotFoundError:
                self._bad.append(source.skipped("its object does not exist"))
                return None
            finally:
                self._reports.count()
            return path

        paths = await gather(map(download, self._sources))
        return [
            (source, path)
            for source, path in zip(self._sources, paths, strict=True)
            if path is not None
        ]

    async def _validate(self, downloaded: Sequence[tuple[Source, Path]]) -> list[CheckedPicture]:
        self._reports.begin("validating")
        checked = [
            picture
            for source, path in downloaded
            if (
                picture := await self._try(
                    source, partial(self._renderer.check, source.index, path)
                )
            )
        ]
        bad = {each.index: each.reason for each in self._bad}
        self._bad += [
            self._sources[index].skipped(bad[first])
            for index, first in self._first_of.items()
            if first in bad
        ]
        require_enough(self._sources, self._bad)
        return checked

    async def _deduplicate(
        self, checked: Sequence[CheckedPicture]
    ) -> tuple[list[CheckedPicture], list[DuplicateImage]]:
        self._reports.begin("deduplicating")
        signatures = [picture.signature for picture in checked]
        found = await self._files.cpu.run(partial(find_duplicates, signatures))
        for _ in checked:
            self._reports.count()
        kept = {checked[each.index].index: checked[each.kept_index].index for each in found}
        distinct = [picture for picture in checked if picture.index not in kept]
        # Repeats of a bad image are bad.
        good = {picture.index for picture in checked}
        for index, first in self._first_of.items():
            if first in good:
                kept[index] = kept.get(first, first)
        return distinct, [
            DuplicateImage(index=index, source=self._sources[index].name, kept_index=kept[index])
            for index in sorted(kept)
        ]

    async def _transform(self, pictures: Sequence[CheckedPicture]) -> list[RenderedPicture]:
        self._reports.begin("transforming")
        rendered = [
            picture
            for source in pictures
            if (
                picture := await self._try(
                    self._sources[source.index], partial(self._renderer.render, source)
                )
            )
        ]
        require_enough(self._sources, self._bad)
        if not rendered:
            reasons = name_all(self._sources, [*self._bad, *self._left_out])
            raise InvalidInputError(f"no source image is left: {reasons}")
        return rendered

    async def _try(self, source: Source, work: Callable[[], _T]) -> _T | None:
        """Return the result of work on one image; None: the image is bad or left out."""
        try:
            return await self._files.cpu.run(work)
        except InvalidInputError as error:
            self._bad.append(source.skipped(str(error)))
        except PictureLeftOut as event:
            self._left_out.append(source.skipped(str(event)))
        finally:
            self._reports.count()
        return None

    async def _store_captioning(self, pictures: Sequence[RenderedPicture]) -> list[StoredFile]:
        stored: list[StoredFile] = []
        for picture in pictures:
            if picture.captioning is not None:
                key = captioning_key(self._request.training_id, picture.source.index)
                content = await self._files.cpu.run(picture.captioning.read_bytes)
                stored.append(await self._files.put(key, content, "image/jpeg"))
            self._reports.count()
        return stored

    def _manifest(
        self, pictures: Sequence[RenderedPicture], duplicates: list[DuplicateImage]
    ) -> DatasetManifest:
        return DatasetManifest(
            transforms=self._request.transforms,
            captioning=self._request.captioning,
            resolutions=self._resolutions,
            archive=f"{self._prefix}/images.zip",
            images=build_images(self._request, self._sources, pictures),
            skipped=sorted([*self._bad, *self._left_out], key=lambda each: each.index),
            duplicates=duplicates,
        ).with_digest()

    async def _store(
        self, manifest: DatasetManifest, pictures: Sequence[RenderedPicture]
    ) -> list[StoredFile]:
        """Store archive, preview and manifest; the manifest last, as it names the archive."""
        paths = self._counted_paths(pictures)
        archive = self._folder / "images.zip"
        await self._files.cpu.run_stoppable(lambda cancel: write_archive(archive, paths, cancel))
        stored = [await self._put_file(manifest.archive, archive, "application/zip")]
        cells = [
            (picture.entries[0].path, image)
            for picture, image in zip(pictures, _first_captions(manifest), strict=True)
        ]
        preview = await self._files.cpu.run(partial(draw_preview, cells[:MOST_CELLS]))
        stored.append(await self._files.put(f"{self._prefix}/preview.jpg", preview, "image/jpeg"))
        key, content = f"{self._prefix}/manifest.json", manifest_json(manifest)
        stored.append(await self._files.put(key, content, "application/json"))
        return stored

    def _counted_paths(self, pictures: Iterable[RenderedPicture]) -> Iterator[Path]:
        for picture in pictures:
            yield from (entry.path for entry in picture.entries)
            self._reports.count()

    async def _put_file(self, key: str, path: Path, content_type: str) -> StoredFile:
        cpu = self._files.cpu
        digest = await cpu.run(partial(file_sha256, path))
        size_bytes = (await cpu.run(path.stat)).st_size
        await upload_file(self._files.objects, cpu, key, path, content_type)
        return StoredFile(key=key, size_bytes=size_bytes, content_type=content_type, sha256=digest)


def _first_captions(manifest: DatasetManifest) -> list[str]:
    """Return the caption of each source image's first entry."""
    captions: dict[int, str] = {}
    for image in manifest.images:
        captions.setdefault(image.index, image.caption)
    return list(captions.values())
