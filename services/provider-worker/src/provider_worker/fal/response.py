"""One HTTP response of fal, and the error that it reports. Pure functions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from provider_worker.fal.wire import ErrorDetail
from provider_worker.wire.response import LONGEST_MESSAGE, WireResponse

_DETAILS: TypeAdapter[list[ErrorDetail]] = TypeAdapter(list[ErrorDetail])


@dataclass(frozen=True)
class FalResponse(WireResponse):
    """A response, with fal's error types and messages."""

    @property
    def error_type(self) -> str:
        """Error type of fal; empty if the response is not an error of fal."""
        details = self.details
        named = details[0].type if details else self.field("error_type")
        return self.headers.get("x-fal-error-type", "") or named

    @property
    def is_from_fal(self) -> bool:
        """True if an error comes from fal and not from a proxy in between."""
        return bool(self.error_type or self.details or self.field("detail"))

    @cached_property
    def details(self) -> list[ErrorDetail]:
        """The error details of a model, if they have fal's format."""
        body = self._parsed[0]
        listed = cast("dict[str, Any]", body).get("detail") if isinstance(body, dict) else body
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
            message = self.field("detail") or self.field("error") or self.field("message")
        return message[:LONGEST_MESSAGE]

    def parse(self) -> None:
        """Parse the body now; called in a thread, so that it does not block the event loop."""
        super().parse()
        if not self.is_success:
            _ = self.details
