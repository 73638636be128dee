"""LoRA files are recognised, and others are refused with a reason."""

import struct
from pathlib import Path

import numpy as np
import pytest

from shared.lora.errors import LoraFileError
from shared.lora.inspection import inspect_lora
from tests.fixtures.lora_files import FLUX_MODULE, Tensors, entries, joined, lora_bytes, pair


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lora.safetensors"


def kohya(module: str, rank: int = 4, width: int = 8) -> Tensors:
    return {
        f"{module}.lora_down.weight": ("F16", [rank, width]),
        f"{module}.lora_up.weight": ("F16", [width, rank]),
        f"{module}.alpha": ("F16", []),
    }


@pytest.mark.parametrize(
    ("tensors", "rank", "targets", "base_model"),
    [
        (pair(), 4, ["attn.to_q"], "FLUX.1"),
        (
            {**pair(rank=4), **pair("transformer.transformer_blocks.3.attn.to_k", rank=16)},
            16,
            ["attn.to_k", "attn.to_q"],
            "FLUX.1",
        ),
        (pair("base_model.model.double_blocks.1.img_attn.proj"), 4, ["img_attn.proj"], "FLUX.1"),
        (pair("diffusion_model.single_blocks.37.linear2"), 4, ["linear2"], "FLUX.1"),
        (
            kohya("lora_unet_double_blocks_0_img_attn_proj"),
            4,
            ["img_attn_proj"],
            "FLUX.1",
        ),
        (
            {
                "double_blocks.0.processor.qkv_lora1.down.weight": ("F32", [16, 8]),
                "double_blocks.0.processor.qkv_lora1.up.weight": ("F32", [24, 16]),
            },
            16,
            ["processor.qkv"],
            "FLUX.1",
        ),
        (pair("transformer.transformer_blocks.0.attn.add_k_proj", 4, 3072), 4, None, "FLUX.1"),
        (pair("transformer.transformer_blocks.0.attn.add_k_proj", 4, 1536), 4, None, "SD3"),
        (
            pair("transformer.transformer_blocks.0.img_mlp.net.2"),
            4,
            ["img_mlp.net.2"],
            "Qwen-Image",
        ),
        (
            pair("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj"),
            4,
            None,
            "FLUX.2",
        ),
        (
            kohya("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 8, 2048),
            8,
            ["attn2_to_k"],
            "SDXL",
        ),
        (
            kohya("lora_unet_input_blocks_4_1_transformer_blocks_9_attn1_to_k"),
            4,
            ["attn1_to_k"],
            "SDXL",
        ),
        (
            kohya("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_v", 4, 768),
            4,
            ["attn2_to_v"],
            "SD 1.x",
        ),
        (
            {
                "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down"
                ".weight": ("F32", [4, 768]),
                "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.up"
                ".weight": ("F32", [1280, 4]),
            },
            4,
            ["attn2.processor.to_k"],
            "SD 1.x",
        ),
        (kohya("lora_te2_text_model_encoder_layers_0_mlp_fc1"), 4, ["mlp_fc1"], "SDXL"),
        (kohya("lora_te2_encoder_block_0_layer_0_SelfAttention_q"), 4, None, "FLUX.1"),
        (
            kohya("lora_transformer_transformer_blocks_0_attn_add_k_proj", 4, 3072),
            4,
            None,
            "FLUX.1",
        ),
        (pair("transformer.double_blocks.0.img_attn_qkv"), 4, None, "HunyuanVideo"),
        (kohya("lora_unet_double_blocks_0_img_mod_linear"), 4, None, "HunyuanVideo"),
        (pair("diffusion_model.double_stream_modulation_img.lin"), 4, None, "FLUX.2"),
        (pair("diffusion_model.distilled_guidance_layer.layers.0.in_layer"), 4, None, "Chroma"),
        (kohya("lora_te1_text_model_encoder_layers_0_mlp_fc1"), 4, ["mlp_fc1"], None),
        (pair("some.thing"), 4, ["some.thing"], None),
        (
            {
                "unet.down_blocks.0.resnets.0.conv1.lora_A.default.weight": ("F32", [2, 3, 3, 3]),
                "unet.down_blocks.0.resnets.0.conv1.lora_B.default.weight": ("F32", [5, 2, 1, 1]),
            },
            2,
            ["conv1"],
            None,
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_loras_of_every_trainer_are_recognised(
    path: Path, tensors: Tensors, rank: int, targets: list[str] | None, base_model: str | None
) -> None:
    path.write_bytes(lora_bytes(tensors, {"ss_network_dim": "4", "long": "x" * 5000}))
    summary = inspect_lora(path)
    assert (summary.rank, summary.base_model) == (rank, base_model)
    assert targets is None or summary.target_modules == targets
    assert summary.metadata == {"ss_network_dim": "4"}


A, B = f"{FLUX_MODULE}.lora_A.weight", f"{FLUX_MODULE}.lora_B.weight"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"model.weight": ("F32", [2, 2])}, "not part of a LoRA"),
        (pair() | {"model.weight": ("F32", [2, 2])}, "not part of a LoRA"),
        ({"a.hada_w1_a": ("F32", [2, 2])}, "another kind of adapter"),
        ({"a.lokr_w1": ("F32", [2, 2])}, "another kind of adapter"),
        ({"a.alpha": ("F32", [])}, "no pair"),
        ({A: ("F32", [4, 8])}, "without the other half"),
        ({B: ("F32", [8, 4])}, "without the other half"),
        ({A: ("F32", [4, 8]), B: ("F32", [8, 5])}, "has rank 4, .* rank 5"),
        ({A: ("F32", [4]), B: ("F32", [8, 4])}, "not two matrices"),
        ({A: ("F32", [0, 8]), B: ("F32", [8, 0])}, "not two matrices"),
        (pair() | {"other.alpha": ("F32", [])}, "without the pair"),
        (pair() | {f"{FLUX_MODULE}.lora_down.weight": ("F32", [4, 64])}, "has both"),
        (pair() | {f"{FLUX_MODULE}.alpha": ("F32", [4])}, "an alpha is one number"),
        (pair() | {f"{FLUX_MODULE}.dora_scale": ("F32", [64, 1])}, "DoRA .* train it again"),
        (pair() | {f"{FLUX_MODULE}.lora_magnitude_vector.default.weight": ("F32", [64])}, "DoRA"),
        (pair() | {"bundle_emb.a.clip_l": ("F32", [2, 64])}, "embedding .* without it"),
    ],
)
def test_other_files_are_refused(path: Path, tensors: Tensors, message: str) -> None:
    path.write_bytes(lora_bytes(tensors))
    with pytest.raises(LoraFileError, match=message):
        inspect_lora(path)


