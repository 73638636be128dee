"""Models are loaded once, and runtimes are imported only on first use."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from inference_worker.vision.models import VisionModels
from shared.contracts.background_removal import RembgModel

pytestmark = pytest.mark.models

_STARTED = """
import sys
import inference_worker.__main__
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings

VisionModels(VisionSettings()).choose_subject_model(None)
print(sorted({"onnxruntime", "ai_edge_litert"} & set(sys.modules)))
"""


@pytest.mark.long
def test_worker_starts_without_the_runtimes() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "[]"


def test_each_model_is_opened_once(models: VisionModels) -> None:
    assert models.faces is models.faces
    assert models.persons is models.persons
    assert models.poses is models.poses
    assert models.subjects is models.subjects
    assert models.nsfw is models.nsfw


@pytest.mark.long
def test_isnet_agrees_with_u2netp_and_is_another_model(
    models: VisionModels, astronaut: NDArray[np.uint8]
) -> None:
    first, second = [
        models.subjects_by(models.choose_subject_model(name)).subject_mask(astronaut)
        for name in (RembgModel.U2NETP, RembgModel.ISNET_GENERAL_USE)
    ]

    a, b = first > 0.5, second > 0.5
    assert (a & b).sum() / (a | b).sum() > 0.95
    assert np.abs(first - second).mean() > 0.001
