"""DETAIL_ENHANCER: a garment's detail transferred from a reference image."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from api_gateway.request_fields import JsonObject, readable_as
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import ImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.fixing import FixConfig
from shared.contracts.task_types.detail_enhancer import DetailEnhancerFields


class CreateDetailEnhancerTask(DetailEnhancerFields, CreateTaskBase):
    """A request to enhance a detail."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "DETAIL_ENHANCER",
                "base_image": "https://images.example.com/model.jpg",
                "reference_image": "https://images.example.com/shirt.jpg",
                "detail_label": "shirt",
                "origin_instance": "api-prod",
            }
        }
    )

    task_type: Literal[TaskType.DETAIL_ENHANCER] = TaskType.DETAIL_ENHANCER
    config: Annotated[JsonObject, AfterValidator(readable_as(FixConfig))] | None = Field(
        default=None,
        description="Flexible configuration storage; known keys are strict_checks, denoise, "
        "num_inference_steps, seed and editor (strength, instruct or vertex)",
    )


class DetailEnhancerTaskPublic(ImageTaskPublicBase):
    """A detail enhancer task."""

    task_type: Literal[TaskType.DETAIL_ENHANCER] = TaskType.DETAIL_ENHANCER
    base_image_path: str
    reference_image_path: str
    detail_label: str | None = None


class DetailEnhancerTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of a detail enhancer task."""


SCHEMAS = TaskSchemas(
    CreateDetailEnhancerTask, DetailEnhancerTaskPublic, DetailEnhancerTaskPublicUpdate
)
