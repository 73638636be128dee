"""The three unions over all task types: what creates a task, what shows it, what changes it."""

from typing import Annotated

from pydantic import BeforeValidator, Discriminator

from api_gateway.tasks.schemas.background_fix import (
    BackgroundFixTaskPublic,
    BackgroundFixTaskPublicUpdate,
    CreateBackgroundFixTask,
)
from api_gateway.tasks.schemas.background_remove import (
    BackgroundRemovalTaskPublic,
    BackgroundRemovalTaskPublicUpdate,
    CreateBackgroundRemovalTask,
)
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.detail_enhancer import (
    CreateDetailEnhancerTask,
    DetailEnhancerTaskPublic,
    DetailEnhancerTaskPublicUpdate,
)
from api_gateway.tasks.schemas.editing import (
    CreateEditingTask,
    EditingTaskPublic,
    EditingTaskPublicUpdate,
)
from api_gateway.tasks.schemas.experimental_fal import (
    CreateExperimentalFalTask,
    ExperimentalFalTaskPublic,
    ExperimentalFalTaskPublicUpdate,
)
from api_gateway.tasks.schemas.face_enhancer import (
    CreateFaceEnhancerTask,
    FaceEnhancerTaskPublic,
    FaceEnhancerTaskPublicUpdate,
)
from api_gateway.tasks.schemas.fields import (
    JsonObject,
    canonical_task_type,
    object_or_none,
    refuse_unstorable,
)
from api_gateway.tasks.schemas.generation import (
    CreateGenerationTask,
    GenerationTaskPublic,
    GenerationTaskPublicUpdate,
)
from api_gateway.tasks.schemas.image_adjuster import (
    CreateImageAdjusterTask,
    ImageAdjusterTaskPublic,
    ImageAdjusterTaskPublicUpdate,
)
from api_gateway.tasks.schemas.llm_interaction import (
    CreateLLMInteractionTask,
    LLMInteractionTaskPublic,
    LLMInteractionTaskPublicUpdate,
)
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.refine import (
    CreateRefineTask,
    RefineTaskPublic,
    RefineTaskPublicUpdate,
)
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from api_gateway.tasks.schemas.video_generation import (
    CreateVideoGenerationTask,
    VideoGenerationTaskPublic,
    VideoGenerationTaskPublicUpdate,
)
from shared.contracts.enums import TaskType

# In the order of the reference's anyOf: it decides where the fields fit several types alike.
CREATE_SCHEMAS: dict[TaskType, type[CreateTaskBase]] = {
    TaskType.GENERATION: CreateGenerationTask,
    TaskType.EDITING: CreateEditingTask,
    TaskType.REFINE: CreateRefineTask,
    TaskType.EXPERIMENTAL_FAL: CreateExperimentalFalTask,
    TaskType.VIDEO_GENERATION: CreateVideoGenerationTask,
    TaskType.LLM_INTERACTION: CreateLLMInteractionTask,
    TaskType.BACKGROUND_REMOVE: CreateBackgroundRemovalTask,
    TaskType.DETAIL_ENHANCER: CreateDetailEnhancerTask,
    TaskType.BACKGROUND_FIX: CreateBackgroundFixTask,
    TaskType.IMAGE_ADJUSTER: CreateImageAdjusterTask,
    TaskType.FACE_ENHANCER: CreateFaceEnhancerTask,
}

PUBLIC_SCHEMAS: dict[TaskType, type[TaskPublicBase]] = {
    TaskType.GENERATION: GenerationTaskPublic,
    TaskType.EDITING: EditingTaskPublic,
    TaskType.REFINE: RefineTaskPublic,
    TaskType.EXPERIMENTAL_FAL: ExperimentalFalTaskPublic,
    TaskType.VIDEO_GENERATION: VideoGenerationTaskPublic,
    TaskType.LLM_INTERACTION: LLMInteractionTaskPublic,
    TaskType.BACKGROUND_REMOVE: BackgroundRemovalTaskPublic,
    TaskType.DETAIL_ENHANCER: DetailEnhancerTaskPublic,
    TaskType.BACKGROUND_FIX: BackgroundFixTaskPublic,
    TaskType.IMAGE_ADJUSTER: ImageAdjusterTaskPublic,
    TaskType.FACE_ENHANCER: FaceEnhancerTaskPublic,
}

