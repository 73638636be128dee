"""What a fuzzing run showed, from the answers that its hooks wrote down."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """What is wrong; nothing is where both are empty."""

    server_errors: list[str]
    never_succeeded: list[str]
    """Operations of the contract without an answer of 2xx."""
    statuses: dict[int, int]
    """How many answers there were of each status."""

    @property
    def is_good(self) -> bool:
        return not self.server_errors and not self.never_succeeded

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} × {status}" for status, count in self.statuses.items())
        lines = [f"answers: {sum(self.statuses.values())} ({statuses})"]
        lines += [f"server error: {error}" for error in self.server_errors]
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
    for line in answers.read_text().splitlines():
        answer: dict[str, Any] = json.loads(line)
        status = answer["status"]
        statuses[status] += 1
        # Other methods are tried on an operation's path as well.
        if answer["is_own_method"]:
            by_operation[answer["operation"]].add(status)
        if status >= 500:
            errors.append(f"{status} {answer['method']} {answer['url']}")
    never = [name for name in contract if not any(200 <= s < 300 for s in by_operation[name])]
    return Verdict(errors, never, dict(sorted(statuses.items())))
