"""A chat's request and its reply, in terms that all vendors share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Picture = tuple[bytes, str]
"""A picture's file and its type, such as `image/jpeg`."""


@dataclass(frozen=True)
class OutputSchema:
    """The JSON schema that a reply follows.

    Attributes:
        schema: of an object.
        name: of letters, digits, `_` and `-`; at most 64.
        description: of the object, for the model.
    """

    schema: Mapping[str, Any]
    name: str = "reply"
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Chat:
    """One question to a model.

    Attributes:
        model: the vendor's name of the model.
        prompt: the user's text.
        max_tokens: limit of the reply's tokens, at least 1.
        instructions: the system prompt.
        notes: further texts of the user, each in a block of its own after the prompt.
        pictures: shown after the texts, as they are (`pictures.scaled` makes them small enough).
        schema: of the reply; none: the reply is text.
        temperature: 0 to 2; none: the model's default.
    """

    model: str
    prompt: str
    max_tokens: int
    instructions: str | None = None
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    schema: OutputSchema | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class Reply:
    """The reply to a chat.

    Attributes:
        text: the reply as the model wrote it; of a schema, its JSON.
        json: the reply as data, checked against the schema; none without a schema.
        model: the model that replied, as the vendor names it.
        request_id: the vendor's id of the reply.
        input_tokens: of the request, as the vendor counted.
        output_tokens: of the reply, hidden reasoning included.
        ignored: fields of the chat that the model does not take: `temperature`.
    """

    text: str
    json: Any
    model: str
    request_id: str
    input_tokens: int
    output_tokens: int
    ignored: list[str] = field(default_factory=list[str])
