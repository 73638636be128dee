"""One HTTP response of a provider, and its parsed content. Pure functions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn, TypeVar, cast

from pydantic import BaseModel
from pydantic_core import from_json

from shared.contracts.untrusted import RESULT
from shared.egress.retry_after import LONGEST_RETRY_AFTER_S, parse_retry_after

_T = TypeVar("_T", bound=BaseModel)
_MAX_COMMAS = 100_000
LONGEST_MESSAGE = 500
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_MILLISECONDS = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True)
class WireResponse:
    """Status, lower-case headers and body of a response; the body is parsed once."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """True for a status of 2xx."""
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the provider asks to wait before the next request.

        From `retry-after-ms`, a number of milliseconds, or from `Retry-After`: a number of seconds
        or a date.
        """
        milliseconds = self.headers.get("retry-after-ms", "")
        if _MILLISECONDS.fullmatch(milliseconds):
            return min(float(milliseconds) / 1000, LONGEST_RETRY_AFTER_S)
        return parse_retry_after(self.headers.get("retry-after", ""), datetime.now(UTC))

    @property
    def message(self) -> str:
        """Error message of the provider; empty if there is none."""
        message = self.field("message") or self.field("detail") or self.field("error")
        return message[:LONGEST_MESSAGE]

    def amount(self, header: str) -> float | None:
        """Return a header with a number of billed units; none if it has none."""
        value = self.headers.get(header, "").strip()
        return float(value) if _AMOUNT.fullmatch(value) else None

    def parse(self) -> None:
        """Parse the body now; called in a thread, so that it does not block the event loop."""
        _ = self._parsed

    def read(self, model: type[_T]) -> _T | None:
        """Return the body as one of the provider's messages; none if it does not fit."""
        try:
            return model.model_validate(self.json())
        except ValueError:
            return None

    def json(self) -> Any:
        """Return the body as JSON data.

        Raises:
            ValueError: it is not valid JSON (NaN and infinities are not), or has too many values.
        """
        data, fault = self._parsed
        if fault:
            raise ValueError(fault)
        return data

    def field(self, *path: str) -> str:
        """Return a text in the body, by the names of nested objects; empty if there is none."""
        value: Any = self._parsed[0]
        for name in path:
            value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""

    @cached_property
    def _parsed(self) -> tuple[Any, str]:
        # Large texts are pictures. Many values are not expected, and take 100 times their size.
        is_large = len(self.content) > (RESULT.max_bytes or 0)
        if is_large and self.content.count(b",") > _MAX_COMMAS:
            return None, f"it has more than {_MAX_COMMAS} values"
        try:
            if _SURROGATE_ESCAPE.search(self.content):  # only this parser accepts them
                return json.loads(self.content, parse_constant=_refuse), ""
            return from_json(self.content, allow_inf_nan=False), ""
        except (ValueError, RecursionError) as error:
            return None, f"it is not valid JSON: {error}"


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")
