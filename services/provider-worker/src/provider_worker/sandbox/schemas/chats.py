"""Published bodies of chats at OpenAI, Anthropic and Ollama. Unknown fields are faults."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider_worker.sandbox.schemas.tables import Problem

_Tokens = Annotated[int, Field(ge=1)]
_Percent = Annotated[float, Field(ge=0, le=1)]
_Heat = Annotated[float, Field(ge=0, le=2)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Text(_Part):
    type: Literal["text"]
    text: str


class _ImageUrl(_Part):
    url: str
    detail: Literal["auto", "low", "high", "original"] = "auto"


class _Image(_Part):
    type: Literal["image_url"]
    image_url: _ImageUrl


class _Message(_Part):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Annotated[_Text | _Image, Field(discriminator="type")]]
    name: str | None = None


class _JsonSchema(_Part):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class _Format(_Part):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _Function(_Part):
    name: str
    description: str | None = None
    parameters: dict[str, Any]
    strict: bool | None = None


class _Tool(_Part):
    type: Literal["function"]
    function: _Function


class OllamaCompletion(_Part):
    """Chat Completions, as Ollama reads it: it knows no `max_completion_tokens`."""

    model: str
    messages: list[_Message] = Field(min_length=1)
    stream: bool = False
    max_tokens: _Tokens | None = None
    temperature: _Heat | None = None
    top_p: _Percent | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    response_format: _Format | None = None
    tools: list[_Tool] | None = None
    tool_choice: Any = None
    reasoning_effort: str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class Completion(OllamaCompletion):
    """OpenAI's Chat Completions."""

    max_completion_tokens: _Tokens | None = None
    n: Literal[1] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    parallel_tool_calls: bool | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class _InputText(_Part):
    type: Literal["input_text"]
    text: str


class _InputImage(_Part):
    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high", "original"] = "auto"


class _Item(_Part):
    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Annotated[_InputText | _InputImage, Field(discriminator="type")]]


class _TextFormat(_Part):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    description: str | None = None
    strict: bool | None = None


class _TextConfig(_Part):
    format: _TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ResponsesBody(_Part):
    """OpenAI's Responses."""

    model: str
    input: str | list[_Item]
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=16)
    temperature: _Heat | None = None
    top_p: _Percent | None = None
    stream: bool = False
    text: _TextConfig | None = None
    reasoning: dict[str, Any] | None = None
    include: list[str] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    background: Literal[False] | None = None


class _Source(_Part):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class _ImageBlock(_Part):
    type: Literal["image"]
    source: _Source


class _Turn(_Part):
    role: Literal["user", "assistant"]
    content: str | list[Annotated[_Text | _ImageBlock, Field(discriminator="type")]]


class _OutputFormat(_Part):
    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class _OutputConfig(_Part):
    format: _OutputFormat | None = None
    effort: str | None = None


class _AnthropicTool(_Part):
    name: str
    description: str | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None


class MessagesBody(_Part):
    """Anthropic's Messages."""

    model: str
    messages: list[_Turn] = Field(min_length=1)
    max_tokens: _Tokens
    system: str | list[_Text] | None = None
    temperature: _Percent | None = None
    top_p: _Percent | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    stream: bool = False
    metadata: dict[str, Any] | None = None
    output_config: _OutputConfig | None = None
    tools: list[_AnthropicTool] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    service_tier: str | None = None


class _NativeMessage(_Part):
    role: Literal["system", "user", "assistant"]
    content: str = ""
    images: list[str] | None = None


class NativeChat(_Part):
    """Ollama's own chat."""

    model: str
    messages: list[_NativeMessage] = Field(min_length=1)
    stream: bool = True
    format: Literal["", "json"] | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    tools: list[_Tool] | None = None
    keep_alive: str | float | None = None
    think: bool | str | None = None


def problems(model: type[BaseModel], body: dict[str, Any]) -> list[Problem]:
    """Return the faults of a body."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        return [
            Problem(tuple(each["loc"]), each["msg"], each["type"])
            for each in error.errors(include_url=False, include_input=False)
        ]
    return []
