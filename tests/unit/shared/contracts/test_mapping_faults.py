"""Mapped values are checked against the task's type and provider; other inputs are not."""

import uuid
from typing import Any

from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.mapping_faults import mapping_faults
from shared.contracts.owners import Owner
from shared.contracts.runs import TaskRun


def faults(provider: ProviderType, mapped: set[str], **inputs: Any) -> list[str]:
    run = TaskRun(
        task_id=uuid.uuid4(),
        task_type=TaskType.EDITING,
        provider_type=provider,
        task_queue=TaskQueue.PROVIDER_FASHN,
        inputs={"prompt": "a", "base_image": "b", "width": 1000, "height": 64, "seed": 1} | inputs,
        owner=Owner(origin_instance="tests"),
    )
    return [misfit.fault for misfit in mapping_faults(run, mapped)]


def test_drawn_seed_needs_no_capability() -> None:
    assert faults(ProviderType.FREEPIK_MAGNIFIC, {"prompt"}) == []
    assert len(faults(ProviderType.FREEPIK_MAGNIFIC, {"seed"})) == 1


def test_sides_are_only_checked_for_the_local_model() -> None:
    assert faults(ProviderType.VERTEX, {"width"}) == []
    assert len(faults(ProviderType.LOCAL, {"width"})) == 1
    assert faults(ProviderType.LOCAL, {"height"}) == []


def remote_faults_of(
    task_type: TaskType,
    mapped: set[str],
    inputs: dict[str, Any],
    *,
    is_checked: bool = True,
    **chosen: Any,
) -> list[str]:
    run = TaskRun(
        task_id=uuid.uuid4(),
        task_type=task_type,
        task_queue=TaskQueue.PROVIDER_FAL,
        inputs=inputs,
        owner=Owner(origin_instance="tests"),
        **{"provider_type": ProviderType.FAL_STANDARD} | chosen,
    )
    return [fault.fault for fault in mapping_faults(run, mapped, lambda: is_checked)]


VIDEO: dict[str, Any] = {"prompt": "a", "duration_seconds": 20, "cfg_scale": 1.5}


def test_mapped_values_are_held_to_the_limits_of_the_app() -> None:
    of = TaskType.VIDEO_GENERATION
    assert len(remote_faults_of(of, {"duration_seconds"}, VIDEO)) == 1
    assert len(remote_faults_of(of, {"duration_seconds", "cfg_scale"}, VIDEO)) == 2
    assert remote_faults_of(of, {"prompt"}, VIDEO) == []
    free = {"provider_config": {"fal_app_id": "acme/film"}}
    assert remote_faults_of(of, {"duration_seconds", "cfg_scale"}, VIDEO, **free) == []
    app = {"fal_app_id": "x y", "prompt": "a"}
    assert "write owner/app" in remote_faults_of(of, {"fal_app_id"}, app)[0]


def test_a_mapped_reference_needs_an_app_that_takes_one() -> None:
    inputs = {"prompt": "a", "seed": 1, "reference_image_url": "a.png"}
    named = {"provider_config": {"fal_app_id": "fal-ai/flux/dev"}}
    mapped = {"reference_image_url"}
    assert remote_faults_of(TaskType.GENERATION, mapped, inputs) == []
    (fault,) = remote_faults_of(TaskType.GENERATION, mapped, inputs, **named)
    assert fault == "fal_standard lacks the capability REFERENCE_IMAGE"


def test_runs_that_began_before_the_limits_are_judged_as_they_were() -> None:
    """Both ways: what is refused now was let pass, and what is let pass now was refused."""
    video = remote_faults_of(
        TaskType.VIDEO_GENERATION, {"duration_seconds"}, VIDEO, is_checked=False
    )
    assert video == []
    refined = {"base_image_url": "a.png", "upscale_factor": 2.5}
    mapped = {"upscale_factor"}
    assert remote_faults_of(TaskType.REFINE, mapped, refined) == []
    (fault,) = remote_faults_of(TaskType.REFINE, mapped, refined, is_checked=False)
    assert "UPSCALE_FLOAT" in fault
    negative = {"prompt": "a", "seed": 1, "config": {"negative_prompt": "blur"}}
    app = {"provider_config": {"fal_app_id": "fal-ai/flux/dev"}}
    generation = TaskType.GENERATION
    assert len(remote_faults_of(generation, {"prompt"}, negative, **app)) == 1
    assert remote_faults_of(generation, {"prompt"}, negative, is_checked=False, **app) == []
