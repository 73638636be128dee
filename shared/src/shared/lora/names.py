"""The names of LoRA files: `folder/name.safetensors`, as clients know them."""

import re
import unicodedata
from enum import StrEnum
from pathlib import PurePosixPath

from shared.lora.errors import LoraNameError

STORED_SUFFIX = ".safetensors"
PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (STORED_SUFFIX, *PICKLE_SUFFIXES)

_MAX_NAME_BYTES = 200
_MAX_PATH_CHARS = 1024
_HOSTILE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|%]|\.\.")
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._()+-]")
_SAFE = re.compile(r"[A-Za-z0-9_(+][A-Za-z0-9 ._()+-]*")
_BY_DIGEST = re.compile(r"sha256/([0-9a-f]{64})" + re.escape(STORED_SUFFIX))
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""Names that Windows takes for devices, whatever their suffix."""


class LoraFolder(StrEnum):
    """The first part of a LoRA's path: what it depicts."""

    CLOTHES = "clothes"
    IDENTITIES = "identities"
    PRODUCT = "product"
    STYLES = "styles"
    FACES = "faces"
    NO_TYPE = "no_type_provided"


def split_filename(name: str, *, is_made_safe: bool) -> tuple[str, str]:
    """An uploaded file's name as stem and suffix, as they can be stored.

    Args:
        name: as the client sent it.
        is_made_safe: whether letters and signs outside the safe set may be replaced.

    Raises:
        LoraNameError: the name is or looks like a path, or says no known format.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        raise LoraNameError(f"has a name longer than {_MAX_NAME_BYTES} bytes")
    if _HOSTILE.search(name) or name != name.strip(" .") or _DEVICES.fullmatch(name):
        raise LoraNameError(
            "must have a plain file name: no path, no `..`, no control characters, none of "
            '/ \\ : * ? " < > | %, no dot or space at either end, no device name'
        )
    if suffix not in SUFFIXES:
        raise LoraNameError(f"must have a name that ends in one of {', '.join(SUFFIXES)}")
    stem = name[: -len(suffix)]
    if is_made_safe:
        plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
        stem = _UNSAFE.sub("_", plain).strip(" .")
    if not _SAFE.fullmatch(stem):
        raise LoraNameError(
            "must have a name of Latin letters, digits, spaces and . _ - + ( ) alone, "
            "that begins with a letter or digit"
        )
    return stem, suffix


def versioned(stem: str, version: int) -> str:
    """The name of a file, and of the later ones that were uploaded by the same name."""
    return f"{stem}{STORED_SUFFIX}" if version == 1 else f"{stem}_v{version}{STORED_SUFFIX}"


def split_path(path: str, root: str) -> tuple[LoraFolder, str]:
    """A LoRA's path as folder and file name.

    Args:
        path: `folder/name.safetensors`, or the same under the root.
        root: the folder that full paths begin with.

    Raises:
        LoraNameError: the path has another form.
    """
    relative = path.removeprefix(root.rstrip("/") + "/")
    folder, _, filename = relative.partition("/")
    is_plain = len(path) <= _MAX_PATH_CHARS and not _HOSTILE.search(filename)
    if not is_plain or folder not in set(LoraFolder) or not filename.endswith(STORED_SUFFIX):
        raise LoraNameError(
            f"must be folder/name{STORED_SUFFIX}; the folders are {', '.join(LoraFolder)}"
        )
    return LoraFolder(folder), filename


def digest_path(sha256: str) -> str:
    """The path that names a LoRA by its bytes, whatever its names are by then."""
    return f"sha256/{sha256}{STORED_SUFFIX}"


def path_digest(path: str) -> str | None:
    """The digest that a path names; none where it names a folder and a file."""
    found = _BY_DIGEST.fullmatch(path)
    return found[1] if found else None
