"""Accepted work and planned faults of the fake fal; see `tests.loopback.fal`."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Fault(BaseModel):
    """One planned fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: Literal["submit", "status", "result", "cancel", "picture", "work"]
    marker: str = ""
    times: int = 1
    """Number of times; 0: without end."""
    delay_s: float = 0
    is_taken: bool = False
    is_dropped: bool = False
    is_cut: bool = False
    status: int | None = None
    body: Any = None
    raw: str | None = None
    headers: dict[str, str] = {}
    polls: int = 2
    error: str | None = None
    error_type: str | None = None
    logs: list[str] = []


@dataclass
class Entry:
    """Accepted work."""

    request_id: str
    app: str
    marker: str
    input: dict[str, Any]
    work: Fault
    is_cancelled: bool = False
    polls: int = 0

    @property
    def path(self) -> str:
        return "/".join(self.app.split("/")[:2])

    @property
    def is_done(self) -> bool:
        return self.is_cancelled or 0 < self.work.polls <= self.polls

    @property
    def size(self) -> tuple[int, int]:
        asked = self.input.get("image_size")
        size: dict[str, Any] = asked if isinstance(asked, dict) else {}
        return size.get("width", 64), size.get("height", 64)


@dataclass
class Ledger:
    """Received and accepted submissions, appended to a file if one is given."""

    file: Path | None = None
    posts: Counter[str] = field(default_factory=Counter[str])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    cancels: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        lines = self.file.read_text().splitlines() if self.file and self.file.exists() else []
        for line in lines:
            self._apply(json.loads(line))

    @property
    def submits(self) -> Counter[str]:
        return Counter(entry.marker for entry in self.entries.values())

    def note(self, **event: Any) -> None:
        if self.file:
            with self.file.open("a") as file:
                file.write(json.dumps(event) + "\n")
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        if event["kind"] == "post":
            self.posts[event["marker"]] += 1
        elif event["kind"] == "taken":
            entry = Entry(**{**event["entry"], "work": Fault(**event["entry"]["work"])})
            self.entries[entry.request_id] = entry
        else:
            self.cancels.append(event["request_id"])
            if entry := self.entries.get(event["request_id"]):
                entry.is_cancelled |= event["is_taken"]

    def shown(self) -> dict[str, Any]:
        return {
            "posts": self.posts,
            "submits": self.submits,
            "entries": [
                {
                    "request_id": entry.request_id,
                    "app": entry.app,
                    "marker": entry.marker,
                    "input": entry.input,
                    "is_cancelled": entry.is_cancelled,
                }
                for entry in self.entries.values()
            ],
            "cancels": self.cancels,
            "polls": {entry.request_id: entry.polls for entry in self.entries.values()},
        }
