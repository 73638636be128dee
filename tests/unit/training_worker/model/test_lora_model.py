"""The base model with its adapter: targets, first weights, strength, guidance, checkpointing."""

from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
from torch import Tensor

from shared.contracts.training import Hyperparameters
from shared.errors import InvalidInputError, ResourceError
from shared.flux.errors import ModelLoadError
from shared.flux.lora.targets import linear_layers
from shared.flux.pipeline.conditioning import PromptEmbeddings, text_ids
from tests.fixtures.lora_training import copied, open_base
from tests.fixtures.tiny_flux import save_tiny_flux, save_tiny_kontext
from training_worker.model.lora_model import LoraModel

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_flux(tmp_path_factory.mktemp("tiny") / "tiny")


def make(source: Path, **values: Any) -> LoraModel:
    model = LoraModel(open_base(str(source)), Hyperparameters(**{"rank": 4, **values}))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in model.parameters.items():
            if ".lora_B." in name:  # an adapter with an effect
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return model


def predict(model: LoraModel) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    embeds = torch.randn(2, 24, 32, generator=generator)
    pooled = torch.randn(2, 32, generator=generator)
    return model.predict(
        torch.randn(2, 16, 4, 4, generator=generator),
        torch.tensor([0.3, 0.7]),
        PromptEmbeddings(embeds, pooled, text_ids(embeds)),
    )


def test_every_linear_layer_of_the_blocks_but_modulation_is_trained(tiny: Path) -> None:
    base = open_base(str(tiny))
    layers = linear_layers(base.parts.load("transformer"))
    in_blocks = {name for name in layers if "transformer_blocks." in name and ".norm" not in name}
    model = LoraModel(base, Hyperparameters(rank=4))
    assert set(model.targets) == in_blocks
    assert len(model.targets) == 12 + 5
    assert "proj_out" not in model.targets
    expected = [f"{t}.lora_{side}.weight" for t in model.targets for side in "AB"]
    assert list(model.parameters) == expected
    trained = [p for p in base.parts.load("transformer").parameters() if p.requires_grad]
    assert len(trained) == len(expected)


def test_the_first_weights_depend_on_the_seed_alone(tiny: Path) -> None:
    def first(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(torch.seed())
        model = LoraModel(open_base(str(tiny)), Hyperparameters(rank=4, seed=seed))
        return copied(model.parameters)

    one, same, other = first(0), first(0), first(1)
    name = "transformer_blocks.0.attn.to_q.lora_A.weight"
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one[name], other[name])
    assert all(not value.any() for key, value in one.items() if ".lora_B." in key)


def test_the_adapter_is_float32_on_a_base_in_bfloat16(tiny: Path) -> None:
    base = open_base(str(tiny), dtype=torch.bfloat16)
    model = LoraModel(base, Hyperparameters(rank=4))
    assert {value.dtype for value in model.parameters.values()} == {torch.float32}
    loss = predict(model).float().square().mean()
    loss.backward()
    gradient = model.parameters["transformer_blocks.0.attn.to_q.lora_B.weight"].grad
    assert gradient is not None
    assert gradient.dtype is torch.float32
    assert gradient.abs().max() > 0


def test_the_rank_decides_the_shapes_and_must_fit(tiny: Path) -> None:
    model = make(tiny, rank=8)
    assert model.parameters["transformer_blocks.0.attn.to_q.lora_A.weight"].shape[0] == 8
    for rank in (0, 65):
        with pytest.raises(InvalidInputError, match=r"^rank: .* 1 to 64"):
            make(tiny, rank=rank)


def test_the_weight_scales_the_effect(tiny: Path) -> None:
    model = make(tiny)
    full = predict(model)
    with model.scaled(0):
        nothing = predict(model)
    with model.scaled(0.5):
        half = predict(model)
    base = open_base(str(tiny))
    plain = predict(LoraModel(base, Hyperparameters(rank=4)))  # B is zero
    assert torch.equal(nothing, plain)
    assert not torch.allclose(full, plain, atol=1e-4)
    assert not torch.allclose(full, half, atol=1e-4)
    assert torch.equal(predict(model), full)


def test_guidance_changes_predictions(tiny: Path) -> None:
    assert not torch.equal(
        predict(make(tiny, guidance_scale=1.0)), predict(make(tiny, guidance_scale=3.5))
    )