def brain(value: float) -> bytes:
    return struct.pack("<f", value)[2:]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("dtype", "encode"),
    [
        ("F16", lambda value: np.float16(value).tobytes()),
        ("BF16", brain),
        ("F32", lambda value: struct.pack("<f", value)),
        ("F64", lambda value: struct.pack("<d", value)),
    ],
)
def test_non_finite_number_is_found_anywhere(
    path: Path, dtype: str, encode: object, value: float
) -> None:
    assert callable(encode)
    header, size = entries({A: (dtype, [8, 100_000]), B: (dtype, [64, 8])})
    data = bytearray(encode(1.5) * (size // len(encode(1.5))))
    path.write_bytes(joined(header, bytes(data)))
    assert inspect_lora(path).rank == 8
    data[-len(encode(value)) :] = encode(value)
    path.write_bytes(joined(header, bytes(data)))
    with pytest.raises(LoraFileError, match=r"NaN or infinity.*lora_B"):
        inspect_lora(path)


@pytest.mark.parametrize(
    ("dtype", "bits", "is_finite"),
    [
        ("F8_E4M3", 0x7E, True),
        ("F8_E4M3", 0x7F, False),
        ("F8_E4M3", 0xFF, False),
        ("F8_E5M2", 0x7B, True),
        ("F8_E5M2", 0x7C, False),
        ("F8_E5M2", 0xFD, False),
        ("U8", 0xFF, True),
    ],
)
def test_non_finite_eight_bit_floats_are_found(
    path: Path,
    dtype: str,
    bits: int,
    is_finite: bool,  # noqa: FBT001 -- a case
) -> None:
    tensors = {"a.lora_A.weight": (dtype, [4, 8]), "a.lora_B.weight": (dtype, [8, 4])}
    path.write_bytes(lora_bytes(tensors, fill=bits))
    if is_finite:
        assert inspect_lora(path).rank == 4
    else:
        with pytest.raises(LoraFileError, match="NaN"):
            inspect_lora(path)
