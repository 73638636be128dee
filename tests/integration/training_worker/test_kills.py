"""A training whose process is killed goes on in another, and ends with the same weights."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import torch

from shared.settings import StorageSettings
from tests.fixtures.gateway import storage_settings
from tests.fixtures.lora_training import (
    encoded,
    make_trainer,
    open_base,
    weights_digest,
    write_dataset,
)
from tests.fixtures.servers import Servers
from tests.fixtures.training_process import VALUES, train
from training_worker.dataset.files import read_manifest

pytestmark = pytest.mark.models

_STEPS: int = VALUES["steps"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, [(32, 32), (48, 32), (32, 32), (48, 32), (32, 32)])
    return folder


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> str:
    base = open_base()
    manifest = read_manifest(folder / "manifest.json")
    trainer = make_trainer(encoded(folder, manifest, base), base, **VALUES)
    with _one_thread():
        trainer.fit()
    return weights_digest(trainer)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class _Attempts:
    """Attempts at one training, each in a process of its own, with an empty disk."""

    def __init__(self, servers: Servers, folder: Path, disks: Path) -> None:
        self._environment = os.environ | servers.environment
        self._folder, self._disks = folder, disks
        self._training: UUID = uuid4()
        self.resumed_at: list[int] = []

    def run_here(self, settings: StorageSettings) -> str:
        """Run one to its end in this process, which saves the import of torch."""
        with _one_thread():
            return train(settings, self._folder, self._disks / "here", self._training)

    def run(self, *options: str) -> str:
        """Run one to its end; return the digest of the weights."""
        done = self._run(*options)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    def run_and_kill(self, *options: str) -> None:
        """Run one that dies."""
        done = self._run(*options)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def _run(self, *options: str) -> subprocess.CompletedProcess[str]:
        disk = self._disks / str(len(self.resumed_at))
        command = [sys.executable, "-m", "tests.fixtures.training_process"]
        given = [str(self._folder), str(disk), str(self._training), *options]
        done = subprocess.run(
            [*command, *given],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        lines = [line.split() for line in done.stdout.splitlines()]
        self.resumed_at += [int(line[1]) for line in lines if line[:1] == ["resumed"]]
        return done


@pytest.fixture
def attempts(servers: Servers, folder: Path, tmp_path: Path) -> _Attempts:
    return _Attempts(servers, folder, tmp_path)


@pytest.mark.long
def test_killed_at_a_step(attempts: _Attempts, unbroken: str, servers: Servers) -> None:
    attempts.run_and_kill("--kill-at-step", "7")
    assert attempts.run_here(storage_settings(servers)) == unbroken


@pytest.mark.long
def test_killed_again_and_again(attempts: _Attempts, unbroken: str) -> None:
    for step in sorted(random.Random(2026).sample(range(2, _STEPS), 3)):
        attempts.run_and_kill("--kill-at-step", str(step))
    assert attempts.run() == unbroken
    assert attempts.resumed_at == sorted(attempts.resumed_at)


@pytest.mark.long
@pytest.mark.parametrize("sync", [1, 2])
def test_killed_within_a_write(attempts: _Attempts, unbroken: str, sync: int) -> None:
    # Odd ones are of files, which then lack their final name; even ones of the folder.
    attempts.run_and_kill("--kill-at-sync", str(sync))
    assert attempts.run() == unbroken
