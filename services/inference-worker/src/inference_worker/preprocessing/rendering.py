"""One picture from its source file to the files of its dataset entries, on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from inference_worker.preprocessing.buckets import choose_bucket, fit_bucket
from inference_worker.preprocessing.duplicates import Signature, sign
from inference_worker.preprocessing.pipeline import MirrorState, TransformSteps
from shared.pixels.images import decode_image, encode_png, sha256_hex

_CAPTIONING_SIDE = 1024
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class CheckedPicture:
    """A source picture that can be decoded.

    Attributes:
        index: its position among the source images.
        path: its file.
        sha256: digest of the file.
        signature: by which duplicates are recognized.
    """

    index: int
    path: Path
    sha256: str
    signature: Signature


@dataclass(frozen=True)
class Entry:
    """A picture at one resolution, in its bucket.

    Attributes:
        path: its PNG file, which has its name in the archive.
        sha256: digest of the file.
        size: of the picture before the bucket.
        bucket: width and height of the file.
        notes: deviations from the request.
    """

    path: Path
    sha256: str
    size: tuple[int, int]
    bucket: tuple[int, int]
    notes: list[str]


@dataclass(frozen=True)
class RenderedPicture:
    """The files of one source picture.

    Attributes:
        source: the picture.
        entries: of all its mirror images and resolutions.
        captioning: a small JPEG for the captioning model; None: none is needed.
    """

    source: CheckedPicture
    entries: list[Entry]
    captioning: Path | None


@dataclass(frozen=True)
class Renderer:
    """Renders pictures one after the other.

    Attributes:
        steps: the request's transforms.
        resolutions: training resolutions in pixels, all different.
        folder: an existing folder for the files.
        max_pixels: largest source picture.
        needs_captioning: also write pictures for the captioning model.
    """

    steps: TransformSteps
    resolutions: Sequence[int]
    folder: Path
    max_pixels: int
    needs_captioning: bool = False

    def check(self, index: int, path: Path) -> CheckedPicture:
        """Decode a picture once.

        Raises:
            InvalidInputError: it cannot be decoded.
        """
        content = path.read_bytes()
        picture = decode_image(content, max_pixels=self.max_pixels)
        return CheckedPicture(index, path, sha256_hex(content), sign(picture))

    def render(self, source: CheckedPicture) -> RenderedPicture:
        """Transform a picture, and write it in the buckets of all resolutions.

        Raises:
            InvalidInputError: a transform's result would be too large.
            PictureLeftOut: a transform leaves the picture out.
        """
        picture = decode_image(source.path.read_bytes(), max_pixels=self.max_pixels)
        variants = self.steps.apply(picture)
        captioning = self._write_small(source, picture=variants[MirrorState()])
        entries = [
            self._write_entry(f"{source.index:04}{state.suffix}", variant, resolution)
            for state, variant in variants.items()
            for resolution in self.resolutions
        ]
        return RenderedPicture(source, entries, captioning)

    def _write_entry(self, stem: str, picture: Image.Image, resolution: int) -> Entry:
        fitted = fit_bucket(picture, choose_bucket(picture.size, resolution))
        suffix = f"-{resolution}" if len(self.resolutions) > 1 else ""
        path = self.folder / f"{stem}{suffix}.png"
        content = encode_png(fitted.picture)
        path.write_bytes(content)
        return Entry(path, sha256_hex(content), picture.size, fitted.picture.size, fitted.notes)

    def _write_small(self, source: CheckedPicture, picture: Image.Image) -> Path | None:
        if not self.needs_captioning:
            return None
        small = picture.copy()
        small.thumbnail((_CAPTIONING_SIDE, _CAPTIONING_SIDE), Image.Resampling.LANCZOS)
        path = self.folder / f"{source.index}.jpg"
        small.save(path, "JPEG", quality=_JPEG_QUALITY)
        return path
