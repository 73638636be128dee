"""The table of task types, which everything else reads."""

from shared.contracts.enums import TaskType
from shared.contracts.task_types import (
    background_fix,
    background_remove,
    detail_enhancer,
    editing,
    experimental_fal,
    face_enhancer,
    generation,
    image_adjuster,
    llm_interaction,
    refine,
    video_generation,
)
from shared.contracts.task_types.row import TaskTypeRow

TASK_TYPES: dict[TaskType, TaskTypeRow] = {
    TaskType.GENERATION: generation.ROW,
    TaskType.EDITING: editing.ROW,
    TaskType.REFINE: refine.ROW,
    TaskType.EXPERIMENTAL_FAL: experimental_fal.ROW,
    TaskType.VIDEO_GENERATION: video_generation.ROW,
    TaskType.LLM_INTERACTION: llm_interaction.ROW,
    TaskType.BACKGROUND_REMOVE: background_remove.ROW,
    TaskType.DETAIL_ENHANCER: detail_enhancer.ROW,
    TaskType.BACKGROUND_FIX: background_fix.ROW,
    TaskType.IMAGE_ADJUSTER: image_adjuster.ROW,
    TaskType.FACE_ENHANCER: face_enhancer.ROW,
}
