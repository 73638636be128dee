"""One answer of fal, whole, and what can be read in it. Pure."""

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
_HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Answer:
    """Status, headers in small letters, and the body as it came; it is parsed once."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def error_type(self) -> str:
        """What went wrong, in a word of fal's own; empty where it is not fal that speaks."""
        details = self.details
        named = details[0].type if details else self._field("error_type")
        return self.headers.get("x-fal-error-type", "") or named

    @property
    def is_from_fal(self) -> bool:
        """Whether an error is fal's own, and not that of a proxy before it."""
        return bool(self.error_type or self.details or self._field("detail"))

    @cached_property
    def details(self) -> list[ErrorDetail]:
        """What a model found wrong, where it says so in fal's form."""
        body = self._body()
        listed = body.get("detail") if isinstance(body, dict) else body  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- JSON
        try:
            return _DETAILS.validate_python(listed)
        except ValidationError:
            return []

    @property
    def message(self) -> str:
        """What fal says about it, for people; empty where it says nothing."""
        if self.details:
            told = "; ".join(
                f"{'.'.join(map(str, detail.loc))}: {detail.msg}" if detail.loc else detail.msg
                for detail in self.details
            )
        else:
            told = self._field("detail") or self._field("error") or self._field("message")
        return told[:_LONGEST_MESSAGE]

    @property
    def retry_after_s(self) -> float | None:
        """How long fal wants to be left alone."""
        return parse_retry_after(self.headers.get("retry-after", ""), datetime.now(UTC))

    def parse(self) -> None:
        """Read the body now, where that holds up nobody."""
        if not self.is_success:
            _ = self.details
        _ = self._parsed

    def read(self, model: type[_T]) -> _T | None:
        """The body as one of fal's messages; none where it is not one."""
        try:
            return model.model_validate(self.json())
        except ValueError:
            return None

    def json(self) -> Any:
        """The body as data.

        Raises:
            ValueError: it is no JSON, as NaN and infinities are none, or too much of it.
        """
        data, fault = self._parsed
        if fault:
            raise ValueError(fault)
        return data

    @cached_property
    def _parsed(self) -> tuple[Any, str]:
        # Much text is pictures; many values are no answer, and may cost a hundred times their size.
        is_large = len(self.content) > (RESULT.max_bytes or 0)
        if is_large and self.content.count(b",") > _MAX_COMMAS:
            return None, f"it has more than {_MAX_COMMAS} values"
        try:
            if _HALF_A_CHARACTER.search(self.content):  # which only this parser lets through
                return json.loads(self.content, parse_constant=_refuse), ""
            return from_json(self.content, allow_inf_nan=False), ""
        except (ValueError, RecursionError) as error:
            return None, f"it is no JSON: {error}"

    def _body(self) -> Any:
        return self._parsed[0]

    def _field(self, name: str) -> str:
        body = self._body()
        value = body.get(name) if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- JSON
        return value if isinstance(value, str) else ""


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
