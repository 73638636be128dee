"""A chat as pydantic-ai's request, without any retry. Pure, but for the sending itself."""

from collections.abc import Mapping
from typing import Any

from pydantic_ai import direct
from pydantic_ai.messages import BinaryContent, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from provider_worker.llm.chat import Chat

_TOOL = "final_result"


async def ask(model: Model, chat: Chat) -> ModelResponse:
    """Send a chat by the vendor's client, once, and return the response as pydantic-ai reads it."""
    pictures = [BinaryContent(content, media_type=kind) for content, kind in chat.pictures]
    blocks = [chat.prompt, *chat.notes, *pictures]
    prompt = UserPromptPart(blocks if len(blocks) > 1 else chat.prompt)
    return await direct.model_request(
        model,
        [ModelRequest([prompt], instructions=chat.instructions)],
        model_settings=_settings(model, chat),
        model_request_parameters=_parameters(model, chat),
    )


def ignored(model: Model, chat: Chat) -> list[str]:
    """Return the fields of a chat that the model does not take."""
    is_dropped = chat.temperature is not None and not _takes_temperature(model.profile)
    return ["temperature"] if is_dropped else []


def _settings(model: Model, chat: Chat) -> ModelSettings:
    settings = ModelSettings(
        max_tokens=chat.max_tokens, max_retries=0, framing_announcement="never"
    )
    if chat.temperature is not None and _takes_temperature(model.profile):
        settings["temperature"] = chat.temperature
    return settings


def _parameters(model: Model, chat: Chat) -> ModelRequestParameters:
    """Return the schema: as the vendor's output format, or as a tool where it enforces none."""
    if chat.schema is None:
        return ModelRequestParameters()
    schema, about = dict(chat.schema.schema), chat.schema.description
    if model.profile.get("supports_json_schema_output", False):
        output = OutputObjectDefinition(schema, name=chat.schema.name, description=about)
        return ModelRequestParameters(output_mode="native", output_object=output)
    tool = ToolDefinition(
        name=_TOOL, parameters_json_schema=schema, description=about, kind="output"
    )
    return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)


def _takes_temperature(profile: Mapping[str, Any]) -> bool:
    """Return false for Claude models without sampling, and for OpenAI's while they reason."""
    if profile.get("anthropic_disallows_sampling_settings", False):
        return False
    if not profile.get("openai_supports_reasoning", False):
        return True
    efforts = profile.get("openai_reasoning_efforts") or ()
    can_rest = "none" in efforts or profile.get("openai_supports_reasoning_effort_none", False)
    return can_rest and not profile.get("thinking_enabled_by_default", False)
