"""Saves of a running training: when they are due, and a store that fails."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.cancellation import Cancelled
from shared.contracts.attempts import StoredFile
from shared.errors import InvalidInputError, StorageError
from tests.fakes.broken_store import BrokenStore
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.lora_training import TRAINING, Recorder, blocking, make_trainer
from training_worker.dataset.items import CachedDataset
from training_worker.loop.callbacks import Callback, StepResult
from training_worker.loop.callbacks import Trainer as AnyTrainer
from training_worker.loop.trainer import Trainer
from training_worker.state.kept_saves import KeptSaves
from training_worker.state.objects import LoopObjects
from training_worker.state.resume_saver import ResumeSaver
from training_worker.state.resume_states import ResumeStates
from training_worker.state.state_file import read_state
from training_worker.state.uploads import Uploads, doubling

pytestmark = pytest.mark.models


class _Clock:
    """Time that passes by steps of the training."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class _Steps(Callback):
    """Lets time pass at each step, and notes which state is on the disk or in the store.

    It waits for uploads, so that what is seen does not depend on the threads' speed.
    """

    def __init__(self, clock: _Clock, uploads: Uploads, step_s: float) -> None:
        self._clock, self._uploads, self._step_s = clock, uploads, step_s
        self.saved: list[int | None] = []

    def on_step(self, trainer: AnyTrainer, result: StepResult) -> None:
        self._uploads.drain()
        self.saved.append(trainer.saved_step)
        self._clock.now_s += self._step_s


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    with Uploads(back_off=lambda _: 0.0) as uploads:
        yield uploads


def saver_of(
    trainer: Trainer, objects: LoopObjects, uploads: Uploads, folder: Path, **options: Any
) -> ResumeSaver:
    return ResumeSaver(trainer, ResumeStates(objects, TRAINING, folder), uploads, **options)


