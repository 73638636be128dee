"""Enums of the domain. Values are spelled as on the wire."""

from enum import IntEnum, StrEnum


class TaskType(StrEnum):
    """Types of tasks. The type is the discriminator of the create request."""

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
"""The terminal states of a task."""
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
"""The states in which a workflow has no run. A client may resume a FAILED workflow."""
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
    """The trained weights: all of them (FULL) or a LoRA."""

    FULL = "FULL"
    LORA = "LORA"


class EntityType(StrEnum):
    """Kinds of things that a LoRA depicts."""

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
    """Providers that can run tasks. Each serves some task types and has some capabilities."""

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


class AnswerMode(StrEnum):
    """The way in which an outside provider responds to a submission."""

    QUEUED = "QUEUED"
    """At once with the id of the work, whose result is awaited."""
    AT_ONCE = "AT_ONCE"
    """With the result, after minutes."""


class ProviderCapability(StrEnum):
    """Capabilities of providers. MULTI_x implies x."""

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
    """Categories of errors. The category of a failure decides on retry and fallback."""

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
    """Types of events."""

    TRAINING_STATUS_UPDATE = "training_status_update"
    PREPROCESSING_STATUS_UPDATE = "preprocessing_status_update"
    INFERENCE_STATUS_UPDATE = "inference_status_update"
    TASK_CREATED = "task_created"
    TASK_STATUS_UPDATE = "task_status_update"
    WORKFLOW_STATUS_UPDATE = "workflow_status_update"


class CaptioningStrategy(StrEnum):
    """Strategies for captioning training images."""

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
    """Strategies for correcting a background."""

    LAB_SHIFT = "lab_shift"
    REPLACE = "replace"


class AnatomyIssue(StrEnum):
    """Anatomy errors that an evaluation may find."""

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
    """The part of a person that a picture shows."""

    FULL_BODY = "full_body"
    UPPER_BODY = "upper_body"
    LOWER_BODY = "lower_body"
    UPPER_THREE_QUARTERS = "upper_three_quarters"
    LOWER_THREE_QUARTERS = "lower_three_quarters"
    DETAIL = "detail"


class ViewAngle(StrEnum):
    """The side from which a person is seen."""

    FRONT = "front"
    BACK = "back"
    SIDE = "side"


class Gender(StrEnum):
    """Expected gender in an evaluation."""

    FEMALE = "FEMALE"
    MALE = "MALE"
    OTHER = "OTHER"


class MappingTransform(StrEnum):
    """Conversions that a field mapping may apply to a value."""

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
    """Webhook deliveries, separate from other work so that slow receivers do not delay it."""
    FETCH = "fetch"
    """Downloads of pictures from URLs that clients name, separate from the database work."""
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
    """States of a provider's circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class OutputFormat(StrEnum):
    """File formats of output pictures. The value is the suffix of the object key."""

    PNG = "png"
    WEBP = "webp"
    """Lossless WebP."""
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.value}"
