"""What a fuzzing run is judged by."""

import json
from pathlib import Path

import pytest

from tests.fuzz.verdict import judge, unspeakable


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
def test_answer_in_pythons_own_words_is_told_and_is_no_good(tmp_path: Path, said: str) -> None:
    found = unspeakable(json.dumps({"detail": f"what is said: {said}"}))
    line = {"operation": "GET /a", "is_own_method": True, "method": "GET", "url": "/a"}
    answers = tmp_path / "answers.jsonl"
    answers.write_text(json.dumps(line | {"status": 200, "unspeakable": found}))
    verdict = judge(answers, ["GET /a"])
    assert not verdict.is_good
    assert "what is said" in str(verdict)


def test_plain_answer_is_good(tmp_path: Path) -> None:
    line = {"operation": "GET /a", "is_own_method": True, "method": "GET", "url": "/a"}
    answers = tmp_path / "answers.jsonl"
    found = unspeakable(json.dumps({"detail": "x must be one of a, b"}))
    answers.write_text(json.dumps(line | {"status": 200, "unspeakable": found}))
    assert judge(answers, ["GET /a"]).is_good