def test_states_are_saved_by_time_and_at_the_end(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    trainer, clock = make_trainer(dataset, steps=6), _Clock()
    steps = _Steps(clock, uploads, step_s=50)
    trainer.fit([saver_of(trainer, objects, uploads, tmp_path, now=clock), steps])
    # 120 s have passed before step 4 (150 s); after step 6 samples are made.
    assert steps.saved == [None, None, None, 4, 4, 6]
    assert trainer.saved_step == 6


def test_a_slow_write_is_repeated_seldom(
    dataset: CachedDataset,
    objects: LoopObjects,
    uploads: Uploads,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainer, clock = make_trainer(dataset, steps=6), _Clock()
    from training_worker.state import resume_saver  # noqa: PLC0415

    written: list[int] = []
    write = resume_saver.write_state

    def slow(snapshot: Any, folder: Path) -> Any:
        clock.now_s += 10  # the next save is due after 200 s
        written.append(snapshot.step)
        return write(snapshot, folder)

    monkeypatch.setattr(resume_saver, "write_state", slow)
    steps = _Steps(clock, uploads, step_s=130)
    trainer.fit([saver_of(trainer, objects, uploads, tmp_path, now=clock), steps])
    assert written == [2, 4, 6]


def test_states_are_saved_before_samples(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    trainer, clock = make_trainer(dataset, steps=5, sample_every=2), _Clock()
    saver = saver_of(trainer, objects, uploads, tmp_path, now=clock)
    steps = _Steps(clock, uploads, step_s=0)
    trainer.fit([saver, steps])
    assert steps.saved == [None, 2, 2, 4, 5]  # samples are also made at the end


def test_a_stop_saves_the_last_step(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    trainer, recorder = make_trainer(dataset), Recorder(stop_after=3)
    with pytest.raises(Cancelled):
        trainer.fit([recorder, saver_of(trainer, objects, uploads, tmp_path)], recorder.flag)
    newest = ResumeStates(objects, TRAINING, tmp_path / "other").newest()
    assert newest is not None
    assert newest.step == trainer.saved_step == 3


def test_a_stop_does_not_wait_for_a_store_that_is_away(
    dataset: CachedDataset, store: MemoryObjectStore, tmp_path: Path
) -> None:
    clock, tries = _Clock(), 0

    def wait(_: int) -> float:
        nonlocal tries
        tries += 1
        clock.now_s += 6
        return 0.0

    broken: Any = BrokenStore(store, "put_file")
    trainer, recorder = make_trainer(dataset), Recorder(stop_after=3)
    with blocking(broken) as objects, Uploads(now=clock, back_off=wait) as uploads:
        saver = saver_of(trainer, objects, uploads, tmp_path)
        with pytest.raises(Cancelled):
            trainer.fit([recorder, saver], recorder.flag)
    assert tries == 2  # 10 s
    assert read_state(tmp_path / "3.safetensors").step == 3


def test_a_stop_ends_the_wait_before_the_next_try() -> None:
    tried = threading.Event()
    left = [StorageError("away")]

    def flaky() -> None:
        tried.set()
        if left:
            raise left.pop()

    with Uploads(back_off=lambda _: 3600.0) as uploads:
        uploads.submit("state", flaky, lambda: None)
        assert tried.wait(20)
        uploads.drain(10)
    assert not left


class _Failing(Callback):
    def on_step(self, trainer: AnyTrainer, result: StepResult) -> None:
        if result.step == 2:
            raise InvalidInputError("diverged")


def test_a_failure_saves_nothing(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    trainer = make_trainer(dataset)
    with pytest.raises(InvalidInputError):
        trainer.fit([_Failing(), saver_of(trainer, objects, uploads, tmp_path)])
    assert ResumeStates(objects, TRAINING, tmp_path).newest() is None


class _Flaky(BrokenStore):
    """A store whose uploads fail some times."""

    def __init__(self, store: MemoryObjectStore, failures: int) -> None:
        super().__init__(store)
        self.failures = failures

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageError("the store is full")
        await self._store.put_file(key, path, content_type)


def test_a_store_that_is_full_three_times_costs_nothing(
    dataset: CachedDataset, store: MemoryObjectStore, uploads: Uploads, tmp_path: Path
) -> None:
    flaky: Any = _Flaky(store, 3)
    with blocking(flaky) as objects:
        trainer = make_trainer(dataset, steps=4)
        trainer.fit([saver_of(trainer, objects, uploads, tmp_path / "a", interval_s=0)])
        newest = ResumeStates(objects, TRAINING, tmp_path / "b").newest()
    assert flaky.failures == 0
    assert newest is not None
    assert newest.step == 4


def test_a_store_that_fails_for_half_an_hour_ends_the_training(
    dataset: CachedDataset, store: MemoryObjectStore, tmp_path: Path
) -> None:
    clock = _Clock()

    def wait(_: int) -> float:
        clock.now_s += 600
        return 0.0

    broken: Any = BrokenStore(store, "put_file")
    trainer = make_trainer(dataset, steps=2)
    with (
        blocking(broken) as objects,
        Uploads(now=clock, back_off=wait) as uploads,
        pytest.raises(StorageError, match=r"30 minutes: .*last stored state is none") as raised,
    ):
        trainer.fit([saver_of(trainer, objects, uploads, tmp_path)])
    assert raised.value.is_final
    # The newest state is still on the disk.
    assert read_state(tmp_path / "2.safetensors").step == 2


def test_a_full_disk_does_not_end_the_training(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    blocked = tmp_path / "no folder"
    blocked.write_text("")
    trainer = make_trainer(dataset, steps=2)
    trainer.fit([saver_of(trainer, objects, uploads, blocked, interval_s=0)])
    assert trainer.step == 2


def test_a_newer_upload_replaces_one_that_waits() -> None:
    done: list[str] = []
    first = [StorageError("away"), None]

    def flaky() -> None:
        if error := first.pop(0):
            uploads.submit("state", lambda: done.append("second"), lambda: None)
            raise error
        done.append("first")

    with Uploads(back_off=lambda _: 0.0) as uploads:
        uploads.submit("state", flaky, lambda: done.append("first is dropped"))
        uploads.drain()
    assert done == ["first is dropped", "second"]


def test_an_error_that_is_not_the_stores_is_raised_at_once() -> None:
    def fail() -> None:
        raise ValueError("a fault of ours")

    with Uploads() as uploads:
        uploads.submit("state", fail, lambda: None)
        with pytest.raises(ValueError, match="ours"):
            uploads.drain()


def test_the_wait_doubles_up_to_a_minute() -> None:
    assert [doubling(failures) for failures in (1, 2, 3, 7, 20)] == [1, 2, 4, 60, 60]


@dataclass(frozen=True)
class Written:
    sha256: str
    size_bytes: int


class Listed:
    """The training's list of files."""

    def __init__(self) -> None:
        self.files: dict[str, StoredFile] = {}

    def add(self, file: StoredFile) -> None:
        self.files[file.key] = file

    def forget(self, key: str) -> None:
        self.files.pop(key, None)


def _kept(
    objects: LoopObjects, uploads: Uploads, folder: Path, **options: Any
) -> tuple[KeptSaves, Listed, list[AnyTrainer]]:
    calls: list[AnyTrainer] = []
    listed = Listed()

    def write(path: Path, trainer: AnyTrainer) -> Written:
        calls.append(trainer)
        path.write_text(path.name)
        return Written(path.stem, len(path.name))

    saves = KeptSaves(objects, uploads, TRAINING, folder, write=write, files=listed, **options)
    return saves, listed, calls


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps": 5, "save_every": 2}, [2, 4, 5]),
        ({"steps": 4, "save_every": 2}, [2, 4]),
        ({"steps": 6, "save_every": 1, "max_step_saves_to_keep": 2}, [5, 6]),
        ({"steps": 3}, [3]),
    ],
)
def test_saves_are_kept_every_so_many_steps(
    values: dict[str, int],
    expected: list[int],
    dataset: CachedDataset,
    objects: LoopObjects,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    trainer = make_trainer(dataset, **values)
    saves, listed, calls = _kept(objects, uploads, tmp_path)
    trainer.fit([saves])
    uploads.drain()
    keys = objects.keys(f"trainings/{TRAINING}/saves/")
    assert sorted(int(Path(key).stem) for key in keys) == expected
    assert list(tmp_path.iterdir()) == []
    assert {file.sha256 for file in listed.files.values()} == set(map(str, expected))
    assert set(listed.files) == set(keys)
    assert calls[-1] is trainer


def test_the_best_step_is_kept_beside_the_others(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    best: list[int | None] = [None, 2, 2, 4, 4, 4]
    trainer = make_trainer(dataset, save_every=1, max_step_saves_to_keep=1)
    saves, listed, _ = _kept(objects, uploads, tmp_path, best_step=lambda: best[trainer.step - 1])
    trainer.fit([saves])
    uploads.drain()
    prefix = f"trainings/{TRAINING}/saves"
    assert objects.keys(prefix) == [f"{prefix}/6.safetensors", f"{prefix}/best.safetensors"]
    assert set(listed.files) == set(objects.keys(prefix))
    assert objects.get(f"{prefix}/best.safetensors") == b"best-4.safetensors"
    assert list(tmp_path.iterdir()) == []


def test_a_state_names_the_saves_that_are_uploaded_before_it(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    states: list[Any] = []

    class Capturing(Callback):
        def on_step(self, trainer: AnyTrainer, result: StepResult) -> None:
            states.append(saves.state())

    saves, _, _ = _kept(objects, uploads, tmp_path)
    make_trainer(dataset, steps=2, save_every=1).fit([saves, Capturing()])
    assert [[Path(file["key"]).stem for file in state] for state in states] == [["1"], ["1", "2"]]


def test_kept_saves_are_listed_again_after_a_resume(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    trainer = make_trainer(dataset, steps=2, save_every=1)
    saves, listed, _ = _kept(objects, uploads, tmp_path)
    trainer.fit([saves])
    uploads.drain()
    again, listed_again, _ = _kept(objects, uploads, tmp_path)
    again.restore(saves.state())
    assert listed_again.files == listed.files != {}


def test_a_save_that_does_not_fit_on_the_disk_is_left_out(
    dataset: CachedDataset, objects: LoopObjects, uploads: Uploads, tmp_path: Path
) -> None:
    def write(path: Path, trainer: AnyTrainer) -> Written:
        raise OSError(28, "No space left on device")

    listed = Listed()
    saves = KeptSaves(objects, uploads, TRAINING, tmp_path, write=write, files=listed)
    trainer = make_trainer(dataset, steps=2, save_every=1)
    trainer.fit([saves])
    uploads.drain()
    assert (trainer.step, listed.files) == (2, {})
