"""A response of a language model's vendor, whose formats differ in a few names. Pure."""

from functools import cached_property
from typing import Any, cast

from provider_worker.wire.response import LONGEST_MESSAGE, WireResponse


class ChatResponse(WireResponse):
    """A response with the vendor's error, if it is one, and the reply's id, if it is not."""

    @cached_property
    def error(self) -> dict[str, Any]:
        """The vendor's own description of an error; empty if there is none.

        OpenAI, Anthropic, Gemini and Ollama all put it under `error`, as proxies do not.
        """
        try:
            body = self.json()
        except ValueError:
            return {}
        error = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
        return cast("dict[str, Any]", error) if isinstance(error, dict) else {}

    @property
    def message(self) -> str:
        """Error message of the vendor; empty if there is none."""
        return (self.field("error", "message") or super().message)[:LONGEST_MESSAGE]

    @property
    def reply_id(self) -> str:
        """The vendor's id of the reply; of an id that is missing, that of the request."""
        found = self.field("id") or self.field("responseId")
        return found or self.headers.get("request-id") or self.headers.get("x-request-id", "")
