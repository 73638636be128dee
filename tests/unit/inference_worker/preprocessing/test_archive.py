"""The archive."""

import threading
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from inference_worker.preprocessing.archive import file_sha256, write_archive
from shared.cancellation import NEVER, Cancelled
from shared.pixels.images import sha256_hex


def files(folder: Path, *, reverse: bool = False) -> list[Path]:
    folder.mkdir()
    names = sorted((f"{index:04}.png" for index in range(3)), reverse=reverse)
    for name in names:
        (folder / name).write_bytes(name.encode() * 100)
    return sorted(folder.iterdir())


def test_files_are_stored_in_order_uncompressed(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", files(tmp_path / "a"), NEVER)
    with ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["0000.png", "0001.png", "0002.png"]
        assert {entry.compress_type for entry in archive.infolist()} == {ZIP_STORED}
        assert archive.read("0001.png") == b"0001.png" * 100


def test_bytes_do_not_depend_on_times_and_modes(tmp_path: Path) -> None:
    first, second = files(tmp_path / "a"), files(tmp_path / "b", reverse=True)
    second[0].chmod(0o600)
    write_archive(tmp_path / "a.zip", first, NEVER)
    write_archive(tmp_path / "b.zip", second, NEVER)
    assert file_sha256(tmp_path / "a.zip") == file_sha256(tmp_path / "b.zip")
    assert file_sha256(tmp_path / "a.zip") == sha256_hex((tmp_path / "b.zip").read_bytes())


def test_cancelled_write_stops(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        write_archive(tmp_path / "a.zip", files(tmp_path / "a"), cancel)
