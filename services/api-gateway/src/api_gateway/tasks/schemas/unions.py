"""The schemas of all task types, and the three unions of them."""

import operator
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Discriminator

from api_gateway.request_fields import (
    JsonObject,
    canonical_task_type,
    object_or_none,
    refuse_unstorable,
)
from api_gateway.tasks.schemas import (
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
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.experimental_fal import ExperimentalFalTaskPublicUpdate
from api_gateway.tasks.schemas.llm_interaction import LLMInteractionTaskPublicUpdate
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType

# In the order of the reference's anyOf: it decides if the fields fit several types equally.
SCHEMAS: dict[TaskType, TaskSchemas] = {
    TaskType.GENERATION: generation.SCHEMAS,
    TaskType.EDITING: editing.SCHEMAS,
    TaskType.REFINE: refine.SCHEMAS,
    TaskType.EXPERIMENTAL_FAL: experimental_fal.SCHEMAS,
    TaskType.VIDEO_GENERATION: video_generation.SCHEMAS,
    TaskType.LLM_INTERACTION: llm_interaction.SCHEMAS,
    TaskType.BACKGROUND_REMOVE: background_remove.SCHEMAS,
    TaskType.DETAIL_ENHANCER: detail_enhancer.SCHEMAS,
    TaskType.BACKGROUND_FIX: background_fix.SCHEMAS,
    TaskType.IMAGE_ADJUSTER: image_adjuster.SCHEMAS,
    TaskType.FACE_ENHANCER: face_enhancer.SCHEMAS,
}


def _name_task_type(data: object) -> object:
    """Add the task type to a body that lacks it: the union reads `task_type` only."""
    body = object_or_none(refuse_unstorable(data))
    if body is None:
        return data
    if "task_type" in body:
        return body | {"task_type": canonical_task_type(body["task_type"])}
    task_type = _type_by_fields(body)
    if task_type is None:
        raise ValueError(
            "task_type is missing, and the fields are not enough for any type; give task_type "
            f"as one of {', '.join(SCHEMAS)}"
        )
    return body | {"task_type": task_type}


def create_schema_of(body: Mapping[str, Any]) -> type[CreateTaskBase] | None:
    """Return the create schema of a body; none if it names no type and fits none."""
    if "task_type" not in body:
        task_type = _type_by_fields(dict(body))
    else:
        named = canonical_task_type(body["task_type"])
        task_type = TaskType(named) if isinstance(named, str) and named in SCHEMAS else None
    return None if task_type is None else SCHEMAS[task_type].create


def _type_by_fields(body: JsonObject) -> TaskType | None:
    """Return the type that knows most of the given fields and requires no others."""
    matches = {
        task_type: known
        for task_type, schemas in SCHEMAS.items()
        if (known := schemas.create.matching_fields(body)) is not None
    }
    return max(matches, key=lambda task_type: matches[task_type], default=None)


class AnyTaskPublicUpdate(ExperimentalFalTaskPublicUpdate, LLMInteractionTaskPublicUpdate):
    """The changeable fields of all task types; the stored task's type decides which apply."""

    def as_type(self, task_type: TaskType) -> TaskPublicUpdateBase:
        """Return the change in the update schema of a type, which drops unknown fields."""
        sent = self.model_dump(exclude_unset=True)
        return SCHEMAS[task_type].update.model_validate(sent)


def _as_sent(data: object) -> object:
    return data


if TYPE_CHECKING:
    # A type checker cannot evaluate the unions below: it sees the base class of their members.
    TaskCreate = CreateTaskBase
    TaskPublic = TaskPublicBase
    TaskPublicUpdate = AnyTaskPublicUpdate
else:
    _create, _public, _update = (
        reduce(operator.or_, schemas) for schemas in zip(*SCHEMAS.values(), strict=True)
    )
    TaskCreate = Annotated[_create, Discriminator("task_type"), BeforeValidator(_name_task_type)]
    TaskPublic = Annotated[_public, Discriminator("task_type")]
    # A change does not name its task type. It is read with all fields, and documented as the
    # reference's union.
    TaskPublicUpdate = Annotated[
        AnyTaskPublicUpdate, BeforeValidator(_as_sent, json_schema_input_type=_update)
    ]
