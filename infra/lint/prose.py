"""Checks of the project's prose: docstrings open plainly, Markdown wraps at 100 columns.

`make lint` runs it over every tracked file. It measures the share of docstrings (modules, classes,
functions) that open with a clause ("Whether …", "What …") where a verb or a noun belongs, and fails
above 1 %, naming each. It fails on lines of Markdown over 100 columns, code blocks, tables and the
targets of links aside. ruff holds the rest: W505 for comments and docstrings, D401 for functions.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_CLAUSE_SHARE = 0.01
MAX_COLUMNS = 100
CLAUSE_WORDS = {"what", "how", "whether", "which", "where", "who", "why", "when", "that", "if"}

MODELS = Path("shared/src/shared/flux/models")
"""Model cards are written by the training recipe, and part of a model's fingerprint: they are left
as they are until the model is trained again."""

_FIRST_WORD = re.compile(r"\W*(\w+(?:-\w+)*)")
_FENCE = re.compile(r"\s*(```|~~~)")
_LINK_TARGET = re.compile(r"(?<=\])\([^)\s]*\)|<?https?://\S+")


@dataclass(frozen=True)
class Place:
    """A line of a file, and the text that is at fault."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def opens_with_clause(docstring: str) -> bool:
    """Tell whether the first word begins a clause."""
    first = _FIRST_WORD.match(docstring)
    return first is not None and first[1].lower() in CLAUSE_WORDS


def docstrings(path: Path) -> Iterator[Place]:
    """Yield the first line of each docstring of a Python file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield Place(path, node.body[0].lineno, docstring.partition("\n")[0])


def long_lines(path: Path) -> Iterator[Place]:
    """Yield the lines of a Markdown file that are wider than the limit."""
    is_code = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if _FENCE.match(line):
            is_code = not is_code
        elif not is_code and not line.lstrip().startswith("|"):
            width = len(_LINK_TARGET.sub("", line))
            if width > MAX_COLUMNS:
                yield Place(path, number, f"{width} columns, at most {MAX_COLUMNS}")


def tracked(pattern: str) -> list[Path]:
    """List the files under version control whose names match a pattern."""
    listed = subprocess.run(  # noqa: S603 -- a constant command
        ["git", "ls-files", "-z", pattern],  # noqa: S607 -- git of the path
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in map(Path, listed.stdout.split("\0")[:-1]) if path.exists()]


def main() -> int:
    """Check every tracked file, print each fault and return the exit status."""
    found = [place for path in tracked("*.py") for place in docstrings(path)]
    clauses = [place for place in found if opens_with_clause(place.text)]
    pages = [path for path in tracked("*.md") if MODELS not in path.parents]
    wide = [place for path in pages for place in long_lines(path)]
    share = len(clauses) / max(1, len(found))
    has_many_clauses = share > MAX_CLAUSE_SHARE
    for place in [*(clauses if has_many_clauses else ()), *wide]:
        sys.stdout.write(f"{place}\n")
    if has_many_clauses or wide:
        sys.stdout.write(
            f"{len(clauses)} of {len(found)} docstrings ({share:.1%}, at most"
            f" {MAX_CLAUSE_SHARE:.0%}) open with a clause; {len(wide)} lines of Markdown are wider"
            f" than {MAX_COLUMNS} columns\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
