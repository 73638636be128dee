"""One HTTP response of Google's APIs, and the error that it reports. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from provider_worker.wire.response import LONGEST_MESSAGE, WireResponse
from shared.egress.retry_after import LONGEST_RETRY_AFTER_S

_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)
_NAME = re.compile(r"[A-Z][A-Z_]{1,60}", re.ASCII)


@dataclass(frozen=True)
class GeminiResponse(WireResponse):
    """A response, with the fields of `google.rpc.Status` if it is an error."""

    @property
    def message(self) -> str:
        """Status and message of the error; empty if there is none."""
        told = filter(None, (self.status_name, self.field("error", "message")))
        return ": ".join(told)[:LONGEST_MESSAGE] or super().message

    @property
    def status_name(self) -> str:
        """Name of the error's status, such as `RESOURCE_EXHAUSTED`; empty if there is none."""
        name = self.field("error", "status")
        return name if _NAME.fullmatch(name) else ""

    @property
    def reasons(self) -> frozenset[str]:
        """Reasons in the error's details, such as `API_KEY_INVALID`."""
        return frozenset(_text(detail.get("reason")) for detail in self._details())

    @property
    def quotas(self) -> frozenset[str]:
        """Ids of the exceeded quotas, such as `GenerateRequestsPerDayPerProjectPerModel`."""
        violations = (each for detail in self._details() for each in _list(detail, "violations"))
        return frozenset(_text(each.get("quotaId")) for each in violations)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait, by the header or else by `RetryInfo` in the error's details."""
        if (told := super().retry_after_s) is not None:
            return told
        for detail in self._details():
            if found := _SECONDS.fullmatch(_text(detail.get("retryDelay"))):
                return min(float(found[1]), LONGEST_RETRY_AFTER_S)
        return None

    def _details(self) -> Iterator[Mapping[str, Any]]:
        try:
            body = self.json()
        except ValueError:
            return
        error = body.get("error") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType] -- JSON
        if isinstance(error, dict):
            yield from _list(cast("dict[str, Any]", error), "details")


def _list(of: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    found = of.get(name)
    for each in cast("list[Any]", found) if isinstance(found, list) else []:
        if isinstance(each, dict):
            yield cast("dict[str, Any]", each)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
