"""Paths that may name objects, and those that clients may write or delete.

Paths become keys of the object store, parts of URLs, and files of workers: only plain relative
paths that are valid everywhere are accepted.
"""

import re
import unicodedata
from typing import Annotated

from fastapi import Path

from api_gateway.errors import Fault, InvalidRequestError
from shared.contracts.folders import (
    LORAS_FOLDER,
    PLATFORM_FOLDERS,
    QUARANTINE_FOLDER,
    TRAININGS_FOLDER,
)

MAX_KEY_BYTES = 1024
_MAX_NAME_BYTES = 255
_FORBIDDEN_CHARACTERS = re.compile(r'[\\%:*?"<>|\x00-\x1f\x7f\ufffd]')
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, format characters, surrogates, private and unassigned ones, line separators."""
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_UNDELETABLE_FOLDERS = frozenset({LORAS_FOLDER, QUARANTINE_FOLDER, TRAININGS_FOLDER})
"""First parts of keys whose objects are deleted with their own records only."""


async def image_path(
    path: Annotated[str, Path(description="Path of the image, e.g. `uploads/dress.png`")],
) -> str:
    """Return the path in a URL, if it can name an object.

    Raises:
        InvalidRequestError: it cannot.
    """
    fault = path_fault(path)
    if fault is not None:
        raise _refused(fault)
    return path


def check_writable(path: str) -> None:
    """Refuse a path in a folder that only the platform writes.

    Raises:
        InvalidRequestError: names the folder.
    """
    folder = _folder(path)
    if folder in PLATFORM_FOLDERS:
        raise _refused(
            f"only the platform writes to {folder}/; use another folder, such as uploads/"
        )


def check_deletable(path: str) -> None:
    """Refuse a path whose object is deleted with its own record only.

    Raises:
        InvalidRequestError: names the folder.
    """
    folder = _folder(path)
    if folder in _UNDELETABLE_FOLDERS:
        raise _refused(f"objects in {folder}/ are deleted together with their own record")


def path_fault(path: str) -> str | None:
    """Return the fault of a path; none if it is valid."""
    if len(path.encode(errors="replace")) > MAX_KEY_BYTES:
        return f"must not be longer than {MAX_KEY_BYTES} bytes"
    if unicodedata.normalize("NFC", path) != path:
        return "must be in Unicode normalisation form C"
    # Characters that look like dots and slashes are refused as these.
    for spelling in (path, unicodedata.normalize("NFKC", path)):
        found = _FORBIDDEN_CHARACTERS.search(spelling)
        if found:
            return f"must not contain {found[0]!r}"
        if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in spelling):
            return "must not contain invisible characters"
        for name in spelling.split("/"):
            fault = _name_fault(name)
            if fault is not None:
                return fault
    return None


def _folder(path: str) -> str:
    """Return the first part in lower case: some file systems ignore case."""
    return unicodedata.normalize("NFKC", path.partition("/")[0]).casefold()


def _name_fault(name: str) -> str | None:
    if not name:
        return "must be a relative path without empty parts, such as uploads/dress.png"
    if name.startswith("."):
        return "must not have parts that start with a dot"
    if name.endswith((".", " ")) or name.startswith(" "):
        return "must not have parts that end with a dot, or start or end with a space"
    if len(name.encode()) > _MAX_NAME_BYTES:
        return f"must not have parts longer than {_MAX_NAME_BYTES} bytes"
    if _DEVICES.fullmatch(name):
        return f"must not have a part named {name!r}"
    return None


def _refused(message: str) -> InvalidRequestError:
    return InvalidRequestError([Fault(("path", "path"), message)])
