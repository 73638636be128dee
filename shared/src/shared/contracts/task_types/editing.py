"""EDITING: changes a picture by a prompt, with reference images."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from shared.contracts.attempts import PictureResults
from shared.contracts.capabilities import Need
from shared.contracts.editing import EditImage
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.fields import ImageSource, ImageSources, Pixels, Prompt, Seed
from shared.contracts.inference import InferenceActivities
from shared.contracts.task_types.row import InputFields, OwnActivity, PictureField, TaskTypeRow


class EditingFields(InputFields):
    """Inputs of an EDITING."""

    prompt: Prompt = Field(description="Task prompt")
    base_image: ImageSource = Field(
        description="Base image as base64, data URL (data:image/...), or remote URL (http://...). "
        "If parts of it are transparent, local workers repaint only those parts"
    )
    reference_images: ImageSources | None = Field(
        default=None,
        description="List of reference images (base64, data URLs, or remote URLs)",
    )
    width: Pixels = Field(default=1024, description="Image width")
    height: Pixels = Field(default=1024, description="Image height")
    seed: Seed | None = Field(default=None, description="Random seed for generation")
    workflow_id: str | None = Field(default=None, description="Workflow ID")
    fal_app_id: str | None = Field(default=None, description="FAL app ID for task execution")


def _needs(fields: Mapping[str, Any]) -> list[Need]:
    references = fields.get("reference_images")
    needs: list[Need] = []
    if references:
        is_one = references == "mapped" or len(references) == 1
        needed = Cap.REFERENCE_IMAGE if is_one else Cap.MULTI_REFERENCE
        needs.append(Need("reference_images", frozenset({needed})))
    if fields.get("seed") is not None:
        needs.append(Need("seed", frozenset({Cap.SEED})))
    config: Mapping[str, Any] = fields.get("config") or {}
    if isinstance(config.get("negative_prompt"), str) and config["negative_prompt"]:
        needs.append(Need("config.negative_prompt", frozenset({Cap.NEGATIVE_PROMPT})))
    return needs


ROW = TaskTypeRow(
    inputs=EditingFields,
    results=PictureResults,
    folder="editings",
    start_to_close=timedelta(minutes=10),
    default_provider=ProviderType.VERTEX,
    pictures=(
        PictureField("base_image", "base_image_path"),
        PictureField("reference_images", "reference_images"),
    ),
    activity=OwnActivity(InferenceActivities.edit_image, EditImage),
    local_queue=TaskQueue.INFERENCE,
    seeds=("seed",),
    needs=_needs,
)
