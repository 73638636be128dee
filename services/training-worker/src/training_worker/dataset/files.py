"""A dataset's manifest and archive as local files."""

import hashlib
import io
import zipfile
from pathlib import Path

from PIL import Image
from pydantic import ValidationError

from shared.contracts.datasets import DatasetImage, DatasetManifest
from shared.contracts.error_text import one_line
from shared.errors import InvalidInputError


def read_manifest(path: Path) -> DatasetManifest:
    """Read a manifest and check its digest.

    Raises:
        InvalidInputError: it is damaged, or names no picture to train on.
    """
    try:
        manifest = DatasetManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidInputError(f"the dataset's manifest is damaged: {one_line(error)}") from error
    if manifest.with_digest().digest != manifest.digest:
        raise InvalidInputError("the dataset's manifest does not have the digest that it states")
    if all(image.is_held_out for image in manifest.images):
        raise InvalidInputError("the dataset has no picture to train on")
    return manifest


def read_picture(archive: Path, image: DatasetImage) -> Image.Image:
    """Read one RGB picture of an archive, and check its digest and size.

    Raises:
        InvalidInputError: it is missing, damaged or another one.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            content = opened.read(image.name)
        if hashlib.sha256(content).hexdigest() != image.sha256:
            raise InvalidInputError(f"{image.name} in the dataset is not the manifest's picture")
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            pixels = picture.convert("RGB")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        message = f"{image.name} cannot be read from the dataset: {one_line(error)}"
        raise InvalidInputError(message) from error
    if pixels.size != tuple(image.bucket):
        raise InvalidInputError(
            f"{image.name} in the dataset has {pixels.size} pixels, its bucket {image.bucket}"
        )
    return pixels
