"""Reading of every trainer's files into the same pairs."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from shared.errors import InvalidInputError
from shared.flux.engine import LoraUse
from shared.flux.lora.reading import LoraParts, Pairs, changed_parts, read_lora
from tests.fixtures.loras import diffusers_names, random_pairs, saved

_TO_Q = "transformer_blocks.0.attn.to_q"
_CLIP_Q = "text_model.encoder.layers.0.self_attn.q_proj"


def _changes(pairs: Pairs) -> dict[str, Tensor]:
    return {name: pair.up @ pair.down for name, pair in pairs.items()}


def _assert_same(pairs: Pairs, expected: dict[str, Tensor]) -> None:
    changes = _changes(pairs)
    assert changes.keys() == expected.keys()
    for name, change in changes.items():
        torch.testing.assert_close(change, expected[name])


def _pair(rows: int = 64, rank: int = 4, columns: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(rank, columns, generator=generator)
    return down, torch.randn(rows, rank, generator=generator)


def _read(tensors: dict[str, Tensor], folder: Path, **options: Any) -> LoraParts:
    return read_lora(saved(tensors, folder, **options))


@pytest.mark.parametrize("prefix", ["transformer.", "base_model.model.", ""])
def test_diffusers_ai_toolkit_and_peft(
    tiny: Any, layer_names: tuple[str, ...], tmp_path: Path, prefix: str
) -> None:
    pairs = random_pairs(tiny.transformer, layer_names)
    parts = _read(diffusers_names(pairs, prefix), tmp_path)
    _assert_same(parts.transformer, {name: up @ down for name, (down, up) in pairs.items()})
    assert parts.clip == {}


def test_name_of_an_adapter_within_the_tensors_names(tmp_path: Path) -> None:
    down, up = _pair()
    name = f"base_model.model.{_TO_Q}.lora"
    parts = _read({f"{name}_A.default.weight": down, f"{name}_B.default.weight": up}, tmp_path)
    _assert_same(parts.transformer, {_TO_Q: up @ down})


def test_old_diffusers_names(tmp_path: Path) -> None:
    down, up = _pair()
    name = f"transformer.{_TO_Q}.lora"
    parts = _read({f"{name}.down.weight": down, f"{name}.up.weight": up}, tmp_path)
    _assert_same(parts.transformer, {_TO_Q: up @ down})


def test_alpha_beside_a_pair(tmp_path: Path) -> None:
    down, up = _pair()
    tensors = diffusers_names({_TO_Q: (down, up)})
    parts = _read(tensors | {f"transformer.{_TO_Q}.alpha": torch.tensor(2.0)}, tmp_path)
    _assert_same(parts.transformer, {_TO_Q: up @ down / 2})


def test_alphas_in_pefts_configuration(tmp_path: Path) -> None:
    to_k = _TO_Q.replace("to_q", "to_k")
    q, k, text = _pair(seed=1), _pair(seed=2, rank=8), _pair(rows=32, columns=32, seed=3)
    tensors = diffusers_names({_TO_Q: q, to_k: k})
    tensors |= diffusers_names({_CLIP_Q: text}, "text_encoder.")
    config = {
        "transformer.r": 4,
        "transformer.lora_alpha": 8,
        "transformer.alpha_pattern": {"attn.to_k": 2},
        "transformer.rank_pattern": {"attn.to_k": 8},
        "text_encoder.lora_alpha": 2,
        "text_encoder.use_rslora": True,
    }
    parts = _read(tensors, tmp_path, metadata={"lora_adapter_metadata": json.dumps(config)})
    _assert_same(parts.transformer, {_TO_Q: q[1] @ q[0] * 2, to_k: k[1] @ k[0] / 4})
    _assert_same(parts.clip, {_CLIP_Q: text[1] @ text[0]})


def _kohya(name: str, pair: tuple[Tensor, Tensor], alpha: float | None) -> dict[str, Tensor]:
    down, up = pair
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
    return tensors if alpha is None else tensors | {f"{name}.alpha": torch.tensor(alpha)}


def test_kohya_with_alphas_fused_projections_final_layer_and_clip(tmp_path: Path) -> None:
    proj, qkv, mlp = _pair(seed=1), _pair(rows=192, seed=2), _pair(rows=256, seed=3)
    final, text = _pair(seed=4), _pair(rows=32, columns=32, seed=5)
    block = "lora_unet_double_blocks_0"
    parts = _read(
        _kohya(f"{block}_img_attn_proj", proj, 2.0)
        | _kohya(f"{block}_img_attn_qkv", qkv, 1.0)
        | _kohya(f"{block}_img_mlp_0", mlp, None)
        | _kohya("lora_unet_final_layer_linear", final, 1.0)
        | _kohya("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", text, 8.0),
        tmp_path,
    )
    q, k, v = (qkv[1] @ qkv[0] / 4).chunk(3)
    attention = "transformer_blocks.0.attn"
    _assert_same(
        parts.transformer,
        {
            f"{attention}.to_out.0": proj[1] @ proj[0] / 2,
            f"{attention}.to_q": q,
            f"{attention}.to_k": k,
            f"{attention}.to_v": v,
            "transformer_blocks.0.ff.net.0.proj": mlp[1] @ mlp[0],
            "proj_out": final[1] @ final[0] / 4,
        },
    )
    _assert_same(parts.clip, {_CLIP_Q: text[1] @ text[0] * 2})


def test_layers_outside_the_blocks_keep_their_effect(tmp_path: Path) -> None:
    """diffusers writes these without the prefix that its own loader requires."""
    pair = _pair()
    parts = _read(_kohya("lora_unet_img_in", pair, 4.0), tmp_path)
    _assert_same(parts.transformer, {"x_embedder": pair[1] @ pair[0]})


def test_x_labs(tmp_path: Path) -> None:
    qkv = _pair(rows=192)
    name = "double_blocks.0.processor.qkv_lora1"
    parts = _read({f"{name}.down.weight": qkv[0], f"{name}.up.weight": qkv[1]}, tmp_path)
    q, k, v = (qkv[1] @ qkv[0]).chunk(3)
    expected = {"to_q": q, "to_k": k, "to_v": v}
    _assert_same(
        parts.transformer,
        {f"transformer_blocks.0.attn.{name}": change for name, change in expected.items()},
    )


def test_clip_alone_as_diffusers_writes_it(tmp_path: Path) -> None:
    down, up = _pair(rows=32, columns=32)
    parts = _read(diffusers_names({_CLIP_Q: (down, up)}, "text_encoder."), tmp_path)
    assert parts.transformer == {}
    _assert_same(parts.clip, {_CLIP_Q: up @ down})


def test_float8_is_read(tmp_path: Path) -> None:
    down, up = (matrix.to(torch.float8_e4m3fn) for matrix in _pair())
    parts = _read(diffusers_names({_TO_Q: (down, up)}), tmp_path)
    change = parts.transformer[_TO_Q]
    assert torch.equal(change.down, down.to(torch.bfloat16))


def test_t5_is_changed_by_its_own_pairs(tmp_path: Path) -> None:
    down, up = _pair(rows=32, columns=32)
    name = "encoder.block.0.layer.0.SelfAttention.q"
    lora = saved(_kohya(f"lora_te3_{name.replace('.', '_')}", (down, up), 2.0), tmp_path)
    parts = read_lora(lora)
    assert parts.transformer == parts.clip == {}
    _assert_same(parts.t5, {name: up @ down / 2})
    assert changed_parts(lora) == {"text_encoder_2"}


def test_bias_is_refused_by_name(tmp_path: Path) -> None:
    bias = {f"transformer.{_TO_Q}.lora_B.bias": torch.ones(64)}
    with pytest.raises(InvalidInputError, match=r"subject_model_path: has .*to_q\.lora_B\.bias'"):
        _read(diffusers_names({_TO_Q: _pair()}) | bias, tmp_path)


@pytest.mark.parametrize("name", ["dora_scale", "lora_magnitude_vector.weight"])
def test_a_dora_is_refused_by_name(name: str, tmp_path: Path) -> None:
    magnitudes = {f"transformer.{_TO_Q}.{name}": torch.ones(64)}
    with pytest.raises(InvalidInputError, match="subject_model_path: is a DoRA"):
        _read(diffusers_names({_TO_Q: _pair()}) | magnitudes, tmp_path)


def test_pairs_of_two_formats_act_both(tmp_path: Path) -> None:
    q, k = _pair(seed=1), _pair(seed=2)
    names = (
        "lora_transformer_transformer_blocks_0_attn_to_q",
        "lora_unet_transformer_blocks_0_attn_to_k",
    )
    parts = _read(_kohya(names[0], q, 4.0) | _kohya(names[1], k, None), tmp_path)
    expected = {_TO_Q: q[1] @ q[0], _TO_Q.replace("to_q", "to_k"): k[1] @ k[0]}
    _assert_same(parts.transformer, expected)


def test_file_of_zeros_for_layers_that_there_are_not_is_an_error(tmp_path: Path) -> None:
    zeros = diffusers_names({"strange": (torch.zeros(4, 64), torch.zeros(64, 4))})
    with pytest.raises(InvalidInputError, match="subject_model_path: changes nothing"):
        _read(zeros, tmp_path)


@pytest.mark.parametrize(
    "tensors",
    [
        _kohya("lora_unet_down_blocks_1_attentions_0_proj_in", _pair(), 1.0),
        _kohya("lora_unet_single_blocks_0_linear1", _pair(rows=100), 1.0),
        _kohya("lora_unet_double_blocks_0_img_attn_proj", _pair(), 1.0)
        | _kohya("lora_unet_double_blocks_0_strange", _pair(), 1.0),
        {f"transformer.{_TO_Q}.lora_A.weight": torch.ones(4, 64)},
        {"base_model.model.double_blocks.0.img_attn.qkv.lora_A.weight": torch.ones(4, 64)},
    ],
)
def test_file_of_another_kind_of_model_is_an_error(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    told = "subject_model_path: .*(not a layer of FLUX.1|without the other half|not fit query, key)"
    with pytest.raises(InvalidInputError, match=told):
        _read(tensors, tmp_path)


def test_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.safetensors"
    path.write_text("this is no safetensors file")
    use = LoraUse(field="style_model_path", sha256="0" * 64, path=path, weight=1)
    with pytest.raises(InvalidInputError, match="style_model_path: is not a safetensors file"):
        read_lora(use)
