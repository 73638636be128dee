"""How an edited part of a picture is checked against its source, and what came of it."""

from pydantic import Field

from shared.contracts.message import Message


class CheckedEdit(Message):
    """What the configurations of all refiners and fixers have in common."""

    feather_px: int = Field(default=32, ge=0, le=512)
    """Width of the blend at an edited part's border, in output pixels; 0 switches blending off."""
    max_retries: int = Field(default=3, ge=0, le=10)
    """New seeds tried for a part that fails its checks."""
    ssim_threshold: float = Field(default=0.6, ge=0, le=1)
    """Least structural similarity to the source; 0 switches the metric off."""
    lpips_threshold: float = Field(default=0, ge=0, le=1)
    """Greatest LPIPS distance; 0 switches the metric off."""
    dists_threshold: float = Field(default=0, ge=0, le=1)
    """Greatest DISTS distance; 0 switches the metric off."""


class Scores(Message):
    """What each metric that was switched on said of one try."""

    ssim: float | None = None
    lpips: float | None = None
    dists: float | None = None


class TileReport(Scores):
    """What the consistency check said of one tile or other part; the scores are the best try's."""

    index: int
    attempts: int
    passed: bool
    tries: list[Scores] = []
    """Of every try, in order."""


class MetricWeights(Message):
    """Which networks judged; none: that metric was switched off."""

    lpips: str | None = None
    dists: str | None = None


class CheckRecord(Message):
    """What the checks of a task said, as its results hold it."""

    tiles: list[TileReport] = []
    faces: list[TileReport] = []
    """Those that were edited apart, most certain first."""
    metric_weights: MetricWeights = MetricWeights()
    follows_reference: bool | None = None
    """Whether a garment's detail was edited by a model that looks at the reference."""
