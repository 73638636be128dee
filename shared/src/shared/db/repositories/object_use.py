"""Protection of objects that unfinished work reads: they must not change until it has ended.

Creating work locks the rows of its pictures until its own row is committed. Replacing or deleting a
picture locks its row before checking its use. Therefore neither can miss the other.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared.contracts.enums import TASK_OPEN, WORKFLOW_ENDED, TaskType, TrainingStatus
from shared.contracts.picture_objects import PICTURE_OBJECTS, picture_paths
from shared.contracts.runs import PinPictures
from shared.contracts.training import ENDED
from shared.db.models.tables import StoredObject, Task, Workflow
from shared.db.models.trainings import Training
from shared.db.repositories.scope import Scope

_TRAINING_OPEN = frozenset(TrainingStatus) - ENDED
_WORKFLOW_IS_OPEN = (
    select(Workflow.id)
    .where(Workflow.id == Task.workflow_id, Workflow.status.not_in(WORKFLOW_ENDED))
    .exists()
)
_LONGEST_TRANSACTION = timedelta(minutes=5)
"""Timestamps in rows are those of the start of their transaction."""


async def pin_pictures(
    session: AsyncSession,
    scope: Scope,
    tasks: Sequence[Task],
    *,
    excluding: Collection[str] = (),
) -> list[str]:
    """Add the object keys of tasks' pictures to their inputs, and lock the pictures' rows.

    Args:
        session: the transaction that writes the tasks.
        scope: the pictures that the tasks may read.
        tasks: tasks to be started now or later.
        excluding: paths of pictures that were uploaded with the tasks, which are skipped.

    Returns:
        The paths of pictures that do not exist.
    """
    named = {task.id: picture_paths(TaskType(task.task_type), task.inputs) for task in tasks}
    paths = {path for each in named.values() for path in each}.difference(excluding)
    found = await lock_objects(session, scope, paths)
    for task in tasks:
        elsewhere = {path: found[path] for path in named[task.id] if found.get(path, path) != path}
        if elsewhere != task.inputs.get(PICTURE_OBJECTS, {}):
            rest = {name: task.inputs[name] for name in task.inputs if name != PICTURE_OBJECTS}
            task.inputs = rest | ({PICTURE_OBJECTS: elsewhere} if elsewhere else {})
    return sorted(paths - found.keys())


async def lock_objects(session: AsyncSession, scope: Scope, paths: Iterable[str]) -> dict[str, str]:
    """Lock pictures' rows against changes until the transaction ends.

    Returns:
        The object keys of the existing pictures, by path.
    """
    wanted = list(paths)
    if not wanted:
        return {}
    rows = select(StoredObject).where(StoredObject.key.in_(wanted)).order_by(StoredObject.key)
    locking = scope.limit(rows, StoredObject).with_for_update(read=True)
    # The session may have loaded some before they were locked.
    held = await session.scalars(locking.execution_options(populate_existing=True))
    return {row.key: row.content_key for row in held}


async def pin_mapped(session: AsyncSession, request: PinPictures) -> dict[str, str]:
    """Protect mapped pictures from changes until their task has ended.

    Returns:
        The object keys of the owner's pictures, by path.
    """
    owner = request.owner
    scope = Scope(owner.origin_instance, owner.origin_tenant_id)
    found = await lock_objects(session, scope, request.paths)
    task = await session.get(Task, request.task_id, with_for_update=True)
    if task is not None and task.status in TASK_OPEN:
        known: dict[str, str] = task.inputs.get(PICTURE_OBJECTS, {})
        task.inputs = {**task.inputs, PICTURE_OBJECTS: known | found}
    return found


async def is_in_use(session: AsyncSession, held: StoredObject) -> bool:
    """Return true if unfinished work may still read an object.

    That is its own task, that task's workflow, or work that has it as an input.
    """
    own = select(literal(1)).where(
        Task.id == held.task_id, Task.status.in_(TASK_OPEN) | _WORKFLOW_IS_OPEN
    )
    # Work can only name an object that existed before the work was created or last changed.
    since = held.created_at - _LONGEST_TRANSACTION
    reads = _open_work("==", [held.key], Task.updated_at >= since)
    return bool(await session.scalar(select(own.exists() | reads)))


async def is_step_of_open_workflow(session: AsyncSession, task_id: UUID) -> bool:
    """Return true if a task is a step of a workflow that may still map its results."""
    steps = select(literal(1)).where(Task.id == task_id, _WORKFLOW_IS_OPEN)
    return bool(await session.scalar(select(steps.exists())))


async def are_folders_in_use(
    session: AsyncSession,
    folders: Sequence[str],
    *,
    excluding: Collection[UUID],
    workflow_id: UUID | None = None,
) -> bool:
    """Return true if unfinished work reads objects in tasks' folders.

    Args:
        session: must have deleted the rows of those objects, so that the result stays true.
        folders: prefixes, each with a trailing slash.
        excluding: the tasks themselves, which do not count.
        workflow_id: a workflow that is removed together with all its tasks.
    """
    others: list[ColumnElement[bool]] = [Task.id.not_in(excluding)]
    if workflow_id is not None:
        others.append(Task.workflow_id.is_distinct_from(workflow_id))
    return bool(await session.scalar(select(_open_work("starts with", folders, *others))))


def _open_work(
    comparison: str, paths: Sequence[str], *which: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the condition that unfinished work has such a path as an input or a mapped input."""
    variables = literal({f"p{place}": path for place, path in enumerate(paths)}, JSONB)

    def matches(column: InstrumentedAttribute[Any], place: str, item: str) -> ColumnElement[bool]:
        condition = " || ".join(f"{item} {comparison} $p{number}" for number in range(len(paths)))
        query: ColumnElement[Any] = literal_column(f"'{place} ? ({condition})'::jsonpath")
        return func.jsonb_path_exists(column, query, variables)

    tasks = select(literal(1)).where(
        Task.status.in_(TASK_OPEN),
        Task.is_deleted.is_(False),  # as the index by status has it
        *which,
        matches(Task.inputs, "$.**", "@")
        | matches(Task.inputs, f"$.{PICTURE_OBJECTS}.keyvalue()", "@.key"),
    )
    trainings = select(literal(1)).where(
        Training.status.in_(_TRAINING_OPEN), matches(Training.source_images, "$[*]", "@")
    )
    return tasks.exists() | trainings.exists()
