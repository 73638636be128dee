"""The engine that the settings load, and the errors of models that cannot be loaded."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inference_worker.engine.identity_engine import IdentityEngine
from inference_worker.engine.loading import load_engine
from inference_worker.engine.model_engine import ModelEngine
from inference_worker.settings import EngineKind, InferenceSettings
from shared.flux.device import choose_device, choose_dtype
from shared.flux.errors import ModelLoadError
from shared.flux.fingerprint import fingerprint
from shared.flux.kinds import DeviceKind, DtypeKind
from shared.flux.packaged import packaged_model
from shared.settings import ModelSettings


def test_settings_choose_the_engine(tiny_flux_folder: Path) -> None:
    model = ModelSettings(source=str(tiny_flux_folder), native_px=64)
    flux = load_engine(InferenceSettings(), model)
    assert isinstance(flux, ModelEngine)
    assert flux.edit_side_px == 128
    identity = load_engine(InferenceSettings(engine=EngineKind.IDENTITY), ModelSettings(max_px=96))
    assert isinstance(identity, IdentityEngine)
    assert identity.edit_side_px == 96


def test_engine_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_INFERENCE_ENGINE", "identity")
    assert InferenceSettings().engine is EngineKind.IDENTITY


def test_identity_worker_imports_no_torch() -> None:
    code = (
        "import sys; import inference_worker.activities.inference;"
        "from inference_worker.engine.loading import *;"
        "load_engine(InferenceSettings(engine='identity'), ModelSettings());"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("content", [None, "{}", '{"_class_name": "FluxPipeline"}'])
def test_unusable_folder_names_the_path_and_the_setting(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "model_index.json").write_text(content)
    with pytest.raises(ModelLoadError) as raised:
        load_engine(InferenceSettings(), ModelSettings(source=str(tmp_path)))
    assert str(tmp_path) in str(raised.value)
    assert "SARTIQ_MODEL_SOURCE" in str(raised.value)


def test_unknown_hub_id_names_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"'not a model'.*SARTIQ_MODEL_SOURCE"):
        load_engine(InferenceSettings(), ModelSettings(source="not a model"))


def test_packaged_model_is_in_the_package() -> None:
    assert packaged_model().parts[-3:] == ("flux", "models", "swatch")


def test_fingerprint_tells_weights_apart(tmp_path: Path) -> None:
    weights = tmp_path / "unet" / "weights.safetensors"
    weights.parent.mkdir()
    # Three tensors of 8 MiB; only the one in the middle differs.
    tensors = {name: torch.zeros(2**21) for name in ("a", "b", "c")}
    save_file(tensors, weights)
    first = fingerprint(tmp_path)
    assert first == fingerprint(tmp_path)
    tensors["b"] += 1
    save_file(tensors, weights)
    assert fingerprint(tmp_path) != first


def test_hardware_chooses_device_and_number_format() -> None:
    assert choose_device(DeviceKind.CPU) == torch.device("cpu")
    assert choose_dtype(DtypeKind.AUTO, torch.device("cpu")) is torch.float32
    assert choose_dtype(DtypeKind.AUTO, torch.device("cuda")) is torch.bfloat16
    assert choose_dtype(DtypeKind.AUTO, torch.device("mps")) is torch.bfloat16
    assert choose_dtype(DtypeKind.FLOAT16, torch.device("cpu")) is torch.float16
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert choose_device(DeviceKind.AUTO) == torch.device("cpu")
