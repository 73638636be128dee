"""The published request of Gemini's `generateContent`, as models that refuse unknown fields."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_RATIO = "^(1:1|2:3|3:2|3:4|4:3|4:5|5:4|9:16|16:9|21:9|1:4|4:1|1:8|8:1)$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Blob(_Part):
    """A file in base64. Google's own client spells its type `mime_type`."""

    mime_type: str = Field(validation_alias=AliasChoices("mimeType", "mime_type"))
    data: str
    display_name: str | None = None


class Part(_Part):
    """A piece of a message."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: dict[str, Any] | None = None
    function_call: dict[str, Any] | None = None
    function_response: dict[str, Any] | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    media_resolution: dict[str, Any] | None = None


class Content(_Part):
    """A message."""

    parts: list[Part]
    role: Literal["user", "model"] | None = None


class ImageConfig(_Part):
    """Shape of a picture."""

    aspect_ratio: str | None = Field(default=None, pattern=_RATIO)
    image_size: Literal["512", "1K", "2K", "4K"] | None = None


class ThinkingConfig(_Part):
    """Thoughts before the response."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(_Part):
    """Options of a generation."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: float | None = None
    seed: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    candidate_count: Annotated[int, Field(ge=1, le=8)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_modalities: list[Literal["TEXT", "IMAGE", "AUDIO"]] | None = None
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum"] | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    image_config: ImageConfig | None = None
    thinking_config: ThinkingConfig | None = None
    media_resolution: str | None = None


class SafetySetting(_Part):
    """Threshold of one category."""

    category: str
    threshold: str
    method: str | None = None


class GenerateContent(_Part):
    """A request."""

    contents: list[Content] = Field(min_length=1)
    system_instruction: Content | None = None
    generation_config: GenerationConfig = GenerationConfig()
    safety_settings: list[SafetySetting] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None
