"""What attempts at FACE_ENHANCER and DETAIL_ENHANCER get and give, by the REST API's names."""

from abc import ABC, abstractmethod

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import (
    AttemptRequest,
    AttemptResult,
    PictureResult,
    PictureResults,
)
from shared.contracts.checks import CheckedEdit, MetricWeights, TileReport
from shared.contracts.message import Message


class FixConfig(Message):
    """The keys of a task's `config` that both fixers read."""

    strict_checks: bool = False
    """Fail the attempt when a part never passes its checks, instead of keeping its best try."""
    denoise: float = Field(default=0.35, ge=0, le=1)
    """How far an editor without instructions may leave the picture: 0 keeps it, 1 replaces it."""
    num_inference_steps: int = Field(default=20, ge=1, le=200)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Chosen when the task is created, if nobody asks for one; none is 0."""


class FaceFixerConfig(CheckedEdit):
    """Provider config of `sartiq_ultimate_face_fixer`."""

    expand_percent: float = Field(default=0.5, ge=0, le=5)
    """By how much a face's box is enlarged: 0.5 makes it half as wide and high again."""
    face_prompt: str | None = None
    """What the faces show; none: a prompt that suits any."""
    save_debug_images: bool = False


class FaceInputs(Message):
    """A FACE_ENHANCER, complete."""

    input_image: str
    """Object key of the picture."""
    config: FixConfig = FixConfig()


class EnhanceFaces(AttemptRequest):
    """One attempt at a FACE_ENHANCER."""

    inputs: FaceInputs
    fixer: FaceFixerConfig = FaceFixerConfig()


class FaceResults(PictureResults):
    """The picture with its faces mended, or as it came where it has none."""

    face_detected: bool = Field(description="False: the picture is as it came")
    attempts_used: int = Field(default=0, description="Tries of the face that took most")
    final_ssim_score: float | None = Field(
        default=None,
        description="Likeness to the face before, 0 to 1; of the face that fared worst",
    )
    final_lpips_score: float | None = Field(
        default=None, description="Distance from the face before; of the face that fared worst"
    )
    final_dists_score: float | None = Field(
        default=None, description="Distance from the face before; of the face that fared worst"
    )


class EnhanceFacesResult(FaceResults, AttemptResult):
    """The same, and how each face fared."""

    faces: list[TileReport] = []
    """The most certain one first."""
    metric_weights: MetricWeights = MetricWeights()
    debug_image_paths: list[str] = []
    """What was asked to be kept from on the way, by path."""


class GarmentFixerConfig(CheckedEdit):
    """Provider config of `sartiq_ultimate_garment_fixer`."""

    bbox_expand_percent: float = Field(default=0.05, ge=0, le=5)
    """By how much the detail's box is enlarged: 0.05 makes it 5 % wider and higher."""
    split_threshold: float = Field(default=1.8, ge=1)
    """A box whose sides are further apart than this ratio to 1 is edited as two tiles."""
    save_debug_images: bool = False


class DetailInputs(Message):
    """A DETAIL_ENHANCER, complete."""

    base_image: str
    """Object key of the picture to mend."""
    reference_image: str
    """Object key of the picture that shows the detail as it is."""
    detail_label: str | None = None
    """Which detail; none: the whole garment, all that is worn."""
    config: FixConfig = FixConfig()


class EnhanceDetails(AttemptRequest):
    """One attempt at a DETAIL_ENHANCER."""

    inputs: DetailInputs
    fixer: GarmentFixerConfig = GarmentFixerConfig()


class EnhanceDetailsResult(PictureResult):
    """The picture, and how each tile fared."""

    tiles: list[TileReport] = []
    metric_weights: MetricWeights = MetricWeights()
    debug_image_paths: list[str] = []
    """What was asked to be kept from on the way, by path."""
    follows_reference: bool = True
    """Whether the editor looked at the reference picture; one without instructions does not."""


class FixerActivities(ABC):
    """Activities on the `inference` queue, since they need the model."""

    @activity.defn(name="enhance_faces")
    @abstractmethod
    async def enhance_faces(self, request: EnhanceFaces) -> EnhanceFacesResult:
        """FACE_ENHANCER."""

    @activity.defn(name="enhance_details")
    @abstractmethod
    async def enhance_details(self, request: EnhanceDetails) -> EnhanceDetailsResult:
        """DETAIL_ENHANCER."""
