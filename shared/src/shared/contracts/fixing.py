"""Messages and activities of FACE_ENHANCER and DETAIL_ENHANCER, with the REST API's field names."""

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
from shared.contracts.editors import EditorKind
from shared.contracts.message import Message


class FixConfig(Message):
    """Keys of a task's `config` that both fixers read."""

    strict_checks: bool = False
    """Fail the attempt if a region never passes its checks, instead of keeping its best try."""
    denoise: float = Field(default=0.35, ge=0, le=1)
    """Denoise strength of editors without instructions: 0 keeps the picture, 1 replaces it."""
    num_inference_steps: int = Field(default=20, ge=1, le=200)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Drawn when the task is created, if the request has none. None counts as 0."""
    editor: EditorKind | None = None
    """Editor of faces and details. None: from the worker's settings. Without the remote editor,
    details are edited by instruction wherever there is a model that takes references."""


class FaceFixerConfig(CheckedEdit):
    """Provider configuration of `sartiq_ultimate_face_fixer`."""

    expand_percent: float = Field(default=0.5, ge=0, le=5)
    """Relative enlargement of a face's box: 0.5 makes it 50 % wider and higher."""
    face_prompt: str | None = None
    """Prompt for the faces. None: a generic prompt."""
    save_debug_images: bool = False


class FaceInputs(Message):
    """The complete inputs of a FACE_ENHANCER."""

    input_image: str
    """Object key of the picture."""
    config: FixConfig = FixConfig()


class EnhanceFaces(AttemptRequest):
    """One attempt at a FACE_ENHANCER."""

    inputs: FaceInputs
    fixer: FaceFixerConfig = FaceFixerConfig()


class FaceResults(PictureResults):
    """The picture with enhanced faces, or the unchanged picture if no face was detected."""

    face_detected: bool = Field(
        description="False: no face was detected and the picture is unchanged"
    )
    attempts_used: int = Field(
        default=0, description="Tries of the face that needed the most tries"
    )
    final_ssim_score: float | None = Field(
        default=None,
        description="SSIM (0 to 1) between the original and the enhanced face; the worst of all "
        "faces",
    )
    final_lpips_score: float | None = Field(
        default=None,
        description="LPIPS distance between the original and the enhanced face; the worst of all "
        "faces",
    )
    final_dists_score: float | None = Field(
        default=None,
        description="DISTS distance between the original and the enhanced face; the worst of all "
        "faces",
    )


class EnhanceFacesResult(FaceResults, AttemptResult):
    """The result of an attempt that enhanced faces, with the checks of each face."""

    faces: list[TileReport] = []
    """Sorted by descending detection confidence."""
    metric_weights: MetricWeights = MetricWeights()
    debug_image_paths: list[str] = []
    """Paths of the intermediate pictures, if the request asked for them."""


class GarmentFixerConfig(CheckedEdit):
    """Provider configuration of `sartiq_ultimate_garment_fixer`."""

    bbox_expand_percent: float = Field(default=0.05, ge=0, le=5)
    """Relative enlargement of the detail's box: 0.05 makes it 5 % wider and higher."""
    split_threshold: float = Field(default=1.8, ge=1)
    """A box whose longer side exceeds its shorter side by more than this factor is edited as two
    tiles."""
    save_debug_images: bool = False


class DetailInputs(Message):
    """The complete inputs of a DETAIL_ENHANCER."""

    base_image: str
    """Object key of the picture to correct."""
    reference_image: str
    """Object key of the picture that shows the true detail."""
    detail_label: str | None = None
    """The detail to correct. None: everything that is worn."""
    config: FixConfig = FixConfig()


class EnhanceDetails(AttemptRequest):
    """One attempt at a DETAIL_ENHANCER."""

    inputs: DetailInputs
    fixer: GarmentFixerConfig = GarmentFixerConfig()


class EnhanceDetailsResult(PictureResult):
    """The result of an attempt that enhanced details, with the checks of each tile."""

    tiles: list[TileReport] = []
    metric_weights: MetricWeights = MetricWeights()
    debug_image_paths: list[str] = []
    """Paths of the intermediate pictures, if the request asked for them."""
    follows_reference: bool = True
    """True if the editor took the reference picture as input; one without instructions does not."""


class FixerActivities(ABC):
    """The fixers' activities, of the queues `inference` and `inference-cpu`."""

    @activity.defn(name="enhance_faces")
    @abstractmethod
    async def enhance_faces(self, request: EnhanceFaces) -> EnhanceFacesResult:
        """Redraw the faces of one picture, and store the picture."""

    @activity.defn(name="enhance_details")
    @abstractmethod
    async def enhance_details(self, request: EnhanceDetails) -> EnhanceDetailsResult:
        """Correct a garment's detail after the reference picture, and store the picture."""
