"""What a fuzzing run showed, from the answers that its hooks wrote down."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNSPEAKABLE = re.compile(
    r" at 0x[0-9A-Fa-f]+"
    r"|pydantic\.dev"
    r"|<[A-Za-z_][\w.]*: (?:'|-?\d)"  # a member of an enum
    r"|<(?:class|function|bound method|module|built-in) "
    r"|Traceback \(most recent call last\)"
    r"|error parsing the body"
)
"""What only Python and its libraries say; no client reads it in an answer."""
_MESSAGES = frozenset({"msg", "detail", "error", "error_message", "errors"})
"""Where answers and records tell what went wrong."""
_IN_THE_MIDDLE = (":", ",", ";", "(")


def unspeakable(text: str) -> str | None:
    """The first of it in an answer, with what stands around it; none where there is none.

    A message that ends in the middle counts as well.
    """
    found = _UNSPEAKABLE.search(text)
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
class Verdict:
    """What is wrong; nothing is where all are empty."""

    server_errors: list[str]
    unspeakable: list[str]
    """Answers and records in Python's own words."""
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


def judge(answers: Path, contract: Iterable[str], in_records: Sequence[str] = ()) -> Verdict:
    """Read the answers of a run.

    Args:
        answers: a JSON object a line, as `hooks.after_call` writes it.
        contract: the operations that must have succeeded, `GET /api/v1/tasks/`.
        in_records: what is unspeakable in the records that the run has left.
    """
    statuses: Counter[int] = Counter()
    by_operation: dict[str, set[int]] = defaultdict(set)
    errors: list[str] = []
    in_python = list(in_records)
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
