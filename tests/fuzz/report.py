"""The report of a fuzzing run, from the responses that its hooks wrote down."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_INTERNALS = re.compile(
    r" at 0x[0-9A-Fa-f]+"
    r"|pydantic\.dev"
    r"|<[A-Za-z_][\w.]*: (?:'|-?\d)"  # a member of an enum
    r"|<(?:class|function|bound method|module|built-in) "
    r"|Traceback \(most recent call last\)"
    r"|error parsing the body"
)
"""Texts of Python and its libraries, which no response may contain."""
_MESSAGES = frozenset({"msg", "detail", "error", "error_message", "errors"})
"""The fields of responses and records that hold error messages."""
_IN_THE_MIDDLE = (":", ",", ";", "(")


def leaked_internals(text: str) -> str | None:
    """Return the first internal text of a response with its context, or None.

    A message that is cut off counts as well.
    """
    found = _INTERNALS.search(text)
    if found is not None:
        return text[max(0, found.start() - 60) : found.end() + 60]
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return next((one[-120:] for one in _messages(body) if _is_cut_off(one)), None)


def _messages(body: Any, *, is_told: bool = False) -> Iterator[str]:
    if isinstance(body, str) and is_told:
        yield body
    elif isinstance(body, list):
        for item in body:
            yield from _messages(item, is_told=is_told)
    elif isinstance(body, dict):
        for name, value in body.items():
            yield from _messages(value, is_told=name in _MESSAGES)


def _is_cut_off(message: str) -> bool:
    return message.rstrip().endswith(_IN_THE_MIDDLE)


@dataclass(frozen=True)
class FuzzReport:
    """The faults of a run; it is good where all lists are empty."""

    server_errors: list[str]
    leaked_internals: list[str]
    """Internal texts in responses and records."""
    never_succeeded: list[str]
    """Operations of the contract without a 2xx response."""
    statuses: dict[int, int]
    """The number of responses by status."""

    @property
    def is_good(self) -> bool:
        return not (self.server_errors or self.leaked_internals or self.never_succeeded)

    def __str__(self) -> str:
        statuses = ", ".join(f"{count} × {status}" for status, count in self.statuses.items())
        lines = [f"responses: {sum(self.statuses.values())} ({statuses})"]
        lines += [f"server error: {error}" for error in self.server_errors]
        lines += [f"internal text: {found}" for found in self.leaked_internals]
        lines += [f"never returned 2xx: {operation}" for operation in self.never_succeeded]
        return "\n".join(lines)


def judge(responses: Path, contract: Iterable[str], in_records: Sequence[str] = ()) -> FuzzReport:
    """Read the responses of a run.

    Args:
        responses: a JSON object a line, as `hooks.after_call` writes it.
        contract: the operations that must have succeeded, `GET /api/v1/tasks/`.
        in_records: internal texts in the records that the run has left.
    """
    statuses: Counter[int] = Counter()
    by_operation: dict[str, set[int]] = defaultdict(set)
    errors: list[str] = []
    internals = list(in_records)
    for line in responses.read_text().splitlines():
        answer: dict[str, Any] = json.loads(line)
        status = answer["status"]
        statuses[status] += 1
        # Schemathesis also sends other methods to an operation's path.
        if answer["is_own_method"]:
            by_operation[answer["operation"]].add(status)
        if status >= 500:
            errors.append(f"{status} {answer['method']} {answer['url']}")
        if answer["leaked_internals"]:
            internals.append(f"{answer['operation']}: {answer['leaked_internals']}")
    never = [name for name in contract if not any(200 <= s < 300 for s in by_operation[name])]
    return FuzzReport(errors, internals, never, dict(sorted(statuses.items())))
