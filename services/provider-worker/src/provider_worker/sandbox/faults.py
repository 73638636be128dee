"""Planned faults: where each strikes, and what it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Like = Literal[
    "rate_limit",
    "rate_limit_seconds",
    "rate_limit_date",
    "rate_limit_ms",
    "concurrency",
    "out_of_credit",
    "content_policy",
    "content_filter",
    "unsafe_prompt",
    "wrong_schema",
    "broken_json",
    "cut_off",
    "empty",
    "overloaded",
    "retry_info",
    "quota_per_day",
    "no_image",
    "image_safety",
    "text_only",
    "empty",
    "continuation",
    "draft",
    "wrong_ratio",
]
"""A ready-made fault, which each provider expresses in its own way."""
On = Literal["submit", "status", "result", "cancel", "picture", "media", "work"]
RETRY_S = 2
"""Wait that the ready-made refusals ask for."""
_SAME = {"picture": "media"}


class Fault(BaseModel):
    """One planned fault; the README explains the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: On
    marker: str = ""
    wire: str | None = None
    times: int = Field(default=1, ge=0)
    """Number of times; 0: without end."""
    like: Like | None = None
    delay_s: float = Field(default=0, ge=0)
    is_taken: bool = False
    is_dropped: bool = False
    is_cut: bool = False
    pad_bytes: int = Field(default=0, ge=0)
    bytes_per_s: int | None = Field(default=None, gt=0)
    status: int | None = Field(default=None, ge=200, le=599)
    body: Any = None
    raw: str | None = None
    headers: dict[str, str] = {}
    polls: int = Field(default=2, ge=0)
    work_s: float = Field(default=0, ge=0)
    error: str | None = None
    error_type: str | None = None
    logs: list[str] = []

    @property
    def is_played(self) -> bool:
        """True if the fault replaces the real response."""
        return self.is_dropped or self.status is not None

    def filled(self, canned: "Canned | None") -> "Fault":
        """Return the fault with the fields of a ready-made one, where it sets none itself."""
        if canned is None:
            return self
        named = {name: value for name, value in vars(canned).items() if value is not None}
        return Fault(**named | self.model_dump(exclude_defaults=True))


@dataclass(frozen=True)
class Canned:
    """A provider's way to express a ready-made fault."""

    status: int | None = None
    body: Any = None
    headers: dict[str, str] | None = None
    error: str | None = None
    error_type: str | None = None


@dataclass
class Faults:
    """The faults that are still to come."""

    planned: list[tuple[Fault, int]] = field(default_factory=list[tuple[Fault, int]])

    def play(self, *faults: Fault) -> None:
        """Add faults."""
        self.planned += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Remove all of them."""
        self.planned.clear()

    def strike(self, on: On, marker: str, wire: str) -> Fault | None:
        """Return the first fault that applies, and count it."""
        for index, (fault, left) in enumerate(self.planned):
            if _applies(fault, on, marker, wire):
                if left == 1:
                    del self.planned[index]
                else:
                    self.planned[index] = (fault, left - 1)
                return fault
        return None


def _applies(fault: Fault, on: On, marker: str, wire: str) -> bool:
    is_here = _SAME.get(fault.on, fault.on) == _SAME.get(on, on)
    return is_here and fault.marker in marker and fault.wire in (None, wire)


def rate_limits(body: Any) -> Mapping[str, Canned]:
    """Return refusals with 429: with each spelling of the wait, and without."""
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=RETRY_S), usegmt=True)
    return {
        "rate_limit": Canned(429, body),
        "rate_limit_seconds": Canned(429, body, {"Retry-After": str(RETRY_S)}),
        "rate_limit_date": Canned(429, body, {"Retry-After": at}),
        "rate_limit_ms": Canned(429, body, {"retry-after-ms": str(RETRY_S * 1000)}),
    }
