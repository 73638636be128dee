"""LoRA files: equal bytes for equal runs, whole or not there, alpha multiplied in."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from shared.flux.engine import LoraUse
from shared.flux.lora.reading import read_lora
from training_worker.export.lora_file import write_lora

_NAME = "transformer_blocks.0.attn.to_q"
_NOTES = {"format": "pt", "b": "2", "a": "1"}


def _weights(seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"add_q_proj": (6, 8), "to_q": (5, 8)}
    weights: dict[str, torch.Tensor] = {}
    for layer, (out, width) in shapes.items():
        name = f"transformer_blocks.0.attn.{layer}"
        weights[f"{name}.lora_B.weight"] = torch.randn(out, 4, generator=generator).to(dtype)
        weights[f"{name}.lora_A.weight"] = torch.randn(4, width, generator=generator).to(dtype)
    return weights


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    first = write_lora(tmp_path / "a", _weights(), lambda _: _NOTES)
    turned = dict(reversed(_weights().items()))
    second = write_lora(tmp_path / "b", turned, lambda _: dict(_NOTES))
    other = write_lora(tmp_path / "c", _weights(1), lambda _: _NOTES)

    content = first.path.read_bytes()
    assert content == second.path.read_bytes() != other.path.read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256(content).hexdigest()
    assert first.size_bytes == len(content)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_safetensors_reads_the_file(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = _weights()
    written = write_lora(tmp_path / "a", weights, lambda _: _NOTES, dtype=dtype)

    found = load_file(written.path)
    assert {*found} == {f"transformer.{name}" for name in weights}
    for name, tensor in weights.items():
        assert torch.equal(found[f"transformer.{name}"], tensor.to(dtype))
    with safe_open(written.path, "pt") as file:
        assert file.metadata() == _NOTES


def test_metadata_has_its_order_and_the_tensors_digest(tmp_path: Path) -> None:
    written = write_lora(tmp_path / "a", _weights(), lambda sha: {**_NOTES, "hash": sha})

    content = written.path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    notes = json.loads(content[8:end])["__metadata__"]
    assert list(notes) == ["format", "b", "a", "hash"]
    assert notes["hash"] == hashlib.sha256(content[end:]).hexdigest()


def test_alpha_is_multiplied_in(tmp_path: Path) -> None:
    weights = _weights()
    written = write_lora(tmp_path / "a", weights, lambda _: {}, scale=8 / 4, dtype=torch.float32)

    lora = LoraUse(field="lora", sha256="", path=written.path, weight=1)
    pair = read_lora(lora).transformer[_NAME]
    expected = 2 * weights[f"{_NAME}.lora_B.weight"] @ weights[f"{_NAME}.lora_A.weight"]
    assert torch.equal(pair.up @ pair.down, expected)


def test_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    before = write_lora(path, _weights(), lambda _: _NOTES)

    def fail(_sha: str) -> dict[str, str]:
        raise RuntimeError("no metadata")

    with pytest.raises(RuntimeError):
        write_lora(path, _weights(1), fail)

    assert hashlib.sha256(path.read_bytes()).hexdigest() == before.sha256
    assert [found.name for found in tmp_path.iterdir()] == ["a"]
