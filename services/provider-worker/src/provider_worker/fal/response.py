"""One HTTP response of fal, and its parsed content. Pure functions."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from provider_worker.fal.wire import ErrorDetail
from shared.contracts.untrusted import RESULT
from shared.egress.retry_after import parse_retry_after

_T = TypeVar("_T", bound=BaseModel)
_DETAILS: TypeAdapter[list[ErrorDetail]] = TypeAdapter(list[ErrorDetail])
_LONGEST_MESSAGE = 500
_MAX_COMMAS = 100_000
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class FalResponse:
    """Status, lower-case headers and body of a response; the body is parsed once."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """True for a status of 2xx."""
        return 200 <= self.status < 300

    @property
    def error_type(self) -> str:
        """Error type of fal; empty if the response is not an error of fal."""
        details = self.details
        named = details[0].type if details else self._field("error_type")
        return self.headers.get("x-fal-error-type", "") or named

    @property
    def is_from_fal(self) -> bool:
        """True if an error comes from fal and not from a proxy in between."""
        return bool(self.error_type or self.details or self._field("detail"))

    @cached_property
    def details(self) -> list[ErrorDetail]:
        """The error details of a model, if they have fal's format."""
        body = self._body()
        listed = body.get("detail") if isinstance(body, dict) else body  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- JSON
        try:
            return _DETAILS.validate_python(listed)
        except ValidationError:
            return []

    @property
    def message(self) -> str:
        """Error message of fal; empty if there is none."""
        if self.details:
            message = "; ".join(
                f"{'.'.join(map(str, detail.loc))}: {detail.msg}" if detail.loc else detail.msg
                for detail in self.details
            )
        else:
            message = self._field("detail") or self._field("error") or self._field("message")
        return message[:_LONGEST_MESSAGE]

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that fal asks to wait before the next request."""
        return parse_retry_after(self.headers.get("retry-after", ""), datetime.now(UTC))

    def parse(self) -> None:
        """Parse the body now; called in a thread, so that it does not block the event loop."""
        if not self.is_success:
            _ = self.details
        _ = self._parsed

    def read(self, model: type[_T]) -> _T | None:
        """Return the body as one of fal's messages; none if it does not fit."""
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

    def _body(self) -> Any:
        return self._parsed[0]

    def _field(self, name: str) -> str:
        body = self._body()
        value = body.get(name) if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- JSON
        return value if isinstance(value, str) else ""


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a finite number")
