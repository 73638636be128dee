"""What a REFINE attempt gets and gives. Field names are the REST API's."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.contracts.attempts import AttemptRequest, AttemptResult
from shared.contracts.checks import CheckedEdit, MetricWeights, TileReport
from shared.contracts.message import Message


class TiledRefinerConfig(CheckedEdit):
    """Provider config of `sartiq_ultimate_refiner`."""

    num_tiles: int = Field(default=9, ge=1, le=64)
    """About how many tiles; the grid follows the picture's aspect ratio."""
    max_workers: int | None = Field(default=None, ge=1, le=64)
    """Tiles in flight; none: unlimited."""
    version: Literal["1", "2"] = "2"
    """1: faces apart, colours carried over in Lab, each tile edited at the resolution that its size
    asks for. 2: no faces, histograms matched, always the largest resolution."""
    face_expand_percent: float = Field(default=0.5, ge=0, le=5)
    """By how much a face's box is enlarged: 0.5 makes it half as wide and high again."""
    save_debug_tiles: bool = False


class UpscalerKind(StrEnum):
    """How a picture is made larger before its tiles are edited."""

    LANCZOS = "lanczos"
    REAL_ESRGAN = "real_esrgan"


class RefineConfig(Message):
    """The keys of a REFINE's `config` that the engine reads."""

    strict_checks: bool = False
    """Fail the attempt when a tile never passes, instead of keeping its best try."""
    upscaler: UpscalerKind | None = None
    """How the picture is made larger; none: as the worker's settings say."""


class RefineInputs(Message):
    """A REFINE, complete: the base image stored, the seed chosen."""

    base_image_url: str
    """Object key of the picture to refine."""
    upscale_enabled: bool = True
    upscale_factor: float | None = None
    target_width: int | None = None
    target_height: int | None = None
    upscale_prompt: str | None = None
    upscale_denoise: float = 0.35
    """Denoise strength of img2img, 0 to 1."""
    upscale_steps: int = 20
    upscale_seed: int = 0
    face_detail_enabled: bool = False
    """Edit each face once more, apart from the tiles."""
    face_detail_prompt: str | None = None
    face_detail_denoise: float = 0.35
    """Denoise strength of the faces' edit, 0 to 1."""
    face_detail_steps: int = 20
    face_detail_seed: int = 0
    config: RefineConfig = RefineConfig()


class RefineImage(AttemptRequest):
    """One attempt at a REFINE."""

    inputs: RefineInputs
    refiner: TiledRefinerConfig = TiledRefinerConfig()


class RefineImageResult(AttemptResult):
    """Where the refined picture lies, and how its tiles fared."""

    result_image_path: str
    tiles: list[TileReport] = []
    faces: list[TileReport] = []
    """Those that were edited apart, most certain first."""
    metric_weights: MetricWeights = MetricWeights()
    debug_image_paths: list[str] = []
    """What was asked to be kept from on the way, by path."""
