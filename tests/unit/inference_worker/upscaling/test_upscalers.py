"""Loading of upscalers on first use, and errors about missing files."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inference_worker.errors import MissingWeightsError
from inference_worker.upscaling.upscaler import LANCZOS
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision import weights
from inference_worker.vision.settings import VisionSettings, usable_cores
from inference_worker.vision.weights import ModelFile, Weights
from shared.contracts.refinement import UpscalerKind

_STARTED = """
import sys
import inference_worker.__main__
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.settings import VisionSettings
from shared.contracts.refinement import UpscalerKind
Upscalers(VisionSettings()).open(UpscalerKind.LANCZOS)
print("ncnn" in sys.modules)
"""


@pytest.mark.long
def test_worker_starts_without_ncnn() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "False"


def test_the_network_is_opened_once() -> None:
    upscalers = Upscalers(VisionSettings())

    opened = upscalers.open(UpscalerKind.REAL_ESRGAN)

    assert opened is upscalers.open(UpscalerKind.REAL_ESRGAN)
    assert upscalers.open(UpscalerKind.LANCZOS) is LANCZOS


@pytest.mark.parametrize(("setting", "threads"), [("", 2), ("1", 1), ("4", 4)])
def test_the_network_takes_two_threads_unless_a_setting_says(
    setting: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_worker.vision.settings.os.sched_getaffinity", lambda _: range(8))
    if setting:
        monkeypatch.setenv("SARTIQ_VISION_THREADS", setting)
    opened: Any = Upscalers(VisionSettings()).open(UpscalerKind.REAL_ESRGAN)
    # A container's quota may allow one.
    assert opened._net._net.opt.num_threads == (
        threads if setting else min(threads, usable_cores())
    )


def test_a_record_names_the_networks_files() -> None:
    upscalers = Upscalers(VisionSettings())
    files = [Weights(None).file(name).read_bytes() for name in _NETWORK]

    (model,) = upscalers.models(UpscalerKind.REAL_ESRGAN)

    assert (model.finds, model.name) == ("pixels", "realesrgan-x4plus")
    assert model.sha256 == hashlib.sha256(b"".join(files)).hexdigest()
    assert upscalers.models(UpscalerKind.LANCZOS) == []


def test_missing_weights_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photo: Image.Image
) -> None:
    gone = {name: weights._PackagedFile("no-such-package", "x") for name in ModelFile}
    packaged = Weights(None)
    files = [packaged.file(name) for name in _NETWORK]
    monkeypatch.setattr(weights, "_PACKAGED", gone)
    upscalers = Upscalers(VisionSettings(model_dir=tmp_path))

    with pytest.raises(MissingWeightsError, match=r"realesrgan-x4plus\.param.*weights\.txt"):
        upscalers.open(UpscalerKind.REAL_ESRGAN)
    for path in files:
        shutil.copy(path, tmp_path)

    opened = upscalers.open(UpscalerKind.REAL_ESRGAN)
    assert opened.upscale(photo.crop((0, 0, 8, 8)), (16, 16)).size == (16, 16)


def test_invalid_network_files_are_refused(tmp_path: Path) -> None:
    for name in _NETWORK:
        (tmp_path / name).write_text("nothing")

    with pytest.raises(ValueError, match="realesrgan-x4plus"):
        Upscalers(VisionSettings(model_dir=tmp_path)).open(UpscalerKind.REAL_ESRGAN)


_NETWORK = ModelFile.REAL_ESRGAN_STRUCTURE, ModelFile.REAL_ESRGAN_WEIGHTS
