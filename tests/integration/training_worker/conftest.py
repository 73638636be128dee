"""Attempts at trainings on the real object store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import torch

from shared.storage.s3 import S3ObjectStore
from tests.fixtures.gateway import storage_settings
from tests.fixtures.servers import Servers
from tests.fixtures.training_attempts import TrainingAttempts


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Give back the number of threads, which attempts set."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
async def store(servers: Servers) -> AsyncIterator[S3ObjectStore]:
    opened = S3ObjectStore(storage_settings(servers))
    yield opened
    opened.close()


@pytest.fixture
async def attempts(store: S3ObjectStore, tmp_path: Path) -> TrainingAttempts:
    """A training with a dataset of three pictures."""
    attempts = TrainingAttempts(store, tmp_path)
    await attempts.put_dataset()
    return attempts


@pytest.fixture(scope="module")
async def unbroken(store: S3ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the weights of a training that nothing disturbs."""
    attempts = TrainingAttempts(store, tmp_path_factory.mktemp("unbroken"))
    await attempts.put_dataset()
    await attempts.run()
    return await attempts.weights()
