"""Faults of an attempt: clear words, the last good state named, nothing half-written."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from shared.cancellation import Cancelled
from shared.contracts.failures import CONSEQUENCES
from shared.errors import InvalidInputError, PlatformError, ResourceError, StorageError
from shared.flux.packaged import packaged_model
from tests.fakes.disturbed_store import DisturbedStore
from tests.fixtures.training_attempts import TrainingAttempts, new_flag
from training_worker.attempt import TrainingResult
from training_worker.model.lora_model import LoraModel
from training_worker.watch.sample_maker import SampleMaker

pytestmark = pytest.mark.models


async def _loras(attempts: TrainingAttempts) -> list[str]:
    return [found.key for found in await attempts.store.list("loras/sha256/")]


@pytest.mark.long
async def test_the_result_is_stored_once_however_often_it_is_made(
    attempts: TrainingAttempts,
) -> None:
    first, second = await attempts.run(), await attempts.run()
    assert first.lora == second.lora
    assert f"loras/sha256/{first.lora.sha256}" in await _loras(attempts)
    assert second.step == 6
    assert sorted(await attempts.names("resume/")) == [
        "4.safetensors",
        "6.safetensors",
        "attempts.json",
        "latest.json",
    ]


async def _retried(attempts: TrainingAttempts) -> TrainingResult:
    """Run attempts as Temporal does while the store fails."""
    for _ in range(3):
        with suppress(StorageError):
            return await attempts.run()
    return await attempts.run()


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("resume/2.safetensors", marks=pytest.mark.long),
        "resume/latest.json",
        pytest.param("resume/attempts.json", marks=pytest.mark.long),
        pytest.param("moments/", marks=pytest.mark.long),
        pytest.param("samples/2_0", marks=pytest.mark.long),
        pytest.param("contact_sheet", marks=pytest.mark.long),
        pytest.param("loss_curve", marks=pytest.mark.long),
        pytest.param("saves/", marks=pytest.mark.long),
        pytest.param("log.txt", marks=pytest.mark.long),
        pytest.param("loras/sha256/", marks=pytest.mark.long),
    ],
)
async def test_store_that_refuses_three_writes_costs_no_training(
    attempts: TrainingAttempts, unbroken: str, part: str
) -> None:
    attempts.objects = store = DisturbedStore(attempts.store, refused={part: 3})
    result = await _retried(attempts)

    assert store.refused[part] < 3
    assert result.step == 6
    assert await attempts.weights() == unbroken
    assert f"loras/sha256/{result.lora.sha256}" in await _loras(attempts)
    assert {"0_0.png", "6_0.png"} <= set(await attempts.names("samples/"))


async def test_numbers_that_are_no_numbers_end_it_at_once(attempts: TrainingAttempts) -> None:
    before = await _loras(attempts)
    with pytest.raises(InvalidInputError) as raised:
        await attempts.run(learning_rate=1e38, warmup_steps=0, sample_every=1)

    message = str(raised.value)
    assert "diverged at step 2" in message
    assert "learning rate of 1e+38" in message
    assert "last good save is that of step 1" in message
    assert not CONSEQUENCES[raised.value.category].is_retried
    assert (await attempts.pointer())["step"] == 1
    assert message in await attempts.log()
    assert await _loras(attempts) == before


@pytest.mark.long
async def test_memory_that_runs_out_once_is_a_step_down(
    attempts: TrainingAttempts, unbroken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_out_of_memory(monkeypatch, times=1)
    await attempts.run()
    assert await attempts.weights() == unbroken
    assert "memory ran out; from now on activations are recomputed" in await attempts.log()


@pytest.mark.long
async def test_memory_that_runs_out_again_ends_it(
    attempts: TrainingAttempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_out_of_memory(monkeypatch, times=100)
    with pytest.raises(ResourceError, match=r"ran out of memory.*Give a lower rank") as raised:
        await attempts.run()
    assert raised.value.is_final


def _run_out_of_memory(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    predict, left = LoraModel.predict, times

    def predict_or_not(*arguments: Any, **named: Any) -> Tensor:
        nonlocal left
        if torch.is_grad_enabled() and left:
            left -= 1
            raise torch.OutOfMemoryError("tried to allocate 20 GiB")
        return predict(*arguments, **named)

    monkeypatch.setattr(LoraModel, "predict", predict_or_not)


@pytest.mark.long
async def test_samples_that_fail_are_a_warning(
    attempts: TrainingAttempts, unbroken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no picture today")

    monkeypatch.setattr(SampleMaker, "make", fail)
    result = await attempts.run()
    assert any("no picture today" in warning for warning in result.warnings)
    assert await attempts.weights() == unbroken


@pytest.fixture
def own_base(tmp_path: Path) -> Path:
    """A copy of the packaged model."""
    return Path(shutil.copytree(packaged_model(), tmp_path / "mine"))


async def _stop_after_a_state(attempts: TrainingAttempts, **values: Any) -> None:
    """Run an attempt that is told to stop once the state of step 4 is stored."""
    flag = new_flag()
    attempts.objects = DisturbedStore(attempts.store, noticed={"samples/4_0": flag.set})
    with pytest.raises(Cancelled):
        await attempts.run(flag, **values)
    attempts.objects = None


@pytest.mark.long
async def test_base_model_that_changed_between_attempts_is_named(
    attempts: TrainingAttempts, own_base: Path
) -> None:
    attempts.base_models = {"mine": str(own_base)}
    await _stop_after_a_state(attempts, base="mine")
    config = own_base / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"_note": "another"}))

    with pytest.raises(InvalidInputError) as raised:
        await attempts.run(base="mine")
    assert "cannot go on from step 4: the base model changed" in str(raised.value)
    assert raised.value.is_final
    assert (await attempts.pointer())["step"] == 4


@pytest.mark.long
async def test_other_hyperparameters_and_dataset_are_named(attempts: TrainingAttempts) -> None:
    await _stop_after_a_state(attempts)
    await attempts.put_dataset([(32, 32), (48, 32)])
    with pytest.raises(InvalidInputError, match="the hyperparameters and the dataset changed"):
        await attempts.run(seed=1)


async def test_base_model_that_this_worker_does_not_have(
    attempts: TrainingAttempts, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"does not know 'theirs'; known are .*FLUX"):
        await attempts.run(base="theirs")
    attempts.base_models = {"theirs": str(tmp_path / "nowhere")}
    with pytest.raises(PlatformError, match=r"base_model_path: .*cannot load") as raised:
        await attempts.run(base="theirs")
    assert str(tmp_path) not in str(raised.value)


async def test_rank_above_the_smallest_layer(attempts: TrainingAttempts) -> None:
    with pytest.raises(InvalidInputError, match="rank") as raised:
        await attempts.run(rank=1024)
    assert not CONSEQUENCES[raised.value.category].is_retried
    assert await attempts.names("samples/") == []


async def test_dataset_that_is_gone(attempts: TrainingAttempts) -> None:
    await attempts.store.delete(f"{attempts.prefix}/dataset/images.zip")
    with pytest.raises(InvalidInputError, match=r"gone from storage: .*images\.zip"):
        await attempts.run()


async def test_dataset_with_other_bytes(attempts: TrainingAttempts) -> None:
    key = f"{attempts.prefix}/dataset/images.zip"
    content = bytearray(await attempts.store.get(key))
    await attempts.store.put(key, bytes(content[: len(content) // 2]), "application/zip")
    with pytest.raises(InvalidInputError, match="cannot be read from the dataset"):
        await attempts.run()


@pytest.mark.long
async def test_one_picture_fills_no_batch_of_four(attempts: TrainingAttempts) -> None:
    await attempts.put_dataset([(32, 32)])
    assert (await attempts.run(batch_size=4)).step == 6


@pytest.mark.parametrize("trigger", ["着物", pytest.param("ж" * 200, marks=pytest.mark.long)])
async def test_any_trigger_word_trains(attempts: TrainingAttempts, trigger: str) -> None:
    result = await attempts.run(trigger=trigger, steps=1)
    assert result.lora.stem == f"training-{attempts.training_id.hex[:8]}"
    assert result.lora.file_metadata["modelspec.trigger_phrase"] == trigger
