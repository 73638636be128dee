"""What a fuzzing run showed, from the answers that its hooks wrote down."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNSPEAKABLE = (" at 0x", "pydantic.dev", "<TaskType", "Traceback (most recent call last)")
"""What only Python's own words have; no client reads it in an answer."""


def unspeakable(text: str) -> str | None:
    """The first of it in an answer, with what stands around it; none where there is none."""
    for word in _UNSPEAKABLE:
        at = text.find(word)
        if at >= 0:
            return text[max(0, at - 60) : at + 60]
    return None


@dataclass(frozen=True)
class Verdict:
    """What is wrong; nothing is where all are empty."""

    server_errors: list[str]
    unspeakable: list[str]
    """Answers in Python's own words."""
    never_succeeded: list[str]
    """Operations of the contract without an answer of 2xx."""
    statuses: dict[int, int]
    """How many answers there were of each status."""

    @property
    def is_good(self) -> bool:
        return not (self.server_errors or self.unspeakable or self.never_succeeded)

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} × {status}" for status, count in self.statuses.items())
        lines = [f"answers: {sum(self.statuses.values())} ({statuses})"]
        lines += [f"server error: {error}" for error in self.server_errors]
        lines += [f"Python's own words: {found}" for found in self.unspeakable]
        lines += [f"never answered 2xx: {operation}" for operation in self.never_succeeded]
        return "\n".join(lines)


def judge(answers: Path, contract: Iterable[str]) -> Verdict:
    """Read the answers of a run.

    Args:
        answers: a JSON object a line, as `hooks.after_call` writes it.
        contract: the operations that must have succeeded, `GET /api/v1/tasks/`.
    """
    statuses: Counter[int] = Counter()
    by_operation: dict[str, set[int]] = defaultdict(set)
    errors: list[str] = []
    in_python: list[str] = []
    for line in answers.read_text().splitlines():
        answer: dict[str, Any] = json.loads(line)
        status = answer["status"]
        statuses[status] += 1
        # Other methods are tried on an operation's path as well.
        if answer["is_own_method"]:
            by_operation[answer["operation"]].add(status)
        if status >= 500:
            errors.append(f"{status} {answer['method']} {answer['url']}")
        if answer["unspeakable"]:
            in_python.append(f"{answer['operation']}: {answer['unspeakable']}")
    never = [name for name in contract if not any(200 <= s < 300 for s in by_operation[name])]
    return Verdict(errors, in_python, never, dict(sorted(statuses.items())))
