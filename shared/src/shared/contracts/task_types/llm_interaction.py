"""LLM_INTERACTION: sends a prompt and pictures to a language model."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from shared.contracts.capabilities import Need
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import ProviderType
from shared.contracts.fields import ImageSources, OptionalPrompt, Prompt
from shared.contracts.message import Message
from shared.contracts.task_types.row import InputFields, PictureField, TaskTypeRow


class LLMInteractionFields(InputFields):
    """Inputs of an LLM_INTERACTION."""

    prompt: Prompt = Field(description="User prompt")
    system_prompt: OptionalPrompt | None = Field(default=None, description="System prompt")
    input_images: ImageSources | None = Field(default=None, description="List of image paths/URLs")


class AnswerResults(Message):
    """The model's response and its token counts."""

    result_text: str | None = Field(default=None, description="The response as text")
    result_json: Any | None = Field(
        default=None, description="The response as JSON, if an output schema was given"
    )
    input_tokens: int | None = Field(default=None, description="Tokens of the request")
    output_tokens: int | None = Field(default=None, description="Tokens of the response")


def _needs(fields: Mapping[str, Any]) -> list[Need]:
    return [Need("input_images", frozenset({Cap.VISION}))] if fields.get("input_images") else []


ROW = TaskTypeRow(
    inputs=LLMInteractionFields,
    results=AnswerResults,
    folder="llm_interactions",
    start_to_close=timedelta(minutes=2),
    default_provider=ProviderType.AI_CORE,
    pictures=(PictureField("input_images", "input_images"),),
    needs=_needs,
)
