"""A task's response shows its record; results of an app on fal cannot replace its fields."""

import uuid
from datetime import UTC, datetime

from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.experimental_fal import ExperimentalFalTaskPublic
from shared.db.models.tables import Task
from tests.fixtures.rows import task_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_app_that_config_names_is_shown() -> None:
    task = task_row(task_type="GENERATION", config={"fal_app_id": "a/b"})
    assert present_task(task).model_dump()["fal_app_id"] == "a/b"
    unread = task_row(task_type="GENERATION", config={"fal_app_id": 5})
    assert present_task(unread).model_dump()["fal_app_id"] is None


def completed(**results: object) -> ExperimentalFalTaskPublic:
    task = Task(
        id=uuid.UUID(int=7),
        task_type="EXPERIMENTAL_FAL",
        status="COMPLETED",
        provider_type="fal_standard",
        temporal_id="task-7",
        origin_instance="shop",
        config={},
        inputs={"fal_app_id": "a/b", "fal_parameters": {"seed": 1}},
        results=results,
        errors=[],
        service_requests=[],
        billed=[],
        priority=0,
        progress=100,
        retry_count=0,
        resume_attempt_count=0,
        is_resumed=False,
        fallback_used=False,
        is_deleted=False,
        created_at=NOW,
        updated_at=NOW,
    )
    shown = present_task(task)
    assert isinstance(shown, ExperimentalFalTaskPublic)
    return shown


def test_an_apps_own_keys_do_not_take_the_place_of_the_records() -> None:
    shown = completed(
        result_url="https://fal.media/a.png",
        status="odd",
        id="not a uuid",
        errors="none",
        fal_parameters=3,
        origin_instance="another",
    )
    assert shown.result_url == "https://fal.media/a.png"
    assert (shown.id, shown.status, shown.origin_instance) == (
        uuid.UUID(int=7),
        "COMPLETED",
        "shop",
    )
    assert shown.fal_parameters == {"seed": 1}
