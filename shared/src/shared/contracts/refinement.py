"""What a REFINE attempt gets and gives. Field names are the REST API's."""

from typing import Literal

from pydantic import Field

from shared.contracts.attempts import AttemptRequest, AttemptResult
from shared.contracts.message import Message


class TiledRefinerConfig(Message):
    """Provider config of `sartiq_ultimate_refiner`."""

    num_tiles: int = Field(default=9, ge=1, le=64)
    """About how many tiles; the grid follows the picture's aspect ratio."""
    feather_px: int = Field(default=32, ge=0, le=512)
    """Width of the blend between neighbours, in output pixels; 0 switches blending off."""
    max_retries: int = Field(default=3, ge=0, le=10)
    """New seeds tried for a tile that fails its checks."""
    max_workers: int | None = Field(default=None, ge=1, le=64)
    """Tiles in flight; none: unlimited."""
    ssim_threshold: float = Field(default=0.6, ge=0, le=1)
    """Least structural similarity to the source tile; 0 switches the metric off."""
    lpips_threshold: float = Field(default=0, ge=0, le=1)
    """Greatest LPIPS distance; 0 switches the metric off."""
    dists_threshold: float = Field(default=0, ge=0, le=1)
    """Greatest DISTS distance; 0 switches the metric off."""
    version: Literal["1", "2"] = "2"
    save_debug_tiles: bool = False


class RefineConfig(Message):
    """The keys of a REFINE's `config` that the engine reads."""

    strict_checks: bool = False
    """Fail the attempt when a tile never passes, instead of keeping its best try."""


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
    config: RefineConfig = RefineConfig()


class RefineImage(AttemptRequest):
    """One attempt at a REFINE."""

    inputs: RefineInputs
    refiner: TiledRefinerConfig = TiledRefinerConfig()


class TileReport(Message):
    """What the consistency check said of one tile."""

    index: int
    attempts: int
    passed: bool
    ssim: float | None = None
    lpips: float | None = None
    dists: float | None = None


class RefineImageResult(AttemptResult):
    """Where the refined picture lies, and how its tiles fared."""

    result_image_path: str
    tiles: list[TileReport] = []
