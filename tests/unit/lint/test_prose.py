"""The checks of prose in `make lint`."""

from pathlib import Path

import pytest

from infra.lint.prose import docstrings, long_lines, opens_with_clause


@pytest.mark.parametrize(
    "docstring",
    ["What a task is.", "Whether it is done.", "`how` it is done", "If it fails, raise."],
)
def test_clause_is_recognized(docstring: str) -> None:
    assert opens_with_clause(docstring)


@pytest.mark.parametrize(
    "docstring",
    ["Return a task.", "The state of a task.", "True where it is done.", "If-Match headers.", "…"],
)
def test_verb_or_noun_phrase_is_no_clause(docstring: str) -> None:
    assert not opens_with_clause(docstring)


def test_docstrings_of_modules_classes_and_functions_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        '"""One.\n\nMore."""\nclass A:\n    """Two."""\n    async def f(self):\n'
        '        """Three."""\n        x = """no docstring"""\n'
    )
    assert sorted((place.line, place.text) for place in docstrings(path)) == [
        (1, "One."),
        (5, "Two."),
        (7, "Three."),
    ]


def test_long_lines_are_found_outside_code_tables_and_targets_of_links(tmp_path: Path) -> None:
    path, long = tmp_path / "a.md", "x" * 101
    path.write_text(
        f"{long}\n```\n{long}\n```\n| {long} |\n[a](https://example.com/{long})\n{long[1:]}\n"
    )
    assert [place.line for place in long_lines(path)] == [1]
