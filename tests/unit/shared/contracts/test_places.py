"""Code that distinguishes task types is in their rows, and in few other places."""

import ast
from pathlib import Path

import pytest

from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES

ROOT = Path(__file__).parents[4]
SOURCES = ("shared/src", "workflows/src", "services", "infra/local/src")
PLACES = {
    "shared/src/shared/contracts/enums.py": "their names",
    "shared/src/shared/contracts/task_types/table.py": "their rows",
    "shared/src/shared/contracts/providers.py": "what each outside provider serves",
    "shared/src/shared/contracts/fal_apps/table.py": "the apps on fal of each",
    "services/provider-worker/src/provider_worker/fal/convert/dispatch.py": "fal's requests",
    "services/api-gateway/src/api_gateway/tasks/schemas/unions.py": "their schemas",
    "infra/local/src/local_stack/task_examples.py": "a request of each",
    "infra/local/src/local_stack/provider_examples.py": "a request to each outside provider",
}
MANY = 3
WORDS = {
    word: task_type
    for task_type, row in TASK_TYPES.items()
    for word in (task_type.name, task_type.value, row.folder)
}


def lists_task_types(source: str) -> bool:
    """Return true if a table, set, chain of conditions or class names many task types.

    A type is named by its member, its wire name or its folder.
    """
    return any(len(_named(statement)) >= MANY for statement in ast.parse(source).body)


def _named(statement: ast.stmt) -> set[TaskType]:
    words: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value.split("/")[0])
    return {WORDS[word] for word in words & WORDS.keys()}


def test_task_types_are_listed_in_these_places_and_no_others() -> None:
    found = {
        str(path.relative_to(ROOT))
        for source in SOURCES
        for path in (ROOT / source).rglob("*.py")
        if lists_task_types(path.read_text())
    }
    assert found == PLACES.keys(), "what differs by task type belongs into its row"


@pytest.mark.parametrize(
    "source",
    [
        "A = {TaskType.GENERATION: 1, TaskType.EDITING: 2, TaskType.REFINE: 3}",
        "A = frozenset({TaskType.GENERATION, TaskType.EDITING, TaskType.REFINE})",
        "A = frozenset({'GENERATION', 'EDITING', 'REFINE'})",
        "A = {'generations', 'editings', 'refines'}",
        "def f(a):\n"
        "    if a == TaskType.GENERATION: return 1\n"
        "    if a == TaskType.EDITING: return 2\n"
        "    if a is kinds.REFINE: return 3",
        "def f(a):\n"
        "    match a:\n"
        "        case T.GENERATION: return f'generations/{a}'\n"
        "        case T.EDITING | T.REFINE: return 2",
    ],
)
def test_list_of_task_types_is_noticed(source: str) -> None:
    assert lists_task_types(source)


@pytest.mark.parametrize(
    "source",
    [
        "A = {TaskType.GENERATION, TaskType.EDITING}",
        "A = TaskType.GENERATION\nB = TaskType.EDITING\nC = TaskType.REFINE",
        "A = f'generations/{b}/{b}', TaskType.GENERATION, 'GENERATION'",
    ],
)
def test_two_task_types_are_no_list(source: str) -> None:
    assert not lists_task_types(source)
