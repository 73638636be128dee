"""A small dataset, encoded once, on which the tests of this folder train."""

from collections.abc import Iterator

import pytest
import torch

from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.lora_training import blocking, encoded, open_base, write_dataset
from training_worker.dataset.items import CachedDataset
from training_worker.state.objects import LoopObjects

WIDE, SQUARE = (48, 32), (32, 32)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    """Three squares and two wide pictures: epochs of three batches at a batch size of 2."""
    folder = tmp_path_factory.mktemp("dataset")
    manifest = write_dataset(folder, [SQUARE, WIDE, SQUARE, WIDE, SQUARE])
    return encoded(folder, manifest, open_base())


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


@pytest.fixture
def objects(store: MemoryObjectStore) -> Iterator[LoopObjects]:
    with blocking(store) as objects:
        yield objects
