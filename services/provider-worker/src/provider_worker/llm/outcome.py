"""The reply in a vendor's response, or the reason that there is none. Pure."""

from typing import Any

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart

from provider_worker.errors import UnfitReplyError, UnusableResultError
from provider_worker.llm.chat import Chat, Reply
from provider_worker.llm.response import ChatResponse
from provider_worker.llm.schema import read_reply
from provider_worker.wire.errors import redacted
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.untrusted import RESULT, clean_text, cleaned, find_fault
from shared.errors import PlatformError

_LONGEST_NAME = 200
_QUOTED = 200
"""Longest quotation of a refusal."""
_POLICIES = frozenset({"IMAGE_RECITATION", "JAILBREAK"})
"""Gemini's refusals that pydantic-ai does not know. Other reasons that it does not know are errors:
an unfinished reply is none."""
_CONTINUATION = "CONTINUATION"


def reply_of(
    name: str, chat: Chat, response: ChatResponse, found: ModelResponse, ignored: list[str]
) -> Reply:
    """Return the reply.

    Args:
        name: of the vendor, in messages.
        chat: the request.
        response: the vendor's response.
        found: the same, as pydantic-ai reads it.
        ignored: fields of the chat that the model does not take.

    Raises:
        PlatformError: CONTENT_POLICY: the vendor or the model refused. VALIDATION: the reply was
            cut off at the limit of tokens. PROVIDER_ERROR: there is none, or it does not follow the
            schema.
        UnusableResultError: it exceeds our limits.
    """
    text = "".join(part.content for part in found.parts if isinstance(part, TextPart))
    details = found.provider_details or {}
    reason = details.get("finish_reason")
    if found.finish_reason == "content_filter" or reason in _POLICIES:
        raise _refused(name, details, text)
    if found.finish_reason == "length":
        raise _error(
            f"{name}'s reply was cut off at max_tokens ({chat.max_tokens}): raise it, or ask for"
            f" less; the reply begins {_quoted(text)}",
            Category.VALIDATION,
        )
    if found.finish_reason == "error" or (found.finish_reason is None and reason):
        raise _error(f"{name} ended the reply with an error: {_why(details)}")
    for part in found.parts:
        if chat.schema is not None and isinstance(part, ToolCallPart):
            text = part.args_as_json_str()
    if not text.strip():
        raise UnfitReplyError(f"{name}'s response contains no reply: {_why(details)}")
    data = None if chat.schema is None else _data(name, chat.schema.schema, text)
    text = cleaned(text)
    if fault := find_fault(text, RESULT):
        raise UnusableResultError(f"its text {fault}")
    return Reply(
        text=text,
        json=data,
        model=clean_text(found.model_name or chat.model, _LONGEST_NAME),
        request_id=response.reply_id,
        input_tokens=found.usage.input_tokens,
        output_tokens=found.usage.output_tokens,
        ignored=ignored,
    )


def is_unfinished(response: ChatResponse) -> bool:
    """Return true if Gemini would go on in another request, which its client would send."""
    return any(each.get("finishReason") == _CONTINUATION for each in response.candidates)


def unfinished(name: str, chat: Chat) -> PlatformError:
    """Return the error of a reply that needs another request."""
    return _error(
        f"{name}'s reply is longer than one request returns (max_tokens is {chat.max_tokens}): ask"
        " for less",
        Category.VALIDATION,
    )


def unreadable(name: str) -> PlatformError:
    """Return the error of a response that the vendor's client cannot read."""
    return _error(f"{name}'s response cannot be read: it does not have the form of its API")


def _data(name: str, schema: Any, text: str) -> Any:
    try:
        return read_reply(schema, text)
    except ValueError as error:
        why = f"{name}'s reply cannot be used: {error}; it begins {_quoted(text)}"
        raise UnfitReplyError(why) from None


def _refused(name: str, details: dict[str, Any], text: str) -> PlatformError:
    told = details.get("refusal") or text or details.get("block_reason_message") or ""
    reason = details.get("block_reason") or details.get("finish_reason") or "refusal"
    quoted = f": {_quoted(str(told))}" if told else ""
    return _error(f"{name} refused the request ({reason}){quoted}", Category.CONTENT_POLICY)


def _why(details: dict[str, Any]) -> str:
    return str(details.get("finish_reason") or "it gives no reason")


def _quoted(text: str) -> str:
    return f'"{redacted(" ".join(text.split()))[:_QUOTED]}"' if text else "with nothing"


def _error(message: str, category: Category = Category.PROVIDER_ERROR) -> PlatformError:
    return PlatformError(message, category=category, is_final=True)
