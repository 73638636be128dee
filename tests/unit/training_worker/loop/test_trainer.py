"""The loop: every hyperparameter takes effect, and failures stop it at once."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from shared.cancellation import Cancelled
from shared.errors import InvalidInputError, ResourceError
from shared.flux.pipeline.conditioning import PromptEmbeddings
from tests.fixtures.lora_training import (
    Recorder,
    copied,
    encoded,
    make_trainer,
    open_base,
    weights_digest,
    write_dataset,
)
from tests.fixtures.tiny_flux import save_tiny_flux
from training_worker.dataset.items import CachedDataset
from training_worker.loop.callbacks import Callback, StepResult
from training_worker.loop.callbacks import Trainer as AnyTrainer
from training_worker.loop.trainer import Trainer

pytestmark = pytest.mark.models


def run(dataset: CachedDataset, **values: Any) -> tuple[Trainer, Recorder]:
    trainer, recorder = make_trainer(dataset, **{"steps": 3, **values}), Recorder()
    trainer.fit([recorder])
    return trainer, recorder


@pytest.fixture(scope="module")
def plain(dataset: CachedDataset) -> tuple[Trainer, Recorder]:
    return run(dataset)


@pytest.mark.parametrize(
    "values",
    [
        {"rank": 2},
        {"learning_rate": 2e-3},
        {"batch_size": 2},
        {"gradient_accumulation": 2},
        {"seed": 1},
        {"caption_dropout": 1.0},
        {"ema_decay": 0.0},
        {"warmup_steps": 3},
        {"max_grad_norm": 1e-5},
    ],
    ids=lambda values: next(iter(values)),
)
def test_hyperparameters_change_the_result(
    values: dict[str, Any], dataset: CachedDataset, plain: tuple[Trainer, Recorder]
) -> None:
    changed, _ = run(dataset, **values)
    assert weights_digest(changed) != weights_digest(plain[0])


@pytest.mark.parametrize(
    "values",
    [{"save_every": 1}, {"sample_every": 1}, {"gradient_checkpointing": True}],
    ids=lambda values: next(iter(values)),
)
def test_saves_samples_and_memory_do_not(
    values: dict[str, Any], dataset: CachedDataset, plain: tuple[Trainer, Recorder]
) -> None:
    changed, _ = run(dataset, **values)
    assert weights_digest(changed) == weights_digest(plain[0])


def test_steps_are_updates_of_the_optimizer(dataset: CachedDataset) -> None:
    trainer, recorder = run(dataset, gradient_accumulation=3)
    assert [result.step for result in recorder.results] == [1, 2, 3]
    assert trainer.step == 3
    states = trainer.optimizer.state_dict()["state"].values()
    assert {float(state["step"]) for state in states} == {3}


def test_accumulation_averages_its_micro_batches(tmp_path: Path) -> None:
    folder = tmp_path
    base = open_base()
    one = encoded(folder, write_dataset(folder, [(32, 32)]), base)
    _, whole = run(one, steps=1, batch_size=1, gradient_accumulation=2)
    _, first = run(one, steps=1, batch_size=1)
    trainer = make_trainer(one, steps=2, batch_size=1, learning_rate=0.0)
    second = Recorder()
    trainer.fit([second])
    assert whole.losses[0] == pytest.approx((first.losses[0] + second.losses[1]) / 2, rel=1e-5)


def test_training_learns(dataset: CachedDataset) -> None:
    def fixed_loss(trainer: Trainer) -> float:
        item = trainer.dataset.items[0]
        noise = torch.randn(item.latents.shape, generator=torch.Generator().manual_seed(0))
        return sum(trainer.measure(item, sigma, noise) for sigma in (0.3, 0.5, 0.7))

    trainer = make_trainer(dataset, steps=25, learning_rate=3e-3, warmup_steps=2)
    before = fixed_loss(trainer)
    trainer.fit()
    assert fixed_loss(trainer) < 0.8 * before
    with trainer.averaged():
        assert fixed_loss(trainer) < 0.8 * before


def test_the_learning_rate_warms_up(dataset: CachedDataset) -> None:
    _, recorder = run(dataset, warmup_steps=2, learning_rate=1e-3)
    assert [result.learning_rate for result in recorder.results] == [5e-4, 1e-3, 1e-3]


def test_one_picture_trains_with_a_batch_of_four(tmp_path: Path) -> None:
    one = encoded(tmp_path, write_dataset(tmp_path, [(32, 32)]), open_base())
    trainer, recorder = run(one, batch_size=4)
    assert trainer.step == 3
    assert all(math.isfinite(loss) for loss in recorder.losses)


def test_caption_dropout_of_one_is_the_empty_caption(tmp_path: Path) -> None:
    base = open_base()
    losses: list[list[float]] = []
    for caption, dropout in (("zqx", 1.0), ("", 0.0), ("zqx", 0.0)):
        folder = tmp_path / f"{caption}-{dropout}"
        manifest = write_dataset(folder, [(32, 32)], captions=[caption])
        _, recorder = run(encoded(folder, manifest, base), caption_dropout=dropout)
        losses.append(recorder.losses)
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_dropout_falls_on_single_items(dataset: CachedDataset) -> None:
    trainer = make_trainer(dataset, batch_size=2, caption_dropout=0.5, seed=1)
    prompts: list[PromptEmbeddings] = []
    own: Any = trainer.model
    predict = own.predict

    def spy(noised: Tensor, sigmas: Tensor, prompt: PromptEmbeddings) -> Tensor:
        prompts.append(prompt)
        return predict(noised, sigmas, prompt)

    own.predict = spy
    trainer.fit()
    empty = dataset.empty_prompt.prompt_embeds[0]
    dropped = [[torch.equal(one, empty) for one in prompt.prompt_embeds] for prompt in prompts]
    assert any(len(set(batch)) == 2 for batch in dropped)


def test_guidance_and_its_bypass_change_the_loss(tmp_path: Path) -> None:
    source = str(save_tiny_flux(tmp_path / "tiny"))
    manifest = write_dataset(tmp_path, [(32, 32)])
    dataset = encoded(tmp_path, manifest, open_base(source))
    losses: list[float] = []
    for values in (
        {"guidance_scale": 1.0},
        {"guidance_scale": 3.5},
        {"bypass_guidance_embedding": True},
    ):
        trainer, recorder = make_trainer(dataset, open_base(source), steps=1, **values), Recorder()
        trainer.fit([recorder])
        losses += recorder.losses
    assert len(set(losses)) == 3


def test_averaged_weights_do_not_replace_the_raw_ones(plain: tuple[Trainer, Recorder]) -> None:
    trainer, _ = plain
    raw = copied(trainer.model.parameters)
    name = "transformer_blocks.0.attn.to_q.lora_B.weight"
    with trainer.averaged():
        inside = copied(trainer.model.parameters)
    assert torch.equal(inside[name], trainer.averaged_weights()[name])
    assert not torch.equal(inside[name], raw[name])
    assert all(torch.equal(raw[key], trainer.model.parameters[key]) for key in raw)


def test_without_average_the_raw_weights_are_the_result(dataset: CachedDataset) -> None:
    trainer, _ = run(dataset, ema_decay=0)
    for name, value in trainer.averaged_weights().items():
        assert torch.equal(value, trainer.model.parameters[name])
    raw = copied(trainer.model.parameters)
    with trainer.averaged():
        assert all(torch.equal(raw[key], trainer.model.parameters[key]) for key in raw)


class _Poison(Callback):
    """Puts an infinite number into the weights after a step."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.stopped: list[BaseException] = []

    def on_step(self, trainer: AnyTrainer, result: StepResult) -> None:
        trainer.saved_step = result.step - 1
        if result.step == self._after:
            with torch.no_grad():
                next(iter(trainer.model.parameters.values())).fill_(math.inf)

    def on_stop(self, trainer: AnyTrainer, error: BaseException) -> None:
        self.stopped.append(error)


