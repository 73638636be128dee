"""Every start of a workflow in the sources has an execution timeout."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
STARTS = {
    "start_workflow",
    "execute_workflow",
    "start_child_workflow",
    "execute_child_workflow",
    "ScheduleActionStartWorkflow",
    "WithStartWorkflowOperation",
}


def starts() -> Iterator[tuple[str, set[str | None]]]:
    for folder in ("shared", "workflows", "services"):
        for path in (ROOT / folder).rglob("src/**/*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _name(node.func) in STARTS:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield place, {keyword.arg for keyword in node.keywords}


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return "" if _is_none_of_temporals(function.value) else function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_none_of_temporals(value: ast.expr) -> bool:
    # An interceptor passes a start on, and the gateway's lifecycle calls our own function.
    is_super = isinstance(value, ast.Call) and _name(value.func) == "super"
    return is_super or (isinstance(value, ast.Name) and value.id == "lifecycle")


def test_every_start_has_an_execution_timeout() -> None:
    found = dict(starts())
    assert len(found) >= 6
    assert [place for place, names in found.items() if "execution_timeout" not in names] == []
