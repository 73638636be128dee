"""Samples: at their steps, bounded in number, with provenance, and never the end of a run."""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from PIL import Image, ImageChops

from shared.cancellation import Cancelled
from shared.contracts.training import Hyperparameters
from shared.flux.errors import ModelLoadError
from tests.fakes.files import MemoryFiles
from tests.fixtures.embedded import embedded_record
from tests.fixtures.small_trainer import SmallModel, SmallTrainer, UnusedModel
from training_worker.watch import sampler as sampler_module
from training_worker.watch.alarms import Alarms
from training_worker.watch.eta import Pace
from training_worker.watch.files import FileList
from training_worker.watch.log import TrainingLog
from training_worker.watch.sampler import Sampler, SamplerOutlets

_FOLDER = "trainings/a/samples"


class _Parts:
    def __init__(self) -> None:
        self.files, self.log = MemoryFiles(), TrainingLog()
        self.alarms = Alarms(self.log)
        self.list = FileList(self.files)
        self.sampler = Sampler(
            SamplerOutlets(self.list, self.log, self.alarms, Pace()),
            "trainings/a",
            side_px=64,
            facts={"training_id": "a"},
        )

    @property
    def names(self) -> list[str]:
        found = [key.removeprefix(f"{_FOLDER}/") for key in self.files.objects]
        return sorted(name.removesuffix(".png") for name in found if name.endswith(".png"))


def _values(**given: Any) -> Hyperparameters:
    few: dict[str, Any] = {"steps": 5, "sample_every": 2, "sample_steps": 2, "seed": 3}
    return Hyperparameters(**few | given)


class _PaintedMaker:
    """Paints instead of running a model, which takes seconds for many steps."""

    fails: Callable[[str], Exception | None] = staticmethod(lambda _prompt: None)

    def __init__(self, _model: Any, *, side_px: int, num_steps: int) -> None:
        self._size = (side_px, side_px)

        self._prepared: set[str] = set()

    def prepare(self, prompts: Iterable[str]) -> None:
        self._prepared.update(prompts)

    def make(self, prompt: str, seed: int, _cancel: Any) -> Image.Image:
        assert prompt in self._prepared
        if error := type(self).fails(prompt):
            raise error
        return Image.new("RGB", self._size, (seed % 256, 0, 0))

    def record(self, seed: int, facts: Any) -> dict[str, Any]:
        return {"seed": seed, **facts}


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> type[_PaintedMaker]:
    class Maker(_PaintedMaker):
        pass

    monkeypatch.setattr(sampler_module, "SampleMaker", Maker)
    return Maker


@pytest.mark.models
def test_samples_are_made_with_provenance_and_a_sheet() -> None:
    parts, model = _Parts(), SmallModel()
    values = _values(sample_prompts=["a [trigger] dress", "a red dress"])
    SmallTrainer(model, values).run([parts.sampler])

    assert parts.names == [f"{step}_{number}" for step in (0, 2, 4, 5) for number in (0, 1)]
    record = embedded_record(parts.files.objects[f"{_FOLDER}/4_1.png"])
    assert (record["seed"], record["training_step"], record["training_id"]) == (4, 4, "a")
    assert (record["model"], record["model_digest"]) == (model.name, model.digest)
    assert (record["guidance"], record["steps"]) == (3.5, 2)
    assert "dress" not in json.dumps(record)
    first, later = (
        Image.open(io.BytesIO(parts.files.objects[f"{_FOLDER}/{step}_0.png"])) for step in (0, 5)
    )
    assert (first.size, first.mode) == ((64, 64), "RGB")
    assert ImageChops.difference(first, later).getbbox()
    with Image.open(io.BytesIO(parts.files.objects[f"{_FOLDER}/contact_sheet.jpg"])) as sheet:
        assert sheet.size == (96 + 2 * 168, 28 + 4 * 168)
    assert not parts.alarms.lines


@pytest.mark.models
def test_broken_weights_do_not_stop_the_run() -> None:
    parts, model = _Parts(), SmallModel()
    trainer = SmallTrainer(model, _values())
    draw = model.draw
    model.draw = lambda seed: draw(seed, scale=float("nan"))  # type: ignore[method-assign]
    trainer.run([parts.sampler])

    assert trainer.step == 5
    assert parts.names == ["0_0"]
    [line] = parts.alarms.lines
    assert "NaN or infinite" in line
    assert parts.log.text.count("no sample") == 1


def test_failing_sample_is_logged_once_for_each_reason(painted: type[_PaintedMaker]) -> None:
    painted.fails = lambda prompt: RuntimeError(f"no {prompt}") if prompt != "b" else None
    parts = _Parts()
    trainer = SmallTrainer(UnusedModel(), _values(sample_prompts=["a", "b", "c"]))
    trainer.run([parts.sampler])

    assert trainer.step == 5
    assert parts.names == ["0_1", "2_1", "4_1", "5_1"]
    assert parts.log.text.count("RuntimeError: no a; training goes on") == 1
    assert parts.log.text.count("RuntimeError: no c; training goes on") == 1
    assert parts.alarms.lines == ["samples fail: RuntimeError: no c"]


