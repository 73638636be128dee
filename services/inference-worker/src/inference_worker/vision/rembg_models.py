"""The models that segment subjects: their names in rembg, their files, and the default."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from inference_worker.vision.protocols import SubjectSegmenter
from inference_worker.vision.weights import ModelFile, Weights
from shared.contracts.background_removal import RembgModel
from shared.errors import InvalidInputError

_SAM_ENCODERS = ("sam_vit_b_01ec64.encoder.onnx", "sam_vit_b_01ec64.encoder.quant.onnx")


@dataclass(frozen=True)
class SubjectModel:
    """An installed model that segments subjects.

    Attributes:
        name: its name in rembg.
        files: its files.
        open: loads it, given the number of CPU threads.
    """

    name: RembgModel
    files: tuple[Path, ...]
    open: Callable[[int], SubjectSegmenter]


def choose_model(requested: RembgModel | None, weights: Weights) -> SubjectModel:
    """Return the requested model; None: u2net if it is installed, else u2netp.

    Raises:
        InvalidInputError: the requested model is not on this worker.
        MissingWeightsError: no model is on this worker.
    """
    wanted = requested or RembgModel.U2NET
    files = _files(wanted, weights)
    if files is None and requested is None:
        wanted = RembgModel.U2NETP
        files = (weights.file(ModelFile.U2NETP),)
    if files is None:
        raise InvalidInputError(
            f"rembg_model {wanted.value!r} is not on this worker. Put"
            f" {' and '.join(_file_names(wanted))} into the folder that SARTIQ_VISION_MODEL_DIR"
            " names, or omit rembg_model to use the packaged u2netp"
        )
    return SubjectModel(wanted, files, partial(_open, wanted, files))


def _files(model: RembgModel, weights: Weights) -> tuple[Path, ...] | None:
    if model is RembgModel.U2NETP:
        return (weights.file(ModelFile.U2NETP),)
    if model is RembgModel.SAM:
        return _sam_files(weights)
    path = weights.given(*_file_names(model))
    return (path,) if path else None


def _sam_files(weights: Weights) -> tuple[Path, Path] | None:
    for name in _SAM_ENCODERS:
        encoder = weights.given(name)
        decoder = weights.given(name.replace("encoder", "decoder"))
        if encoder and decoder:
            return encoder, decoder
    return None


def _file_names(model: RembgModel) -> tuple[str, ...]:
    if model is RembgModel.SAM:
        return _SAM_ENCODERS[0], _SAM_ENCODERS[0].replace("encoder", "decoder")
    return (f"{model.value}.onnx",)


def _open(model: RembgModel, files: tuple[Path, ...], threads: int) -> SubjectSegmenter:
    # Imported here, so that a worker without such tasks starts without these runtimes.
    from inference_worker.vision.salient import (  # noqa: PLC0415
        ISNET,
        U2NET,
        U2NET_CLOTH,
        SalientSegmenter,
    )
    from inference_worker.vision.sam import SamSegmenter  # noqa: PLC0415

    if model is RembgModel.SAM:
        encoder, decoder = files
        return SamSegmenter(encoder, decoder, threads=threads)
    if model is RembgModel.U2NET_CLOTH_SEG:
        return SalientSegmenter(files[0], U2NET_CLOTH, threads=threads)
    is_isnet = model in {RembgModel.ISNET_GENERAL_USE, RembgModel.ISNET_ANIME}
    return SalientSegmenter(files[0], ISNET if is_isnet else U2NET, threads=threads)