def test_an_infinite_loss_stops_the_training_at_its_step(dataset: CachedDataset) -> None:
    trainer, recorder, poison = make_trainer(dataset, warmup_steps=0), Recorder(), _Poison(4)
    with pytest.raises(InvalidInputError) as raised:
        trainer.fit([recorder, poison])
    for words in ("step 5", "learning rate of 0.001", "that of step 3"):
        assert words in str(raised.value)
    assert trainer.step == 4
    assert len(recorder.results) == 4
    assert poison.stopped == [raised.value]


def test_an_infinite_gradient_stops_the_training(dataset: CachedDataset) -> None:
    trainer = make_trainer(dataset, steps=2)
    parameter = trainer.model.parameters["transformer_blocks.0.attn.to_q.lora_B.weight"]
    before = parameter.detach().clone()
    parameter.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(InvalidInputError, match="step 1"):
        trainer.fit()
    assert torch.equal(parameter, before)


def test_a_request_to_stop_ends_it_between_two_steps(dataset: CachedDataset) -> None:
    trainer, recorder = make_trainer(dataset), Recorder(stop_after=2)
    with pytest.raises(Cancelled):
        trainer.fit([recorder], recorder.flag)
    assert trainer.step == 2


class _ShortMemory:
    """A model whose first passes run out of memory."""

    def __init__(self, model: Any, failures: int) -> None:
        self._model, self._failures = model, failures
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, noised: Tensor, sigmas: Tensor, prompt: PromptEmbeddings) -> Tensor:
        if self._failures:
            self._failures -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(noised))
        return self._model.predict(noised, sigmas, prompt)