def test_alarm_ends_with_the_next_good_samples(painted: type[_PaintedMaker]) -> None:
    trainer, parts = SmallTrainer(UnusedModel(), _values()), _Parts()
    painted.fails = lambda _: RuntimeError("out of memory") if trainer.step < 3 else None
    trainer.run([parts.sampler])

    assert parts.names == ["4_0", "5_0"]
    assert not parts.alarms.lines


def test_refused_store_does_not_stop_the_run(painted: type[_PaintedMaker]) -> None:
    trainer, parts = SmallTrainer(UnusedModel(), _values()), _Parts()
    parts.files.num_failures = 3
    trainer.run([parts.sampler])

    assert parts.names[-1] == "5_0"
    assert "the store is full" in parts.log.text


def test_cancelled_sample_is_no_failure(painted: type[_PaintedMaker]) -> None:
    painted.fails = lambda _: Cancelled("stopped")
    trainer, parts = SmallTrainer(UnusedModel(), _values()), _Parts()
    trainer.run([parts.sampler], until=3)

    assert not parts.alarms.lines
    assert not parts.sampler.state()["stored"]


def test_samples_that_a_stop_cut_short_are_made_by_the_next_attempt(
    painted: type[_PaintedMaker],
) -> None:
    values = _values(sample_prompts=["a", "b"])
    stopped, resumed = _Parts(), _Parts()
    painted.fails = lambda prompt: Cancelled("stopped") if prompt == "b" else None
    trainer = SmallTrainer(UnusedModel(), values)
    trainer.run([stopped.sampler], until=0)
    assert stopped.names == ["0_0"]

    painted.fails = lambda _: None
    resumed.sampler.restore(json.loads(json.dumps(stopped.sampler.state())))
    trainer.run([resumed.sampler], until=0)
    assert resumed.sampler.paths == [f"{_FOLDER}/0_0.png", f"{_FOLDER}/0_1.png"]
    assert resumed.sampler.state()["sheet_steps"] == [0]


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (100, ["0_0", "0_1", "2_0", "2_1", "4_0", "4_1", "5_0", "5_1"]),
        (5, ["0_0", "0_1", "4_1", "5_0", "5_1"]),
        (4, ["0_0", "0_1", "5_0", "5_1"]),
        (1, ["5_1"]),
    ],
)
def test_oldest_samples_but_the_first_are_deleted(
    painted: type[_PaintedMaker], most: int, kept: list[str]
) -> None:
    parts = _Parts()
    values = _values(sample_prompts=["a", "b"], max_samples=most)
    SmallTrainer(UnusedModel(), values).run([parts.sampler])

    assert parts.names == kept
    assert parts.sampler.paths == [f"{_FOLDER}/{name}.png" for name in kept]
    listed = {file.key for file in parts.list.stored}
    assert listed == {*parts.sampler.paths, f"{_FOLDER}/contact_sheet.jpg"}


def test_a_model_that_cannot_be_loaded_is_told_without_its_folder(
    painted: type[_PaintedMaker],
) -> None:
    painted.fails = lambda _: ModelLoadError("cannot load '/srv/models/vae'")
    parts = _Parts()
    SmallTrainer(UnusedModel(), _values()).run([parts.sampler])

    (alarm,) = parts.alarms.lines
    assert "base_model_path" in alarm
    assert "/srv" not in alarm + parts.log.text


def test_samples_are_of_averaged_weights(painted: type[_PaintedMaker]) -> None:
    trainer, parts = SmallTrainer(UnusedModel(), _values()), _Parts()
    depths: list[int] = []
    painted.fails = lambda _: depths.append(trainer.averaged_depth)
    trainer.run([parts.sampler])

    assert depths == [1, 1, 1, 1]


def test_resumed_run_stores_what_an_unbroken_one_does(painted: type[_PaintedMaker]) -> None:
    values = _values(steps=9, sample_prompts=["a", "b"])
    unbroken = _Parts()
    SmallTrainer(UnusedModel(), values).run([unbroken.sampler])
    broken, resumed = _Parts(), _Parts()
    trainer = SmallTrainer(UnusedModel(), values)
    trainer.run([broken.sampler], until=3)
    state = json.loads(json.dumps(broken.sampler.state()))
    trainer.run([broken.sampler], until=7)
    resumed.files.objects |= broken.files.objects

    resumed.sampler.restore(state)
    later = SmallTrainer(UnusedModel(), values)
    later.step = 4  # saved after the step, before its samples
    later.run([resumed.sampler])

    assert resumed.files.objects == unbroken.files.objects
    assert resumed.sampler.state() == unbroken.sampler.state()
    assert {f.key for f in resumed.list.stored} == {f.key for f in unbroken.list.stored}
