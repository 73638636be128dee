"""Every finite choice of the domain, spelled as on the wire."""

from enum import IntEnum, StrEnum


class TaskType(StrEnum):
    """What a task does; discriminates the create request."""

    GENERATION = "GENERATION"
    EDITING = "EDITING"
    REFINE = "REFINE"
    EXPERIMENTAL_FAL = "EXPERIMENTAL_FAL"
    VIDEO_GENERATION = "VIDEO_GENERATION"
    LLM_INTERACTION = "LLM_INTERACTION"
    BACKGROUND_REMOVE = "BACKGROUND_REMOVE"
    DETAIL_ENHANCER = "DETAIL_ENHANCER"
    BACKGROUND_FIX = "BACKGROUND_FIX"
    IMAGE_ADJUSTER = "IMAGE_ADJUSTER"
    FACE_ENHANCER = "FACE_ENHANCER"


class TaskStatus(StrEnum):
    """PENDING → EXECUTING → one of the three terminal states."""

    PENDING = "PENDING"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TASK_ENDED = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})
"""The states that a task never leaves."""
TASK_OPEN = frozenset(TaskStatus) - TASK_ENDED


class WorkflowStatus(StrEnum):
    """PENDING → RUNNING (↔ PAUSED) → terminal; FAILED and PAUSED may resume."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


WORKFLOW_ENDED = frozenset(
    {WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED}
)
"""The states in which a workflow has no run; a client may resume one that is FAILED."""
WORKFLOW_OPEN = frozenset(WorkflowStatus) - WORKFLOW_ENDED


class StepStatus(StrEnum):
    """The state of one step of a workflow."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class TrainingStatus(StrEnum):
    """The state of a training."""

    PENDING = "PENDING"
    PREPROCESSING = "PREPROCESSING"
    TRAINING = "TRAINING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class TrainingType(StrEnum):
    """Whether all weights are trained or a LoRA."""

    FULL = "FULL"
    LORA = "LORA"


class EntityType(StrEnum):
    """What a LoRA depicts."""

    SUBJECT = "SUBJECT"
    PRODUCT = "PRODUCT"
    STYLE = "STYLE"


class TaskPriority(IntEnum):
    """Priority of a training; a higher number runs first."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    URGENT = 3


class ProviderType(StrEnum):
    """Who can run a task; the registry says which types and capabilities each serves."""

    FAL_STANDARD = "fal_standard"
    FAL_SHOOTIFY_REFINER = "fal_shootify_refiner"
    FAL_GARMENT_FIXER = "fal_garment_fixer"
    FREEPIK_MAGNIFIC = "freepik_magnific"
    FREEPIK_MAGNIFIC_PRECISION = "freepik_magnific_precision"
    FASHN_STANDARD = "fashn_standard"
    VERTEX = "vertex"
    AI_CORE = "ai_core"
    LOCAL = "local"
    NANO_BANANA_UPSCALER = "nano_banana_upscaler"
    SARTIQ_ULTIMATE_REFINER = "sartiq_ultimate_refiner"
    SARTIQ_ULTIMATE_FACE_FIXER = "sartiq_ultimate_face_fixer"
    SARTIQ_ULTIMATE_GARMENT_FIXER = "sartiq_ultimate_garment_fixer"


class ProviderCapability(StrEnum):
    """What a provider can do; MULTI_x implies x."""

    UPSCALE_2X = "UPSCALE_2X"
    UPSCALE_4X = "UPSCALE_4X"
    UPSCALE_8X = "UPSCALE_8X"
    UPSCALE_16X = "UPSCALE_16X"
    UPSCALE_FLOAT = "UPSCALE_FLOAT"
    OUTPUT_SIZE = "OUTPUT_SIZE"
    FACE_DETAIL = "FACE_DETAIL"
    LORA = "LORA"
    MULTI_LORA = "MULTI_LORA"
    REFERENCE_IMAGE = "REFERENCE_IMAGE"
    MULTI_REFERENCE = "MULTI_REFERENCE"
    SEED = "SEED"
    NEGATIVE_PROMPT = "NEGATIVE_PROMPT"
    ASPECT_RATIO = "ASPECT_RATIO"
    IMAGE_TO_VIDEO = "IMAGE_TO_VIDEO"
    TEXT_TO_VIDEO = "TEXT_TO_VIDEO"
    VISION = "VISION"


class AiProvider(StrEnum):
    """Vendors of language models."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    OLLAMA = "ollama"


