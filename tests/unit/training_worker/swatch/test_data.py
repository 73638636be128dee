import gzip
import re
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training_worker.swatch.data import DatasetMissingError, load_split, read_idx

pytestmark = pytest.mark.models


def write_idx(path: Path, values: torch.Tensor, *, kind: int = 0x08) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, kind, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.numpy().tobytes()))


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=3), seed=st.integers(0, 1000))
def test_file_reads_back_as_written(
    shape: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("idx") / "values.gz"
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    write_idx(path, values)
    assert torch.equal(read_idx(path), values)


def test_other_value_types_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "floats.gz"
    write_idx(path, torch.zeros(3, dtype=torch.uint8), kind=0x0D)
    with pytest.raises(ValueError, match="unsigned bytes"):
        read_idx(path)


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 0x08, 1, 9) + b"abc"))
    with pytest.raises(ValueError, match=re.escape("holds 3 values")):
        read_idx(path)


def test_missing_dataset_names_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissingError, match="apt-get install dataset-fashion-mnist"):
        load_split(tmp_path, "train")


def test_split_pairs_pictures_with_labels(tmp_path: Path) -> None:
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", torch.zeros(2, 28, 28, dtype=torch.uint8))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", torch.tensor([3, 9], dtype=torch.uint8))
    split = load_split(tmp_path, "t10k")
    assert split.pictures.shape == (2, 28, 28)
    assert split.labels.tolist() == [3, 9]
