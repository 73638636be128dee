"""EXPERIMENTAL_FAL: any app on fal, its parameters passed through."""

from typing import Literal

from pydantic import ConfigDict, Field

from api_gateway.request_fields import JsonObject
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import TaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.fields import Text
from shared.contracts.task_types.experimental_fal import ExperimentalFalFields


class CreateExperimentalFalTask(ExperimentalFalFields, CreateTaskBase):
    """A request to run an app on fal."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "EXPERIMENTAL_FAL",
                "fal_app_id": "fal-ai/flux/dev",
                "fal_parameters": {"prompt": "a red dress on a hanger"},
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.EXPERIMENTAL_FAL] = TaskType.EXPERIMENTAL_FAL


class ExperimentalFalTaskPublic(TaskPublicBase):
    """A run of an app on fal."""

    task_type: Literal[TaskType.EXPERIMENTAL_FAL] = TaskType.EXPERIMENTAL_FAL
    fal_app_id: str = Field(description="FAL app ID for task execution")
    fal_parameters: JsonObject = Field(default={}, description="Parameters passed to the FAL app")
    fal_request_id: str | None = Field(default=None, description="FAL request ID")
    result_url: str | None = Field(default=None, description="URL of the result from FAL")
    result_paths: list[str] | None = Field(
        default=None, description="Paths of the stored copies of all files in the app's response"
    )


class ExperimentalFalTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a run of an app on fal."""

    fal_app_id: Text | None = Field(default=None, description="FAL app ID for task execution")
    fal_parameters: JsonObject | None = Field(
        default=None, description="Parameters to pass to the FAL app"
    )


SCHEMAS = TaskSchemas(
    CreateExperimentalFalTask, ExperimentalFalTaskPublic, ExperimentalFalTaskPublicUpdate
)
