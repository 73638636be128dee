"""Names and paths of LoRA files in the API: `folder/name.safetensors`."""

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
"""Device names of Windows, with any suffix."""


class LoraFolder(StrEnum):
    """Folders of LoRAs, by the kind of thing that they depict."""

    CLOTHES = "clothes"
    IDENTITIES = "identities"
    PRODUCT = "product"
    STYLES = "styles"
    FACES = "faces"
    NO_TYPE = "no_type_provided"


def split_filename(name: str, *, is_made_safe: bool) -> tuple[str, str]:
    """Return stem and suffix of an uploaded file's name, checked for storage.

    Args:
        name: as the client sent it.
        is_made_safe: replace characters outside the safe set instead of refusing them.

    Raises:
        LoraNameError: the name is or looks like a path, or its suffix is unknown.
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
            "must have a name of only Latin letters, digits, spaces and . _ - + ( ), "
            "that begins with a letter or digit"
        )
    return stem, suffix


def versioned(stem: str, version: int) -> str:
    """Return the file name of a version: the first has no number, later ones end in `_v2` …."""
    return f"{stem}{STORED_SUFFIX}" if version == 1 else f"{stem}_v{version}{STORED_SUFFIX}"


def split_path(path: str, root: str) -> tuple[LoraFolder, str]:
    """Split a LoRA's path into folder and file name.

    Args:
        path: `folder/name.safetensors`, optionally after the root.
        root: prefix of full paths.

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
    """Return the path that names a LoRA by its SHA-256, independent of its file names."""
    return f"sha256/{sha256}{STORED_SUFFIX}"


def path_digest(path: str) -> str | None:
    """Return the SHA-256 in a path; none if the path has a folder and a file name."""
    found = _BY_DIGEST.fullmatch(path)
    return found[1] if found else None
