"""BACKGROUND_REMOVE: one image with a transparent background per input image."""

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from api_gateway.request_fields import (
    canonical_task_type,
    object_or_none,
)
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.task_types.background_remove import BackgroundRemovalFields


class CreateBackgroundRemovalTask(BackgroundRemovalFields, CreateTaskBase):
    """A request to remove backgrounds; the type `BACKGROUND_REMOVAL` is accepted as well."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "BACKGROUND_REMOVE",
                "input_image_paths": ["https://images.example.com/model.jpg"],
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.BACKGROUND_REMOVE] = TaskType.BACKGROUND_REMOVE

    @model_validator(mode="before")
    @classmethod
    def _read_old_name(cls, data: object) -> object:
        body = object_or_none(data)
        if body is None or "task_type" not in body:
            return data
        return body | {"task_type": canonical_task_type(body["task_type"])}


class BackgroundRemovalTaskPublic(TaskPublicBase):
    """A background removal task."""

    task_type: Literal[TaskType.BACKGROUND_REMOVE] = TaskType.BACKGROUND_REMOVE
    input_image_paths: list[str]
    result_image_paths: list[str] | None = None
    rembg_model_used: str | None = Field(
        default=None, description="The background-removal model that was used"
    )


class BackgroundRemovalTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a background removal task."""


SCHEMAS = TaskSchemas(
    CreateBackgroundRemovalTask, BackgroundRemovalTaskPublic, BackgroundRemovalTaskPublicUpdate
)
