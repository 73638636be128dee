"""Messages of REFINE attempts. Field names are those of the REST API."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.contracts.attempts import AttemptRequest, AttemptResult
from shared.contracts.checks import CheckedEdit, MetricWeights, TileReport
from shared.contracts.editors import EditorKind
from shared.contracts.message import Message


class TiledRefinerConfig(CheckedEdit):
    """Provider configuration of `sartiq_ultimate_refiner`."""

    num_tiles: int = Field(default=9, ge=1, le=64)
    """Approximate number of tiles. The grid follows the picture's aspect ratio."""
    max_workers: int | None = Field(default=None, ge=1, le=64)
    """Tiles that are edited concurrently. None: unlimited."""
    version: Literal["1", "2"] = "2"
    """1: faces are edited separately, colours are transferred in Lab, each tile is edited at the
    resolution that fits its size. 2: no faces, histogram matching, always the largest resolution.
    """
    face_expand_percent: float = Field(default=0.5, ge=0, le=5)
    """Relative enlargement of a face's box: 0.5 makes it 50 % wider and higher."""
    save_debug_tiles: bool = False


class NanoBananaConfig(Message):
    """Provider configuration of `nano_banana_upscaler`: one tile, edited by Gemini."""

    default_prompt: str | None = None
    """Instruction if the request has no `upscale_prompt`. None: a generic one."""
    max_retries: int = Field(default=3, ge=0, le=10)
    ssim_threshold: float = Field(default=0.6, ge=0, le=1)

    @property
    def refiner(self) -> TiledRefinerConfig:
        """Configuration of the tiled refiner with the same effect."""
        return TiledRefinerConfig(
            num_tiles=1,
            feather_px=0,
            max_retries=self.max_retries,
            ssim_threshold=self.ssim_threshold,
        )


class UpscalerKind(StrEnum):
    """Methods of enlarging a picture before its tiles are edited."""

    LANCZOS = "lanczos"
    REAL_ESRGAN = "real_esrgan"


class RefineConfig(Message):
    """Keys of a REFINE's `config` that the engine reads."""

    strict_checks: bool = False
    """Fail the attempt if a tile never passes its checks, instead of keeping its best try."""
    upscaler: UpscalerKind | None = None
    """Method of enlarging the picture. None: from the worker's settings."""
    editor: EditorKind | None = None
    """Editor of tiles and faces. None: from the worker's settings."""


class RefineInputs(Message):
    """The complete inputs of a REFINE: the base image stored, the seeds set."""

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
    """Edit each face again, separately from the tiles."""
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
    """The result of an attempt at a REFINE, with the checks of each tile and face."""

    result_image_path: str
    tiles: list[TileReport] = []
    faces: list[TileReport] = []
    """The faces that were edited separately, by descending detection confidence."""
    metric_weights: MetricWeights = MetricWeights()
    debug_image_paths: list[str] = []
    """Paths of the intermediate pictures, if the request asked for them."""
