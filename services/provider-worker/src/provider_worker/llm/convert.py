"""Conversion of an LLM_INTERACTION to a chat. Pure functions; pictures are added later."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from provider_worker.inputs import read_inputs
from provider_worker.llm.chat import Chat, OutputSchema
from provider_worker.llm.schema import output_schema
from shared.contracts.enums import AiProvider, TaskType
from shared.contracts.message import Message
from shared.contracts.remote_limits.ai_core import ai_core_faults
from shared.contracts.remote_limits.request import RemoteRequest
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

PICTURES_FIELD = "input_images"


class _Options(Message):
    """The fields of `provider_config` for ai_core."""

    ai_provider: AiProvider
    model: str = Field(min_length=1)
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)


class InteractionInputs(Message):
    """Inputs of an LLM_INTERACTION."""

    prompt: str = Field(min_length=1)
    system_prompt: str | None = None
    input_images: list[str] | None = None
    config: dict[str, Any] = Field(default_factory=dict[str, Any])

    @property
    def schema_(self) -> OutputSchema | None:
        """The schema of the reply.

        Raises:
            InvalidInputError: it is none, or exceeds the limits.
        """
        schema = output_schema(self.config)
        return None if schema is None else named_schema(schema)


@dataclass(frozen=True)
class Interaction:
    """A task as a chat.

    Attributes:
        vendor: the vendor.
        chat: the question, without its pictures.
        pictures: object keys.
    """

    vendor: AiProvider
    chat: Chat
    pictures: list[str] = field(default_factory=list[str])


def interaction(work: RemoteWork, max_tokens: int) -> Interaction:
    """Convert a task.

    Args:
        work: the task.
        max_tokens: limit of the reply's tokens if the task has none.

    Raises:
        InvalidInputError: the task's inputs are incomplete, or the vendor cannot do what they ask.
    """
    options = read_inputs(_Options, work.provider_config)
    given = read_inputs(InteractionInputs, work.inputs)
    request = RemoteRequest(TaskType.LLM_INTERACTION, work.provider_config, work.inputs)
    for fault in ai_core_faults(request):
        raise InvalidInputError(f"{'.'.join(fault.place)} {fault.message}")
    chat = Chat(
        model=options.model,
        prompt=given.prompt,
        instructions=given.system_prompt or None,
        schema=given.schema_,
        temperature=options.temperature,
        max_tokens=options.max_tokens or max_tokens,
    )
    return Interaction(options.ai_provider, chat, given.input_images or [])


def named_schema(schema: Mapping[str, Any]) -> OutputSchema:
    """Return a schema with its title as its name, as far as vendors take it."""
    title, about = schema.get("title"), schema.get("description")
    name = "".join(each if _is_plain(each) else "_" for each in str(title))[:64] if title else ""
    description = about if isinstance(about, str) else None
    return OutputSchema(schema, description=description, **({"name": name} if name else {}))


def _is_plain(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "_-")
