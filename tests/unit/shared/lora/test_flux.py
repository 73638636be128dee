"""A LoRA of FLUX.1 is applied with exactly its scales and layers, or it is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.lora.errors import LoraFileError
from shared.lora.flux import read_flux_plan
from shared.lora.inspection import inspect_lora
from tests.fixtures.lora_files import entries, joined

_BLOCK = "single_transformer_blocks.0"
_Q, _K, _V = (f"transformer.{_BLOCK}.attn.to_{name}" for name in "qkv")

Tensors = dict[str, NDArray[np.float32]]


def _pair(module: str = _Q, rank: int = 4, width: int = 64) -> Tensors:
    return {
        f"{module}.lora_A.weight": np.ones((rank, width), np.float32),
        f"{module}.lora_B.weight": np.ones((width, rank), np.float32),
    }


def _file(folder: Path, tensors: Tensors, notes: dict[str, str] | None = None) -> Path:
    header, _ = entries({name: ("F32", list(value.shape)) for name, value in tensors.items()})
    if notes:
        header["__metadata__"] = notes
    path = folder / "lora.safetensors"
    path.write_bytes(joined(header, b"".join(value.tobytes() for value in tensors.values())))
    return path


def _scales(path: Path) -> dict[str, float]:
    inspect_lora(path)
    return {change.pair.module: change.scale for change in read_flux_plan(path)}


def _config(**entries: Any) -> dict[str, str]:
    return {
        "lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in entries.items()})
    }


@pytest.mark.parametrize(
    "pattern",
    [
        f"{_BLOCK}.attn.to_q",
        f"^{_BLOCK}.attn.to_q",
        f"^{_BLOCK}\\.attn\\.to_q$",
        "attn.to_q",
        r"attn\.to_q",
        "to_q",
        "to_q$",
    ],
)
def test_names_in_patterns_match_as_in_peft(pattern: str, tmp_path: Path) -> None:
    notes = _config(r=4, lora_alpha=8, alpha_pattern={pattern: 2})
    assert _scales(_file(tmp_path, _pair() | _pair(_K), notes)) == {_Q: 0.5, _K: 2}


@pytest.mark.parametrize("pattern", ["^attn.to_q", "^to_q", "q", "o_q", "attn"])
def test_alphas_of_names_that_match_no_pair_are_refused(pattern: str, tmp_path: Path) -> None:
    path = _file(tmp_path, _pair(), _config(r=4, lora_alpha=8, alpha_pattern={pattern: 2}))
    for read in (inspect_lora, read_flux_plan):
        with pytest.raises(LoraFileError, match=r"alpha_pattern .* no pair.*; name"):
            read(path)
    notes = _config(r=4, lora_alpha=8, alpha_pattern={pattern: 8, "to_q": 2, "attn.to_q": 3})
    assert _scales(_file(tmp_path, _pair(), notes)) == {_Q: 0.5}
    notes = {"peft_config": json.dumps({"text_encoder.alpha_pattern": {"q_proj": 2}})}
    assert _scales(_file(tmp_path, _pair(), notes)) == {_Q: 1}
    flat = _pair("lora_unet_double_blocks_0_img_attn_proj")
    notes = {"lora_config": json.dumps({"alpha_pattern": {"double_blocks.0.img_attn.proj": 1}})}
    with pytest.raises(LoraFileError, match=r"alpha_pattern .* no pair"):
        inspect_lora(_file(tmp_path, flat, notes))


def test_the_first_matching_pattern_counts(tmp_path: Path) -> None:
    notes = _config(r=4, lora_alpha=8, alpha_pattern={"to_q": 2, f"{_BLOCK}.attn.to_q": 4})
    assert _scales(_file(tmp_path, _pair(), notes)) == {_Q: 0.5}


@pytest.mark.parametrize("field", ["alpha_pattern", "rank_pattern"])
@pytest.mark.parametrize(
    "pattern",
    [r".*\.attn\.to_[qkv]", "to_q|to_k", "to_.", "(to_q)", "to_[q]", r"\d+", "(a+)+$", ""],
)
def test_regular_expressions_are_refused(field: str, pattern: str, tmp_path: Path) -> None:
    path = _file(tmp_path, _pair(), _config(r=4, lora_alpha=4, **{field: {pattern: 4}}))
    with pytest.raises(LoraFileError, match=f"regular expression .* {field}.*not run: name"):
        inspect_lora(path)


def test_ranks_by_name_and_rank_stabilised_alphas(tmp_path: Path) -> None:
    notes = _config(r=4, lora_alpha=8, rank_pattern={"to_k": 16}, use_rslora=True)
    assert _scales(_file(tmp_path, _pair() | _pair(_K, rank=16), notes)) == {_Q: 4, _K: 2}


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        (_config(r=8, lora_alpha=8), "rank 8, and it has 4"),
        (_config(r=4, lora_alpha="8"), "lora_alpha .* not a number"),
        (_config(r=4, lora_alpha=float("nan")), "'nan' as lora_alpha"),
        (_config(r=4, lora_alpha=4, alpha_pattern=["to_q"]), "alpha_pattern .* by name"),
        (_config(r=4, lora_alpha=4, use_dora=True), "use_dora .* plain LoRA"),
        (_config(r=4, lora_alpha=4, init_lora_weights="pissa_niter_4"), "'pissa_niter_4'"),
        ({"lora_adapter_metadata": "[1"}, "not JSON"),
        ({"lora_adapter_metadata": "[" * 100_000}, "not JSON"),
        ({"lora_adapter_metadata": "[]"}, "not a JSON object"),
        ({"ss_network_alpha": "Dynamic"}, "'Dynamic' as ss_network_alpha"),
        ({"ss_network_alpha": "inf"}, "inf as ss_network_alpha"),
        ({"lora_alpha": "0"}, "0 as lora_alpha"),
        ({"lora_alpha": "1" * 1_000_000}, "as lora_alpha .* not a number"),
        ({"lora_adapter_metadata": "[" + "[]," * 400_000 + "0]"}, "at most 1048576 are allowed"),
        ({"lora_alpha": "2", "ss_network_alpha": "8"}, "contradicts itself"),
        ({"lora_alpha": "2", "rank": "8"}, "rank 8 and alpha 2.*rank 4"),
    ],
)
def test_invalid_alphas_and_ranks_in_a_header_are_refused(
    notes: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, _pair(), notes)
    with pytest.raises(LoraFileError, match=message):
        inspect_lora(path)
    with pytest.raises(LoraFileError, match=message):
        read_flux_plan(path)


@pytest.mark.parametrize(
    ("notes", "scale"),
    [
        ({}, 1),
        ({"ss_network_alpha": "None", "lora_alpha": ""}, 1),
        ({"ss_network_alpha": "2.0", "ss_network_dim": "4"}, 0.5),
        ({"lora_alpha": "2", "rank": "4"}, 0.5),
        ({"alpha": "2"}, 0.5),
        ({"alpha": "release 3"}, 1),
        ({"lora_adapter_metadata": "{}", "lora_alpha": "2"}, 0.5),
        ({"lora_adapter_metadata": json.dumps({"r": 4, "lora_alpha": 2})}, 0.5),
        ({"lora_adapter_metadata": json.dumps({"text_encoder.lora_alpha": 2})}, 1),
        ({"lora_config": json.dumps({"r": 4, "lora_alpha": 2})}, 0.5),
    ],
)
def test_alpha_in_the_header(notes: dict[str, str], scale: float, tmp_path: Path) -> None:
    assert _scales(_file(tmp_path, _pair(), notes)) == {_Q: scale}


def test_alpha_tensors_take_precedence_over_the_header(tmp_path: Path) -> None:
    tensors = _pair() | {f"{_Q}.alpha": np.asarray(2, np.float32)}
    notes = {"ss_network_alpha": "Dynamic"}
    assert _scales(_file(tmp_path, tensors, notes)) == {_Q: 0.5}
    with pytest.raises(LoraFileError, match="has alpha tensors for some pairs"):
        inspect_lora(_file(tmp_path, tensors | _pair(_K), {"lora_alpha": "8"}))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (f"{_Q}.lora_B.bias", (64,)),
        (f"{_Q}.lora_B.default.bias", (64,)),
        (f"{_Q}.diff_b", (64,)),
        (f"{_Q}.bias_diff", (64,)),
        (f"diffusion_model.{_BLOCK}.norm.diff", (64,)),
        (f"transformer.{_BLOCK}.proj_out.bias", (64,)),
    ],
)
def test_offsets_must_be_zero(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    zero = np.zeros(shape, np.float32)
    assert _scales(_file(tmp_path, _pair() | {name: zero})) == {_Q: 1}
    zero[-1] = 1e-3
    path = _file(tmp_path, _pair() | {name: zero})
    for read in (inspect_lora, read_flux_plan):
        with pytest.raises(LoraFileError, match=f"{name}.*not applied here; train without"):
            read(path)


@pytest.mark.parametrize(
    "module",
    [
        "transformer.strange",
        "lora_unet_double_blocks_0_img_attn_strange",
        "lora_te1_text_projection",
        "text_encoders.clip_l.transformer.text_model.embeddings.position_embedding",
        "text_encoder_2.encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
        "transformer.single_transformer_blocks.00.attn.to_q",
        "transformer.double_blocks.0.img_attn_proj",
    ],
)
def test_unknown_layers_are_named(module: str, tmp_path: Path) -> None:
    other = _pair(module)
    path = _file(tmp_path, _pair() | other)
    with pytest.raises(LoraFileError, match=f"{module}' *, which is not a layer of FLUX.1"):
        read_flux_plan(path)
    other[f"{module}.lora_B.weight"][:] = 0
    assert _scales(_file(tmp_path, _pair() | other)) == {_Q: 1}


def test_one_layer_under_two_names_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, _pair() | _pair(f"lora_unet_{_BLOCK.replace('.', '_')}_attn_to_q"))
    with pytest.raises(LoraFileError, match=r"to_q twice, as .* and as .*keep"):
        inspect_lora(path)


def test_joined_projections_of_other_widths_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, _pair("diffusion_model.single_blocks.0.linear1"))
    with pytest.raises(LoraFileError, match="takes 64 and gives 64 features"):
        inspect_lora(path)


def test_pairs_with_a_third_matrix_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, _pair() | {f"{_Q}.lora_mid.weight": np.ones((4, 4, 1, 1), np.float32)})
    with pytest.raises(LoraFileError, match=r"to_q', which is not a layer"):
        inspect_lora(path)


def test_integers_are_refused(tmp_path: Path) -> None:
    header, size_bytes = entries(
        {f"{_Q}.lora_A.weight": ("I8", [4, 64]), f"{_Q}.lora_B.weight": ("I8", [64, 4])}
    )
    path = tmp_path / "lora.safetensors"
    path.write_bytes(joined(header, b"\1" * size_bytes))
    with pytest.raises(LoraFileError, match=r"integers .I8. in .*; save"):
        inspect_lora(path)


@pytest.mark.parametrize(
    ("dtype", "encoded"),
    [
        ("BF16", b"\x00\x40"),
        ("F16", np.float16(2).tobytes()),
        ("F32", np.float32(2).tobytes()),
        ("F64", np.float64(2).tobytes()),
        ("I64", np.int64(2).tobytes()),
        ("U8", b"\2"),
    ],
)
def test_alphas_of_every_type(dtype: str, encoded: bytes, tmp_path: Path) -> None:
    tensors: dict[str, tuple[str, list[int]]] = {f"{_Q}.alpha": (dtype, [1])}
    tensors |= {name: ("F32", list(value.shape)) for name, value in _pair().items()}
    header, _ = entries(tensors)
    path = tmp_path / "lora.safetensors"
    data = b"".join(value.tobytes() for value in _pair().values())
    path.write_bytes(joined(header, encoded + data))
    assert _scales(path) == {_Q: 0.5}


@pytest.mark.parametrize("alpha", [0.0, -0.0])
def test_alpha_zero_of_a_trained_layer_is_refused(alpha: float, tmp_path: Path) -> None:
    tensors = _pair() | {f"{_Q}.alpha": np.asarray(alpha, np.float32)}
    with pytest.raises(LoraFileError, match="some loaders take for no effect"):
        inspect_lora(_file(tmp_path, tensors))
    tensors[f"{_Q}.lora_B.weight"][:] = 0
    assert _scales(_file(tmp_path, tensors | _pair(_K))) == {_K: 1}


def _beside(alpha: float = 4) -> Tensors:
    return _pair() | {f"{_Q}.alpha": np.asarray(alpha, np.float32)}


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        (_config(init_lora_weights="pissa"), "'pissa'"),
        (_config(use_dora=True), "use_dora"),
        (_config(layer_replication=[[0, 2]]), "layer_replication"),
        (_config(modules_to_save=["proj_out"]), "modules_to_save"),
        (_config(alpha_pattern={"to_.": 4}), "regular expression"),
        (_config(rank_pattern={"to_q|to_k": 4}), "regular expression"),
        (_config(use_rslora=True), "use_rslora .* without lora_alpha"),
        (_config(r=4, lora_alpha=4, use_rslora=True), r"contradicts itself.*2 .* 1 .*alpha"),
        (_config(r=4, lora_alpha=8), r"contradicts itself.*2 .* 1 .*alpha"),
        (_config(r=4, lora_alpha=4, alpha_pattern={"to_q": 8}), "contradicts itself"),
        (_config(r=8, lora_alpha=8), "rank 8, and it has 4"),
        ({"peft_config": "[1"}, "not JSON"),
    ],
)
def test_a_configuration_is_checked_against_alpha_tensors(
    notes: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = _file(tmp_path, _beside(), notes)
    for read in (inspect_lora, read_flux_plan):
        with pytest.raises(LoraFileError, match=message):
            read(path)


@pytest.mark.parametrize(
    "notes",
    [
        _config(r=4, lora_alpha=4, init_lora_weights=True, use_dora=False, modules_to_save=None),
        _config(r=4, lora_alpha=2, use_rslora=True),
        _config(r=4, lora_alpha=9, alpha_pattern={"to_q": 4}),
        _config(r=4),
        {"lora_config": json.dumps({"name": "x"})},
        {"ss_network_alpha": "Dynamic", "ss_network_dim": "Dynamic"},
    ],
)
def test_a_configuration_may_agree_with_alpha_tensors(
    notes: dict[str, str], tmp_path: Path
) -> None:
    assert _scales(_file(tmp_path, _beside(), notes)) == {_Q: 1}


def test_rounded_alpha_tensors_agree_with_the_configuration(tmp_path: Path) -> None:
    rounded = float(np.float16(0.3))
    notes = _config(r=4, lora_alpha=0.3)
    assert _scales(_file(tmp_path, _beside(rounded), notes)) == {_Q: rounded / 4}


@pytest.mark.parametrize(
    "notes",
    [
        {"lora_config": json.dumps({"rank": 4, "alpha": 1})},
        {"lora_config": json.dumps({"name": "x"}), "lora_alpha": "1"},
        _config(r=4) | {"ss_network_alpha": "1"},
        _config(r=4, lora_alpha=1) | {"ss_network_alpha": "1", "ss_network_dim": "4"},
        _config(r=4, lora_alpha=1) | {"peft_config": json.dumps({"r": 4, "lora_alpha": 1})},
        _config(r=4, lora_alpha=1) | {"lora_config": json.dumps({"name": "x"})},
        _config(r=4) | {"lora_config": json.dumps({"lora_alpha": 1})},
        {"peft_config": json.dumps({"text_encoder.lora_alpha": 2}), "lora_alpha": "1"},
        {"peft_config": json.dumps({"transformer.r": 4, "lora_alpha": 1})},
    ],
)
def test_sources_without_alpha_are_ignored(notes: dict[str, str], tmp_path: Path) -> None:
    assert _scales(_file(tmp_path, _pair(), notes)) == {_Q: 0.25}


@pytest.mark.parametrize(
    "notes",
    [
        {"peft_config": json.dumps({"lora_alpha": 4}), "ss_network_alpha": "1"},
        _config(lora_alpha=4) | {"peft_config": json.dumps({"lora_alpha": 1})},
        _config(lora_alpha=4, alpha_pattern={"to_q": 1}) | {"lora_alpha": "4"},
        {"lora_config": json.dumps({"lora_alpha": 4, "alpha": 1})},
    ],
)
def test_contradictory_alphas_are_refused(notes: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(LoraFileError, match="contradicts itself"):
        inspect_lora(_file(tmp_path, _pair(), notes))


@pytest.mark.parametrize(
    "notes",
    [
        _config(r=4, lora_alpha=0),
        _config(r=4, lora_alpha=4, alpha_pattern={"to_q": 0}),
        {"lora_config": json.dumps({"alpha": 0.0})},
    ],
)
def test_alpha_zero_in_a_configuration_is_refused(notes: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(LoraFileError, match="some loaders take for no effect"):
        inspect_lora(_file(tmp_path, _pair(), notes))


@pytest.mark.parametrize("notes", [{"rank": "S-tier"}, {"network_dim": "Dynamic"}])
def test_a_rank_without_alpha_may_be_anything(notes: dict[str, str], tmp_path: Path) -> None:
    assert _scales(_file(tmp_path, _pair(), notes)) == {_Q: 1}
    config = {"lora_config": json.dumps(notes)}
    assert _scales(_file(tmp_path, _pair(), config)) == {_Q: 1}


@pytest.mark.parametrize("half", ["lora_A", "lora_B"])
def test_pairs_without_effect_are_omitted(half: str, tmp_path: Path) -> None:
    idle = _pair(_K) | _pair(f"lora_unet_{_BLOCK.replace('.', '_')}_attn_to_q")
    for name, tensor in idle.items():
        if half in name or "lora_unet" in name:
            tensor[:] = 0
    assert _scales(_file(tmp_path, _pair() | idle)) == {_Q: 1}
    path = _file(tmp_path, idle)
    for read in (inspect_lora, read_flux_plan):
        with pytest.raises(LoraFileError, match="changes nothing: every number in it is 0"):
            read(path)


def test_early_diffusers_pairs_have_one_alpha(tmp_path: Path) -> None:
    stem = f"transformer.{_BLOCK}.attn.processor.to_q"
    tensors: Tensors = {
        f"{stem}_lora.down.weight": np.ones((4, 64), np.float32),
        f"{stem}_lora.up.weight": np.ones((64, 4), np.float32),
        f"{stem}.alpha": np.asarray(1, np.float32),
    }
    assert _scales(_file(tmp_path, tensors)) == {f"{stem}_lora": 0.25}
    both = tensors | {f"{stem}_lora.alpha": np.asarray(4, np.float32)}
    for order in (both, dict(reversed(both.items()))):
        with pytest.raises(LoraFileError, match=r"to_q.*\.alpha.* and .*to_q.*\.alpha.*keep one"):
            inspect_lora(_file(tmp_path, order))
