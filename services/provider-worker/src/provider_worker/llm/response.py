"""A response of a language model's vendor, whose formats differ in a few names. Pure."""

import re
from functools import cached_property
from typing import Any, cast

from provider_worker.wire.response import LONGEST_MESSAGE, WireResponse
from shared.contracts.untrusted import clean_text
from shared.egress.retry_after import LONGEST_RETRY_AFTER_S

_LONGEST_ID = 200
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)


class ChatResponse(WireResponse):
    """A response with the vendor's error, if it is one, and the reply's id, if it is not."""

    @cached_property
    def error(self) -> dict[str, Any]:
        """The vendor's own description of an error; empty if there is none.

        OpenAI, Anthropic, Gemini and Ollama all put it under `error`, as proxies do not.
        """
        error = self._body.get("error")
        return cast("dict[str, Any]", error) if isinstance(error, dict) else {}

    @property
    def _body(self) -> dict[str, Any]:
        try:
            body = self.json()
        except ValueError:
            return {}
        return cast("dict[str, Any]", body) if isinstance(body, dict) else {}

    @property
    def message(self) -> str:
        """Error message of the vendor; empty if there is none."""
        return (self.field("error", "message") or super().message)[:LONGEST_MESSAGE]

    @property
    def details(self) -> list[dict[str, Any]]:
        """The details of an error of Gemini's; empty if there are none."""
        return _objects(self.error.get("details"))

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """The candidates of a reply of Gemini's; empty if there are none."""
        return _objects(self._body.get("candidates"))

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait, by the header, or by `RetryInfo` in the details of Gemini's error."""
        if (found := super().retry_after_s) is not None:
            return found
        delays = (_SECONDS.fullmatch(str(each.get("retryDelay"))) for each in self.details)
        return next((min(float(each[1]), LONGEST_RETRY_AFTER_S) for each in delays if each), None)

    @property
    def reply_id(self) -> str:
        """The vendor's id of the reply; of an id that is missing, that of the request."""
        found = self.field("id") or self.field("responseId")
        found = found or self.headers.get("request-id") or self.headers.get("x-request-id", "")
        return clean_text(found, _LONGEST_ID)


def _objects(value: Any) -> list[dict[str, Any]]:
    found = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", each) for each in found if isinstance(each, dict)]