PUBLIC_UPDATE_SCHEMAS: dict[TaskType, type[TaskPublicUpdateBase]] = {
    TaskType.GENERATION: GenerationTaskPublicUpdate,
    TaskType.EDITING: EditingTaskPublicUpdate,
    TaskType.REFINE: RefineTaskPublicUpdate,
    TaskType.EXPERIMENTAL_FAL: ExperimentalFalTaskPublicUpdate,
    TaskType.VIDEO_GENERATION: VideoGenerationTaskPublicUpdate,
    TaskType.LLM_INTERACTION: LLMInteractionTaskPublicUpdate,
    TaskType.BACKGROUND_REMOVE: BackgroundRemovalTaskPublicUpdate,
    TaskType.DETAIL_ENHANCER: DetailEnhancerTaskPublicUpdate,
    TaskType.BACKGROUND_FIX: BackgroundFixTaskPublicUpdate,
    TaskType.IMAGE_ADJUSTER: ImageAdjusterTaskPublicUpdate,
    TaskType.FACE_ENHANCER: FaceEnhancerTaskPublicUpdate,
}


def _name_task_type(data: object) -> object:
    """Names the type in the body, so that the union need only look at `task_type`."""
    body = object_or_none(refuse_unstorable(data))
    if body is None:
        return data
    if "task_type" in body:
        return body | {"task_type": canonical_task_type(body["task_type"])}
    return body | {"task_type": _type_by_fields(body)}


def _type_by_fields(body: JsonObject) -> TaskType:
    """The type that knows most of the given fields and lacks none that it needs."""
    matches = {
        task_type: known
        for task_type, schema in CREATE_SCHEMAS.items()
        if (known := schema.matching_fields(body)) is not None
    }
    if not matches:
        raise ValueError(
            "task_type is missing, and the fields are not enough for any type; give task_type "
            f"as one of {', '.join(CREATE_SCHEMAS)}"
        )
    return max(matches, key=lambda task_type: matches[task_type])


TaskCreate = Annotated[
    CreateGenerationTask
    | CreateEditingTask
    | CreateRefineTask
    | CreateExperimentalFalTask
    | CreateVideoGenerationTask
    | CreateLLMInteractionTask
    | CreateBackgroundRemovalTask
    | CreateDetailEnhancerTask
    | CreateBackgroundFixTask
    | CreateImageAdjusterTask
    | CreateFaceEnhancerTask,
    Discriminator("task_type"),
    BeforeValidator(_name_task_type),
]

TaskPublic = Annotated[
    GenerationTaskPublic
    | EditingTaskPublic
    | RefineTaskPublic
    | ExperimentalFalTaskPublic
    | VideoGenerationTaskPublic
    | LLMInteractionTaskPublic
    | BackgroundRemovalTaskPublic
    | DetailEnhancerTaskPublic
    | BackgroundFixTaskPublic
    | ImageAdjusterTaskPublic
    | FaceEnhancerTaskPublic,
    Discriminator("task_type"),
]


class AnyTaskPublicUpdate(ExperimentalFalTaskPublicUpdate, LLMInteractionTaskPublicUpdate):
    """Every field that the change of some type has; which of them count, the stored task says."""

    def as_type(self, task_type: TaskType) -> TaskPublicUpdateBase:
        """The same change as a task of this type reads it: fields it does not know are dropped."""
        sent = self.model_dump(exclude_unset=True)
        return PUBLIC_UPDATE_SCHEMAS[task_type].model_validate(sent)


def _as_sent(data: object) -> object:
    return data


# A body of changes does not say which type it is for. It is read whole, and documented as the
# union that the reference has.
TaskPublicUpdate = Annotated[
    AnyTaskPublicUpdate,
    BeforeValidator(
        _as_sent,
        json_schema_input_type=GenerationTaskPublicUpdate
        | EditingTaskPublicUpdate
        | RefineTaskPublicUpdate
        | ExperimentalFalTaskPublicUpdate
        | VideoGenerationTaskPublicUpdate
        | LLMInteractionTaskPublicUpdate
        | BackgroundRemovalTaskPublicUpdate
        | DetailEnhancerTaskPublicUpdate
        | BackgroundFixTaskPublicUpdate
        | ImageAdjusterTaskPublicUpdate
        | FaceEnhancerTaskPublicUpdate,
    ),
]
