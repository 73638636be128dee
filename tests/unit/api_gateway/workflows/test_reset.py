"""A step that runs again begins with the provider that the client chose first."""

from typing import Any

from api_gateway.workflows.reset import renewed
from shared.db.models.tables import Task, WorkflowStep

CHOICE: dict[str, Any] = {
    "provider_config": {"provider_type": "fal_standard"},
    "active_provider_capabilities": ["SEED"],
    "fallback_provider_type": "local",
    "fallback_provider_config": {"provider_type": "local"},
    "fallback_provider_capabilities": ["OUTPUT_SIZE"],
}
STEP = WorkflowStep(step_id="a", task_type="GENERATION", **CHOICE)


def tried(**fields: Any) -> Task:
    task = CHOICE | {"task_type": "GENERATION", "step_id": "a", "origin_instance": "shop"}
    return Task(
        **task
        | {"provider_type": "fal_standard", "queue_name": "provider-fal", "config": {}}
        | fields
    )


def test_a_task_that_fell_back_is_given_to_its_first_provider_again() -> None:
    fallen = tried(
        provider_type="local",
        queue_name="inference",
        provider_config={"provider_type": "local"},
        active_provider_capabilities=["OUTPUT_SIZE"],
        fallback_used=True,
        errors=["attempt 1: no luck"],
    )
    task = renewed(fallen, STEP)
    assert (task.provider_type, task.queue_name) == ("fal_standard", "provider-fal")
    assert {name: getattr(task, name) for name in CHOICE} == CHOICE
    assert not task.fallback_used
    assert task.errors == []


def test_the_id_of_the_work_before_is_forgotten() -> None:
    config = {"provider_type": "fal_standard", "fal_request_id": "req-1"}
    task = renewed(tried(provider_config=config, service_task_id="req-1"), STEP)
    assert task.provider_config == {"provider_type": "fal_standard"}
    assert task.service_task_id is None


def test_a_queue_of_its_own_stays() -> None:
    assert renewed(tried(queue_name="inference"), STEP).queue_name == "inference"
