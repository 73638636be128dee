"""Consistency checks of edited regions against their source: configuration and results."""

from pydantic import Field

from shared.contracts.message import Message


class CheckedEdit(Message):
    """Configuration common to all refiners and fixers."""

    feather_px: int = Field(default=32, ge=0, le=512)
    """Width of the blend at an edited region's border, in output pixels; 0 disables blending."""
    max_retries: int = Field(default=3, ge=0, le=10)
    """Number of retries, each with a new seed, for a region that fails its checks."""
    ssim_threshold: float = Field(default=0.6, ge=0, le=1)
    """Minimum structural similarity (SSIM) to the source; 0 disables the metric."""
    lpips_threshold: float = Field(default=0, ge=0, le=1)
    """Maximum LPIPS distance; 0 disables the metric."""
    dists_threshold: float = Field(default=0, ge=0, le=1)
    """Maximum DISTS distance; 0 disables the metric."""


class Scores(Message):
    """The value of each enabled metric for one try. None: the metric is disabled."""

    ssim: float | None = None
    lpips: float | None = None
    dists: float | None = None


class TileReport(Scores):
    """The consistency check of one tile or other region, with the scores of its best try."""

    index: int
    attempts: int
    passed: bool
    tries: list[Scores] = []
    """The scores of every try, in order."""


class MetricWeights(Message):
    """The network weights that each metric used. None: the metric is disabled."""

    lpips: str | None = None
    dists: str | None = None


class CheckRecord(Message):
    """The consistency checks of a task, as its results hold them."""

    tiles: list[TileReport] = []
    faces: list[TileReport] = []
    """The faces that were edited separately, by descending detection confidence."""
    metric_weights: MetricWeights = MetricWeights()
    follows_reference: bool | None = None
    """True if the model that edited a garment's detail takes the reference picture as input."""
