"""Which paths name objects, and which of them clients may write.

Paths become keys of the object store and parts of URLs, and workers may lay them down in file
systems: so they are held to what is a plain relative path everywhere.
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
"""Controls, invisible marks, surrogates, private and unassigned characters, line separators."""
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
_UNDELETABLE_FOLDERS = frozenset({LORAS_FOLDER, QUARANTINE_FOLDER, TRAININGS_FOLDER})
"""First parts of keys whose objects go with their own records."""


async def image_path(
    path: Annotated[str, Path(description="Key of the picture, e.g. `uploads/dress.png`")],
) -> str:
    """A path that can name an object.

    Raises:
        InvalidRequestError: it cannot.
    """
    fault = path_fault(path)
    if fault is not None:
        raise _refused(fault)
    return path


def check_writable(path: str) -> None:
    """Refuse a path under which only the platform writes.

    Raises:
        InvalidRequestError: names the folder.
    """
    folder = _folder(path)
    if folder in PLATFORM_FOLDERS:
        raise _refused(
            f"{folder}/ holds what the platform writes; use another folder, such as uploads/"
        )


def check_deletable(path: str) -> None:
    """Refuse a path whose object is not deleted here.

    Raises:
        InvalidRequestError: names the folder.
    """
    folder = _folder(path)
    if folder in _UNDELETABLE_FOLDERS:
        raise _refused(f"what lies in {folder}/ is deleted together with its own record")


def path_fault(path: str) -> str | None:
    """What is wrong with a path, or none."""
    if len(path.encode(errors="replace")) > MAX_KEY_BYTES:
        return f"must not be longer than {MAX_KEY_BYTES} bytes"
    if unicodedata.normalize("NFC", path) != path:
        return "must be in Unicode normalisation form C"
    # Look-alikes of dots and slashes count as what they look like.
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
    """The first part, whatever its case: some file systems tell none apart."""
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