class ErrorCategory(StrEnum):
    """Why an attempt failed; `shared.contracts.failures` says what follows from each."""

    VALIDATION = "VALIDATION"
    AUTHENTICATION = "AUTHENTICATION"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    CONTENT_POLICY = "CONTENT_POLICY"
    RATE_LIMIT = "RATE_LIMIT"
    TIMEOUT = "TIMEOUT"
    NETWORK = "NETWORK"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    RESOURCE = "RESOURCE"
    STORAGE = "STORAGE"
    INTERNAL = "INTERNAL"
    CONSISTENCY_CHECK = "CONSISTENCY_CHECK"
    CANCELLED = "CANCELLED"


class EventType(StrEnum):
    """What an event announces."""

    TRAINING_STATUS_UPDATE = "training_status_update"
    PREPROCESSING_STATUS_UPDATE = "preprocessing_status_update"
    INFERENCE_STATUS_UPDATE = "inference_status_update"
    TASK_CREATED = "task_created"
    TASK_STATUS_UPDATE = "task_status_update"
    WORKFLOW_STATUS_UPDATE = "workflow_status_update"


class CaptioningStrategy(StrEnum):
    """How training images get their captions."""

    NONE = "none"
    TRIGGER_ONLY = "trigger_only"
    FILENAME = "filename"
    LLM = "llm"
    CUSTOM_PROMPT = "custom_prompt"


class TransformType(StrEnum):
    """Preprocessing transforms of a training's images."""

    RESIZE = "resize"
    CENTER_CROP = "center_crop"
    PAD = "pad"
    FACE_CROP = "face_crop"
    BACKGROUND_REMOVAL = "background_removal"
    FLIP = "flip"
    COLOR_NORMALIZE = "color_normalize"


class BackgroundFixStrategy(StrEnum):
    """How a background is corrected."""

    LAB_SHIFT = "lab_shift"
    REPLACE = "replace"


class AnatomyIssue(StrEnum):
    """What an evaluation may find wrong with a body."""

    EXTRA_LIMBS = "extra_limbs"
    MISSING_LIMBS = "missing_limbs"
    EXTRA_FINGERS = "extra_fingers"
    MISSING_FINGERS = "missing_fingers"
    DEFORMED_HANDS = "deformed_hands"
    DEFORMED_FACE = "deformed_face"
    DEFORMED_FEET = "deformed_feet"
    DISPROPORTIONATE_BODY = "disproportionate_body"
    UNNATURAL_POSE = "unnatural_pose"
    MERGED_BODIES = "merged_bodies"
    OTHER = "other"


class Framing(StrEnum):
    """How much of a person a picture shows."""

    FULL_BODY = "full_body"
    UPPER_BODY = "upper_body"
    LOWER_BODY = "lower_body"
    UPPER_THREE_QUARTERS = "upper_three_quarters"
    LOWER_THREE_QUARTERS = "lower_three_quarters"
    DETAIL = "detail"


class ViewAngle(StrEnum):
    """From where a person is seen."""

    FRONT = "front"
    BACK = "back"
    SIDE = "side"


class Gender(StrEnum):
    """Expected gender in an evaluation."""

    FEMALE = "FEMALE"
    MALE = "MALE"
    OTHER = "OTHER"


class MappingTransform(StrEnum):
    """What a field mapping may do to a value on its way from step to step."""

    FIRST = "first"
    LAST = "last"
    TO_LIST = "to_list"
    TO_URL = "to_url"
    TO_STRING = "to_string"
    TO_INT = "to_int"
    TO_FLOAT = "to_float"
    JSON = "json"


class TaskQueue(StrEnum):
    """Temporal task queues, one per worker pool."""

    WORKFLOWS = "workflows"
    WEBHOOKS = "webhooks"
    """Deliveries of events, apart from the work that they tell of."""
    FETCH = "fetch"
    """Pictures that clients name by URL: strangers' servers, apart from all bookkeeping."""
    INFERENCE = "inference"
    INFERENCE_CPU = "inference-cpu"
    TRAINING = "training"
    PREPROCESSING = "preprocessing"
    PROVIDER_FAL = "provider-fal"
    PROVIDER_VERTEX = "provider-vertex"
    PROVIDER_FASHN = "provider-fashn"
    PROVIDER_FREEPIK = "provider-freepik"
    PROVIDER_LLM = "provider-llm"


class BreakerState(StrEnum):
    """Whether work is given to a provider."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class OutputFormat(StrEnum):
    """How a made picture is stored; the value is the suffix of its key."""

    PNG = "png"
    WEBP = "webp"
    """Lossless, as PNG is."""
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return f"image/{self.value}"
