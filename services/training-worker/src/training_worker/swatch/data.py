"""Reading of Fashion-MNIST from IDX files, as in the Debian package `dataset-fashion-mnist`."""

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

CLASS_NAMES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""The ten labels, in the order of the label files."""

_UNSIGNED_BYTES = 0x08


class DatasetMissingError(FileNotFoundError):
    """The dataset is not installed."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing; run: sudo apt-get install dataset-fashion-mnist")


@dataclass(frozen=True)
class Split:
    """Pictures and labels of one split."""

    pictures: Tensor
    """uint8 [N, 28, 28], negatives: 0 is the background, high values are dark cloth."""
    labels: Tensor
    """int64 [N], an index into CLASS_NAMES."""

    def of_class(self, label: int) -> list[int]:
        """Return the indices of the pictures of a class."""
        return [index for index, other in enumerate(map(int, self.labels)) if other == label]


def read_idx(path: Path) -> Tensor:
    """Read one gzipped IDX file of unsigned bytes.

    Raises:
        DatasetMissingError: the file does not exist.
        ValueError: the file is not an IDX file of unsigned bytes, or is truncated.
    """
    if not path.is_file():
        raise DatasetMissingError(path)
    content = gzip.decompress(path.read_bytes())
    zero, kind, num_dims = struct.unpack_from(">HBB", content)
    if zero != 0 or kind != _UNSIGNED_BYTES:
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    shape = struct.unpack_from(f">{num_dims}I", content, offset=4)
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * num_dims)
    if values.size != np.prod(shape):
        raise ValueError(f"{path} holds {values.size} values, but its header says {shape}")
    return torch.tensor(values.reshape(shape))


def load_split(dataset_dir: Path, name: str) -> Split:
    """Read the split `train` or `t10k`."""
    pictures = read_idx(dataset_dir / f"{name}-images-idx3-ubyte.gz")
    labels = read_idx(dataset_dir / f"{name}-labels-idx1-ubyte.gz")
    return Split(pictures=pictures, labels=labels.long())
