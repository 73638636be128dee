"""The ledger: received, accepted, charged, cancelled and refused work, kept in a file."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provider_worker.sandbox.faults import Fault

_SHOWN = (
    "request_id",
    "wire",
    "app",
    "marker",
    "key",
    "input",
    "headers",
    "taken_at",
    "is_cancelled",
)


@dataclass(frozen=True)
class Charge:
    """The units that a provider bills for accepted work."""

    unit: str
    amount: float
    price: float = 0
    """Of one unit."""


@dataclass
class Entry:
    """Accepted work."""

    request_id: str
    app: str
    marker: str
    input: dict[str, Any]
    work: Fault
    wire: str = "fal"
    key: str = ""
    """Fingerprint of the API key."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    charge: Charge = Charge("requests", 1)
    taken_at: float = 0
    is_cancelled: bool = False
    polls: int = 0

    @property
    def is_done(self) -> bool:
        """True once the work has ended."""
        if self.is_cancelled:
            return True
        if self.work.work_s:
            return time.time() >= self.taken_at + self.work.work_s
        return 0 < self.work.polls <= self.polls

    @property
    def is_started(self) -> bool:
        """True once the work has left the queue."""
        return self.polls > 1 or self.is_done


@dataclass
class Ledger:
    """Events, appended to a file if one is given, and the state that they add up to."""

    file: Path | None = None
    posts: Counter[str] = field(default_factory=Counter[str])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    cancels: list[str] = field(default_factory=list[str])
    strays: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    requests: Counter[str] = field(default_factory=Counter[str])
    """By method and path, since the start."""

    def __post_init__(self) -> None:
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        text = self.file.read_text() if self.file.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # a kill cut the last line off
            self.file.write_text(whole)
        for line in whole.splitlines():
            self._apply(json.loads(line))

    @property
    def submits(self) -> Counter[str]:
        """Accepted work by marker."""
        return Counter(entry.marker for entry in self.entries.values())

    def charged(self, wire: str, key: str | None = None) -> float:
        """Return the units that a provider has charged, to one key or to all."""
        return sum(
            entry.charge.amount
            for entry in self.entries.values()
            if entry.wire == wire and key in (None, entry.key)
        )

    def clear(self) -> None:
        """Forget everything, also in the file."""
        if self.file:
            self.file.write_text("")
        for noted in (self.posts, self.entries, self.cancels, self.strays, self.requests):
            noted.clear()

    def count(self, method: str, path: str) -> None:
        """Count a request; ids of work are left out of its path."""
        parts = ("{id}" if part in self.entries else part for part in path.split("/"))
        self.requests[f"{method} {'/'.join(parts)}"] += 1

    def post(self, marker: str) -> None:
        """Note a received submission."""
        self._note(kind="post", marker=marker)

    def take(self, entry: Entry) -> None:
        """Note accepted work, which is charged."""
        stored = vars(entry) | {"work": entry.work.model_dump(), "charge": vars(entry.charge)}
        self._note(kind="taken", entry=stored)

    def cancel(self, request_id: str, *, is_taken: bool) -> None:
        """Note a cancellation; `is_taken`: it ends the work."""
        self._note(kind="cancel", request_id=request_id, is_taken=is_taken)

    def stray(self, **where: Any) -> None:
        """Note a field that the published schema lacks."""
        self._note(kind="stray", stray=where)

    def _note(self, **event: Any) -> None:
        if self.file:
            with self.file.open("a") as file:
                file.write(json.dumps(event) + "\n")
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        match event["kind"]:
            case "post":
                self.posts[event["marker"]] += 1
            case "taken":
                stored = event["entry"]
                read = {"work": Fault(**stored["work"]), "charge": Charge(**stored["charge"])}
                self.entries[stored["request_id"]] = Entry(**stored | read)
            case "cancel":
                self.cancels.append(event["request_id"])
                if entry := self.entries.get(event["request_id"]):
                    entry.is_cancelled |= event["is_taken"]
            case _:
                self.strays.append(event["stray"])

    def shown(self) -> dict[str, Any]:
        """Return the ledger as data."""
        entries = self.entries.values()
        return {
            "posts": self.posts,
            "submits": self.submits,
            "entries": [{name: getattr(entry, name) for name in _SHOWN} for entry in entries],
            "cancels": self.cancels,
            "polls": {entry.request_id: entry.polls for entry in entries},
            "charges": [
                {name: getattr(entry, name) for name in ("request_id", "wire", "marker", "key")}
                | vars(entry.charge)
                for entry in entries
            ],
            "strays": self.strays,
            "requests": self.requests,
        }
