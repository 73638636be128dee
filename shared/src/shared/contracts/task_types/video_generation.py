"""VIDEO_GENERATION: generates a video from a prompt and optionally a first picture."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from shared.contracts.capabilities import Need
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import ProviderType
from shared.contracts.fields import ImageSource, OptionalPrompt, Prompt
from shared.contracts.message import Message
from shared.contracts.task_types.row import InputFields, PictureField, TaskTypeRow
from shared.contracts.task_types.rules import one_of


class VideoGenerationFields(InputFields):
    """Inputs of a VIDEO_GENERATION."""

    rules = (one_of("input_image_url", "input_image_data"),)

    prompt: Prompt = Field(description="Text prompt describing the desired video content")
    input_image_url: ImageSource | None = Field(
        default=None, description="URL to input image for video generation"
    )
    input_image_data: ImageSource | None = Field(
        default=None,
        description="Base64-encoded input image data (data:image/jpeg;base64,... format)",
    )
    negative_prompt: OptionalPrompt | None = Field(
        default=None, description="Negative prompt to avoid unwanted elements"
    )
    duration_seconds: int = Field(
        default=5, ge=1, le=60, description="Video duration in seconds (1-60)"
    )
    cfg_scale: float = Field(
        default=0.5, ge=0, le=2, description="Classifier-free guidance scale (0.0-2.0)"
    )


class VideoResults(Message):
    """The generated video."""

    result_video_path: str = Field(description="Path of the video")


def _needs(fields: Mapping[str, Any]) -> list[Need]:
    pictures = [name for name in ("input_image_url", "input_image_data") if fields.get(name)]
    needs = [
        Need(pictures[0], frozenset({Cap.IMAGE_TO_VIDEO}))
        if pictures
        else Need("prompt", frozenset({Cap.TEXT_TO_VIDEO}))
    ]
    if fields.get("negative_prompt"):
        needs.append(Need("negative_prompt", frozenset({Cap.NEGATIVE_PROMPT})))
    return needs


ROW = TaskTypeRow(
    inputs=VideoGenerationFields,
    results=VideoResults,
    folder="videos",
    start_to_close=timedelta(minutes=30),
    default_provider=ProviderType.FAL_STANDARD,
    pictures=(PictureField("input_image_url", "input_image_path", ("input_image_data",)),),
    needs=_needs,
)
