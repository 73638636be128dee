"""Each optimisation on a tiny FLUX transformer: the output is equal up to rounding."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from inference_worker.profiles.plan import ExecutionPlan
from inference_worker.profiles.transformer import (
    fuse_qkv,
    prepare_transformer,
    repeated_blocks,
    set_cache_threshold,
)
from shared.flux.model_cache.part_cache import module_bytes
from shared.flux.pipeline.step_cache import forget_steps, prompt_context
from tests.fixtures.tiny_flux import build_tiny_flux

_BALANCED = ExecutionPlan(fuses_qkv=True, compiles=True, compile_backend="aot_eager")


@pytest.fixture(scope="module")
def original() -> Any:
    return build_tiny_flux().transformer


@pytest.fixture
def transformer(original: Any) -> Any:
    return copy.deepcopy(original)


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


@torch.inference_mode()
def _run(transformer: Any, *, seed: int = 0, num_tokens: int = 16, step: float = 0.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return transformer(
        hidden_states=noise(1, num_tokens, 64),
        timestep=torch.full([1], step),
        guidance=torch.full([1], 3.5),
        pooled_projections=noise(1, 32),
        encoder_hidden_states=noise(1, 24, 32),
        txt_ids=torch.zeros(24, 3),
        img_ids=torch.zeros(num_tokens, 3),
        return_dict=False,
    )[0]


def test_fused_projections_give_the_same_and_take_no_more_memory(
    original: Any, transformer: Any
) -> None:
    fuse_qkv(transformer)
    torch.testing.assert_close(_run(transformer), _run(original))
    assert module_bytes(transformer) == module_bytes(original)
    assert not any(name.endswith("to_q") for name, _ in transformer.named_modules())


def test_balanced_equals_quality_with_one_compilation_for_each_kind_of_block(
    original: Any, transformer: Any
) -> None:
    for blocks in (original.transformer_blocks, transformer.transformer_blocks):
        blocks.append(copy.deepcopy(original.transformer_blocks[0]))
    expected = _run(original)
    prepare_transformer(transformer, _BALANCED)
    torch.testing.assert_close(_run(transformer), expected, atol=1e-5, rtol=1e-5)
    del original.transformer_blocks[-1]
    assert counters["stats"]["unique_graphs"] == 2
    _run(transformer, seed=1)
    assert counters["stats"]["unique_graphs"] == 2


def test_lora_slots_come_between_fusing_and_compiling(transformer: Any) -> None:
    seen: list[bool] = []

    def add_slots(module: Any) -> None:
        attention = module.transformer_blocks[0].attn
        seen.append(isinstance(attention.to_qkv, nn.Linear))
        slot = torch.zeros(attention.to_qkv.out_features)
        attention.to_qkv.register_buffer("slot", slot, persistent=False)
        attention.to_qkv.register_forward_hook(lambda layer, _, output: output + layer.slot)

    prepare_transformer(transformer, _BALANCED, add_lora_slots=add_slots)
    assert seen == [True]
    before = _run(transformer)
    graphs = counters["stats"]["unique_graphs"]
    transformer.transformer_blocks[0].attn.to_qkv.slot.fill_(0.5)
    swapped = _run(transformer)
    assert not torch.allclose(swapped, before)
    assert counters["stats"]["unique_graphs"] == graphs


def test_without_compilation_there_are_no_slots(transformer: Any) -> None:
    asked: list[Any] = []
    prepare_transformer(transformer, ExecutionPlan(fuses_qkv=True), add_lora_slots=asked.append)
    assert asked == []


@pytest.mark.parametrize("plan", [ExecutionPlan(), _BALANCED], ids=["eager", "compiled"])
def test_cache_skips_blocks_whose_input_hardly_changes(
    original: Any, transformer: Any, plan: ExecutionPlan
) -> None:
    prepare_transformer(transformer, plan)
    set_cache_threshold(transformer, 0.5)
    calls: list[Tensor] = []
    last = list(repeated_blocks(transformer))[-1]
    layer = last.attn.to_qkv if plan.fuses_qkv else last.attn.to_q
    expected = _run(original)
    with prompt_context(transformer, "positive"):
        torch.testing.assert_close(_run(transformer), expected, atol=1e-5, rtol=1e-5)
    if not plan.compiles:
        layer.register_forward_hook(lambda _, __, output: calls.append(output))
    with prompt_context(transformer, "positive"):
        torch.testing.assert_close(_run(transformer), expected, atol=1e-5, rtol=1e-5)
    assert not calls


def test_caches_of_two_prompts_are_separate(original: Any, transformer: Any) -> None:
    set_cache_threshold(transformer, 1.0)
    for name, seed in (("positive", 1), ("negative", 2)):
        with prompt_context(transformer, name):
            assert torch.equal(_run(transformer, seed=seed), _run(original, seed=seed))


def test_a_new_run_forgets_the_last_one(original: Any, transformer: Any) -> None:
    set_cache_threshold(transformer, 1.0)
    for num_tokens in (16, 24):
        forget_steps(transformer)
        with prompt_context(transformer, "positive"):
            seen = _run(transformer, seed=num_tokens, num_tokens=num_tokens)
        assert torch.equal(seen, _run(original, seed=num_tokens, num_tokens=num_tokens))


def test_cache_is_switched_off_again(original: Any, transformer: Any) -> None:
    set_cache_threshold(transformer, 1.0)
    set_cache_threshold(transformer, 0)
    forget_steps(transformer)
    with prompt_context(transformer, "positive"):
        _run(transformer, seed=1)
        assert torch.equal(_run(transformer, seed=2), _run(original, seed=2))
