"""EDITING: an image changed by a prompt, with reference images."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api_gateway.request_fields import (
    JsonObject,
    object_or_none,
)
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.public import FalImageTaskPublicBase
from api_gateway.tasks.schemas.task_schemas import TaskSchemas
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from shared.contracts.enums import TaskType
from shared.contracts.fields import ImageSource
from shared.contracts.task_types.editing import EditingFields


class CreateEditingTask(EditingFields, CreateTaskBase):
    """A request to edit an image."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "task_type": "EDITING",
                "prompt": "replace the jacket by the one in the reference",
                "base_image": "https://images.example.com/model.jpg",
                "reference_images": ["https://images.example.com/jacket.jpg"],
                "origin_instance": "api-prod",
            }
        }
    )

    replaced_fields = {
        "base_image_data": "base_image",
        "base_image_url": "base_image",
        "reference_image_data": "reference_images",
        "reference_image_url": "reference_images",
    }

    task_type: Literal[TaskType.EDITING] = TaskType.EDITING
    config: JsonObject | None = Field(
        default=None,
        description="Flexible configuration storage; keys that local workers know are "
        "num_inference_steps, guidance_scale, negative_prompt, num_images, strength and "
        "output_format (png, webp or jpeg)",
    )
    base_image_data: ImageSource | None = Field(
        default=None,
        description="DEPRECATED: Use base_image instead. Base64-encoded base image data.",
    )
    base_image_url: ImageSource | None = Field(
        default=None, description="DEPRECATED: Use base_image instead. URL to base image file."
    )
    reference_image_data: ImageSource | None = Field(
        default=None,
        description="DEPRECATED: Use reference_images instead. Base64-encoded reference image "
        "data.",
    )
    reference_image_url: ImageSource | None = Field(
        default=None,
        description="DEPRECATED: Use reference_images instead. URL to reference image file.",
    )

    @classmethod
    def matching_fields(cls, body: JsonObject) -> int | None:
        return super().matching_fields(_without_deprecated(body))

    @model_validator(mode="before")
    @classmethod
    def _read_deprecated_fields(cls, data: object) -> object:
        body = object_or_none(data)
        if body is None:
            return data
        # The deprecated fields stay until their own validation has run.
        deprecated = {name: body[name] for name in cls.replaced_fields if name in body}
        return _without_deprecated(body) | deprecated

    @model_validator(mode="after")
    def _drop_deprecated_fields(self) -> Self:
        for name in self.replaced_fields.keys() & self.model_fields_set:
            setattr(self, name, None)
        return self


def _without_deprecated(body: JsonObject) -> JsonObject:
    """Return the body with deprecated images moved to the fields that replaced them, if empty."""
    body = dict(body)
    base = body.pop("base_image_data", None) or body.pop("base_image_url", None)
    if base is not None and body.get("base_image") is None:
        body["base_image"] = base
    references = [
        image
        for field in ("reference_image_data", "reference_image_url")
        if (image := body.pop(field, None)) is not None
    ]
    if references and not body.get("reference_images"):
        body["reference_images"] = references
    return body


class EditingTaskPublic(FalImageTaskPublicBase):
    """An editing task."""

    task_type: Literal[TaskType.EDITING] = TaskType.EDITING
    prompt: str
    base_image_path: str
    reference_image_path: str | None = None
    reference_images: list[str] | None = None
    width: int
    height: int
    seed: int | None = None
    workflow_id: str | None = Field(default=None, description="Workflow ID")


class EditingTaskPublicUpdate(TaskPublicUpdateBase):
    """Changeable fields of an editing task."""


SCHEMAS = TaskSchemas(CreateEditingTask, EditingTaskPublic, EditingTaskPublicUpdate)