def test_a_bypass_equals_an_embedding_of_zeros(tiny: Path) -> None:
    bypassed = predict(make(tiny, bypass_guidance_embedding=True))
    assert not torch.equal(bypassed, predict(make(tiny)))
    zeroed = make(tiny)
    embedder: Any = zeroed.components.transformer.time_text_embed.guidance_embedder  # type: ignore[attr-defined]
    with torch.no_grad():
        embedder.linear_2.weight.zero_()
        embedder.linear_2.bias.zero_()
    assert torch.equal(bypassed, predict(zeroed))


def test_a_bypass_ends_with_the_training_pass(tiny: Path) -> None:
    model = make(tiny, bypass_guidance_embedding=True)
    own = model.components.transformer.time_text_embed  # type: ignore[attr-defined]
    predict(model)
    assert model.components.transformer.time_text_embed is own  # type: ignore[attr-defined]


def test_a_bypass_without_guidance_is_reported(tmp_path: Path) -> None:
    source = save_tiny_flux(tmp_path / "schnell", guidance_embeds=False)
    with structlog.testing.capture_logs() as logs:
        model = make(source, bypass_guidance_embedding=True)
    assert any(line["event"] == "bypass_guidance_embedding_has_no_effect" for line in logs)
    assert predict(model).isfinite().all()


def test_checkpointing_recomputes_and_changes_no_gradient(tiny: Path) -> None:
    calls: list[int] = []
    gradients: list[Tensor] = []
    for is_on in (False, True):
        model = make(tiny, gradient_checkpointing=is_on)
        block: Any = model.components.transformer.transformer_blocks[0]  # type: ignore[attr-defined]
        passes: list[int] = []
        block.register_forward_pre_hook(lambda *_, passes=passes: passes.append(1))
        predict(model).square().mean().backward()
        calls.append(len(passes))
        gradient = model.parameters["transformer_blocks.0.ff.net.2.lora_A.weight"].grad
        assert gradient is not None
        gradients.append(gradient)
    assert calls == [1, 2]
    assert torch.equal(*gradients)


def test_the_shift_follows_the_schedulers_kind(tiny: Path) -> None:
    assert make(tiny).shift(1024) == pytest.approx(1.878, abs=1e-3)
    assert LoraModel(open_base(), Hyperparameters()).shift(1024) == 1.5  # swatch's is fixed


def test_the_transformer_is_never_evicted(tiny: Path) -> None:
    base = open_base(str(tiny))
    model = LoraModel(base, Hyperparameters(rank=4))
    transformer = model.components.transformer
    assert model.components.vae is not None
    model.free_memory()
    assert model.components.transformer is transformer
    assert not base.cache.has(base.parts.key("vae"))


def test_names_are_no_paths_and_digests_tell_models_apart(tiny: Path, tmp_path: Path) -> None:
    other = save_tiny_flux(tmp_path / "tiny", seed=1)
    assert (open_base(str(tiny)).name, open_base(str(other)).name) == ("tiny", "tiny")
    assert open_base(str(tiny)).digest != open_base(str(other)).digest


@pytest.mark.parametrize("kind", ["missing", "empty", "kontext", "float16"])
def test_models_that_cannot_be_trained_are_refused(kind: str, tmp_path: Path) -> None:
    source, options = str(tmp_path), {}
    if kind == "missing":
        source = str(tmp_path / "nothing")
    elif kind == "kontext":
        source = str(save_tiny_kontext(tmp_path / "kontext"))
    elif kind == "float16":
        source, options = str(save_tiny_flux(tmp_path / "tiny")), {"dtype": torch.float16}
    words = {"kontext": "cannot be trained", "float16": "bfloat16"}.get(kind, "base model")
    with pytest.raises(ModelLoadError, match=words) as raised:
        open_base(source, **options)
    assert "SARTIQ_TRAINING_BASE_MODELS" in str(raised.value)
    assert "SARTIQ_MODEL_SOURCE" not in str(raised.value)


def test_a_model_over_the_memory_is_refused(tiny: Path) -> None:
    base = open_base(str(tiny), memory_bytes=1000)
    with pytest.raises(ResourceError, match="SARTIQ_TRAINER_MEMORY_BYTES"):
        LoraModel(base, Hyperparameters(rank=4))