def _short_of_memory(
    dataset: CachedDataset, failures: int, lines: list[str] | None = None, **values: Any
) -> Trainer:
    made = make_trainer(dataset, steps=3, **values)
    model: Any = _ShortMemory(made.model, failures)
    return Trainer(model, dataset, made.config, say=[].append if lines is None else lines.append)


def test_out_of_memory_once_switches_to_checkpointing(
    dataset: CachedDataset, plain: tuple[Trainer, Recorder]
) -> None:
    trainer = _short_of_memory(dataset, 1)
    model: Any = trainer.model
    assert not model.uses_checkpointing
    trainer.fit()
    assert model.uses_checkpointing
    assert weights_digest(trainer) == weights_digest(plain[0])  # no batch was skipped


def test_out_of_memory_with_checkpointing_accumulates_single_items(dataset: CachedDataset) -> None:
    values = {"batch_size": 2, "gradient_checkpointing": True}
    whole, _ = run(dataset, **values)
    trainer = _short_of_memory(dataset, 1, **values)
    trainer.fit()
    assert set(trainer.model.batches) == {1}  # type: ignore[attr-defined]
    for name, value in trainer.model.parameters.items():
        assert torch.allclose(value, whole.model.parameters[name], atol=1e-5)


def test_out_of_memory_is_survived_where_only_other_parts_can_leave(
    dataset: CachedDataset,
) -> None:
    values = {"batch_size": 1, "gradient_checkpointing": True}
    lines: list[str] = []
    trainer = _short_of_memory(dataset, 1, lines, **values)
    trainer.fit()
    assert weights_digest(trainer) == weights_digest(run(dataset, **values)[0])
    assert len(lines) == 1


@pytest.mark.parametrize("values", [{}, {"gradient_checkpointing": True, "batch_size": 1}])
def test_out_of_memory_again_ends_the_training(
    values: dict[str, Any], dataset: CachedDataset
) -> None:
    trainer = _short_of_memory(dataset, 2, **values)
    with pytest.raises(ResourceError, match="out of memory") as raised:
        trainer.fit()
    assert trainer.step == 0
    assert raised.value.is_final
    assert "CUDA" not in str(raised.value)


def test_a_callback_that_fails_at_a_stop_hides_no_error(dataset: CachedDataset) -> None:
    class Failing(Callback):
        def on_stop(self, trainer: AnyTrainer, error: BaseException) -> None:
            raise RuntimeError("another error")

    recorder, poison = Recorder(stop_after=1), _Poison(99)
    with pytest.raises(Cancelled):
        make_trainer(dataset).fit([recorder, Failing(), poison], recorder.flag)
    assert len(poison.stopped) == 1


def test_a_measurement_depends_on_level_and_noise_alone(plain: tuple[Trainer, Recorder]) -> None:
    trainer, _ = plain
    item = trainer.dataset.items[1]
    noise = torch.ones_like(item.latents)
    first = trainer.measure(item, 0.5, noise)
    assert trainer.measure(item, 0.5, noise) == first
    assert trainer.measure(item, 0.9, noise) != first
    assert trainer.measure(item, 0.5, -noise) != first
    grads = [value.grad for value in trainer.model.parameters.values()]
    assert all(grad is None or grad.isfinite().all() for grad in grads)


def test_a_base_in_bfloat16_trains_a_float32_adapter(tmp_path: Path) -> None:
    source = str(save_tiny_flux(tmp_path / "tiny"))
    digests: set[str] = set()
    for _ in range(2):
        base = open_base(source, dtype=torch.bfloat16)
        dataset = encoded(tmp_path, write_dataset(tmp_path, [(32, 32)]), base)
        trainer = make_trainer(dataset, base, steps=2, caption_dropout=0)
        before = copied(trainer.model.parameters)
        trainer.fit()
        name = "transformer_blocks.0.attn.to_q.lora_B.weight"
        assert not torch.equal(before[name], trainer.model.parameters[name])
        assert {value.dtype for value in trainer.model.parameters.values()} == {torch.float32}
        digests.add(weights_digest(trainer))
    assert len(digests) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="moments in 8 bits need CUDA")
def test_the_default_optimizer_has_8_bits_on_cuda(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    base = open_base(device=torch.device("cuda"), dtype=torch.bfloat16)
    dataset = encoded(tmp_path, write_dataset(tmp_path, [(32, 32)]), base)
    trainer = make_trainer(dataset, base, steps=2)
    trainer.fit()
    assert trainer.optimizer_used == "adamw8bit"


def test_another_optimizer_is_recorded_off_cuda(plain: tuple[Trainer, Recorder]) -> None:
    trainer, _ = plain
    assert trainer.config.values.optimizer == "adamw8bit"
    assert trainer.optimizer_used == "adamw"
