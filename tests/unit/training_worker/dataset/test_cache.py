"""Encoded tensors: encoded once, kept within limits, never used when damaged."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training_worker.dataset.cache import TensorCache

pytestmark = pytest.mark.models

CPU = torch.device("cpu")
_FILE_BYTES = 4 * 256


class _Encoder:
    """Counts how often it encodes."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def get(self, cache: TensorCache, key: str) -> Tensor:
        def encode() -> dict[str, Tensor]:
            self.keys.append(key)
            return {"x": torch.full([256], float(ord(key[0])))}

        return cache.get(key, encode)["x"]


def cache_in(folder: Path, *, memory_bytes: int = 2**20, disk_bytes: int = 2**20) -> TensorCache:
    return TensorCache(folder, CPU, memory_bytes=memory_bytes, disk_bytes=disk_bytes)


def test_a_key_is_encoded_once_for_all_processes(tmp_path: Path) -> None:
    encoder = _Encoder()
    for cache in (cache_in(tmp_path), cache_in(tmp_path)):
        assert encoder.get(cache, "a")[0] == ord("a")
        assert encoder.get(cache, "b")[0] == ord("b")
    assert encoder.keys == ["a", "b"]


def test_what_is_in_memory_needs_no_file(tmp_path: Path) -> None:
    encoder, cache = _Encoder(), cache_in(tmp_path)
    kept = encoder.get(cache, "a")
    for path in tmp_path.iterdir():
        path.unlink()
    assert encoder.get(cache, "a") is kept


def test_the_least_recently_used_leaves_memory(tmp_path: Path) -> None:
    encoder, cache = _Encoder(), cache_in(tmp_path, memory_bytes=2 * _FILE_BYTES)
    first = {key: encoder.get(cache, key) for key in ("a", "b", "a", "c")}
    assert encoder.get(cache, "a") is first["a"]
    assert encoder.get(cache, "b") is not first["b"]
    assert encoder.keys == ["a", "b", "c"]  # from the disk


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_encoded_again(tmp_path: Path, damage: str) -> None:
    encoder = _Encoder()
    encoder.get(cache_in(tmp_path), "a")
    path = tmp_path / "a.safetensors"
    content = path.read_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    damaged = {"cut": content[:-9], "flipped": flipped, "empty": b"", "foreign": b"x" * 99}
    path.write_bytes(damaged[damage])
    assert encoder.get(cache_in(tmp_path), "a")[0] == ord("a")
    assert encoder.keys == ["a", "a"]
    assert path.read_bytes() == content


def test_the_folder_keeps_its_size_and_the_newest(tmp_path: Path) -> None:
    encoder, cache = _Encoder(), cache_in(tmp_path)
    for age, key in enumerate("abcd"):
        encoder.get(cache, key)
        os.utime(tmp_path / f"{key}.safetensors", (age, age))
    size = (tmp_path / "a.safetensors").stat().st_size
    cache_in(tmp_path, disk_bytes=2 * size).trim(["a"])
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["a", "d"]


def test_a_full_disk_costs_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    encoder, cache = _Encoder(), cache_in(tmp_path)
    monkeypatch.setattr("training_worker.dataset.cache.save_file", fail)
    assert encoder.get(cache, "a")[0] == ord("a")
    assert list(tmp_path.iterdir()) == []


def test_writes_that_a_kill_cut_short_are_deleted(tmp_path: Path) -> None:
    cut, current = tmp_path / "a.7-1.partial", tmp_path / "b.8-1.partial"
    for path in (cut, current):
        path.write_bytes(b"half")
    os.utime(cut, (1, 1))
    cache_in(tmp_path).trim()
    assert list(tmp_path.iterdir()) == [current]
