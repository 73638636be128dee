"""The report of a fuzzing run."""

import json
from pathlib import Path

import pytest

from tests.fuzz.report import judge, leaked_internals


@pytest.mark.parametrize(
    "said",
    [
        "<function f at 0x7f00>",
        "For further information visit https://errors.pydantic.dev/2/v/missing",
        "one of <TaskType.EDITING: 'EDITING'>",
        "<ProviderType.LOCAL: 'local'>",
        "<Priority.HIGH: 2>",
        "<class 'int'>",
        "Traceback (most recent call last):\\n",
        "There was an error parsing the body",
        "Incompatible keys detected:",
        "Incompatible keys: a, b,",
    ],
)
def test_internal_text_in_a_response_is_reported_as_a_fault(tmp_path: Path, said: str) -> None:
    found = leaked_internals(json.dumps({"detail": f"the cause: {said}"}))
    line = {"operation": "GET /a", "is_own_method": True, "method": "GET", "url": "/a"}
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps(line | {"status": 200, "leaked_internals": found}))
    report = judge(answers, ["GET /a"])
    assert not report.is_good
    assert "the cause" in str(report)


def test_plain_response_is_good(tmp_path: Path) -> None:
    line = {"operation": "GET /a", "is_own_method": True, "method": "GET", "url": "/a"}
    answers = tmp_path / "answers.jsonl"
    found = leaked_internals(json.dumps({"detail": "x must be one of a, b"}))
    answers.write_text(json.dumps(line | {"status": 200, "leaked_internals": found}))
    assert judge(answers, ["GET /a"]).is_good
