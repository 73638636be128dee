"""Only plain relative paths are keys, and some of them belong to the platform."""

import posixpath
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api_gateway
import inference_worker
import provider_worker
import training_worker
import workflows
from api_gateway.errors import InvalidRequestError
from api_gateway.storage.keys import check_deletable, check_writable, path_fault
from shared.contracts import folders
from shared.contracts.folders import PLATFORM_FOLDERS
from shared.contracts.task_types.table import TASK_TYPES

HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "../secrets",
    "uploads/../../etc/passwd",
    "uploads/..",
    "uploads/./a.png",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/a",
    "%252e%252e/a",
    "uploads/%00.png",
    "..\\..\\boot.ini",
    "uploads\\a.png",
    "....//a",
    "..../a",
    "..;/a",
    "/etc/passwd",
    "//server/share",
    "\\\\server\\share\\a",
    "\\\\?\\C:\\a",
    "C:/a.png",
    "C:a.png",
    "file:///etc/passwd",
    "a.png::$DATA",
    "uploads/a\0.png",
    "uploads/a\n.png",
    "uploads/\x1b[31m.png",
    "\ufffd\ufffd/a",
    "uploads/\u202egnp.exe",
    "uploads/a\u200b.png",
    "uploads/\ue000.png",
    "uploads/\u2028a.png",
    "uploads/\uff0e\uff0e/a",
    "uploads\uff0f..\uff0fa",
    "\u2025/a",
    "\u2024\u2024/a",
    "uploads/\uff1a.png",
    "uploads/e\u0301.png",
    "uploads//a.png",
    "uploads/",
    "uploads/a.png/",
    "uploads/a.",
    "uploads/a./b",
    "uploads/a ",
    "uploads/ a",
    "uploads/.hidden",
    ".git/config",
    "uploads/a?b",
    "uploads/a*",
    "uploads/<a>",
    "uploads/a|b",
    'uploads/"a"',
    "con",
    "uploads/NUL",
    "uploads/nul.png",
    "aux/a.png",
    "uploads/COM1.tar.gz",
    "lpt9",
    "com¹.png",
    "CONIN$",
    "uploads/" + "a" * 300,
    "uploads/" + "é" * 128,
    "a/" * 600 + "a",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_path_that_is_more_than_a_plain_relative_one_is_no_key(path: str) -> None:
    assert path_fault(path)


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a.png",
        "uploads/Dress 1 (red).png",
        "uploads/a..b.png",
        "uploads/~a$&+,;=@!#'[]{}^`-_",
        "uploads/élégant.png",
        "uploads/ドレス（赤）.png",
        "uploads/😀.png",
        "uploads/console.png",
        "uploads/com10.png",
        "uploads/" + "a" * 255,
        "generations/9d1e/a1/image_0.png",
    ],
)
def test_plain_path_is_a_key(path: str) -> None:
    assert path_fault(path) is None


@given(st.text(st.sampled_from("./\\%:\0ab．／ \u202e"), max_size=12) | st.text(max_size=30))
def test_every_key_stays_where_it_is_put(path: str) -> None:
    if path_fault(path) is not None:
        return
    for spelling in (path, unicodedata.normalize("NFKC", path)):
        assert posixpath.normpath(posixpath.join("/root", spelling)) == f"/root/{spelling}"
        assert not PureWindowsPath(spelling).is_absolute()
        assert not PureWindowsPath(spelling).drive
        assert len(PureWindowsPath(spelling).parts) == len(PurePosixPath(spelling).parts)


_AS_WRITTEN = re.compile(r'f"(?P<folder>[a-z_]+)/\{[a-z_.]*(?:task_id|training_id|task\.id)\}')


def folders_in_sources() -> set[str]:
    """Return the first parts of the keys that any process writes, from its source code."""
    found: set[str] = set()
    for package in (api_gateway, inference_worker, provider_worker, training_worker, workflows):
        for path in Path(package.__path__[0]).rglob("*.py"):
            found |= {match["folder"] for match in _AS_WRITTEN.finditer(path.read_text())}
    return found


def test_the_list_of_the_platforms_folders_is_complete() -> None:
    named = {name: value for name, value in vars(folders).items() if name.endswith("_FOLDER")}
    assert set(named.values()) <= PLATFORM_FOLDERS
    assert {row.folder for row in TASK_TYPES.values()} <= PLATFORM_FOLDERS
    assert folders_in_sources() <= PLATFORM_FOLDERS


def test_a_folder_that_code_spells_out_is_found() -> None:
    [found] = _AS_WRITTEN.finditer('key = f"odd_folder/{request.task_id}/a1"')
    assert found["folder"] == "odd_folder"


@pytest.mark.parametrize(
    "folder", [*sorted(PLATFORM_FOLDERS), "Editings", "REFINES", "ｖideos", "Saved_Pictures"]
)
def test_folders_of_the_platform_are_not_written_whatever_their_case(folder: str) -> None:
    for path in (f"{folder}/a.png", folder):
        with pytest.raises(InvalidRequestError, match="only the platform writes"):
            check_writable(path)


def test_other_folders_are_written() -> None:
    for path in ("uploads/a.png", "a.png", "generation/a.png", "uploads/generations/a.png"):
        check_writable(path)


def test_what_goes_with_its_own_record_is_not_deleted_alone() -> None:
    for path in ("loras/sha256/a", "Trainings/a/b.png", "quarantine/saves/a"):
        with pytest.raises(InvalidRequestError, match="their own record"):
            check_deletable(path)
    check_deletable("generations/a/b.png")
