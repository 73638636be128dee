"""Mapped values are checked against the task's type and provider; other inputs are not."""

import uuid
from typing import Any

from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.mapping_faults import mapping_faults
from shared.contracts.runs import Owner, TaskRun


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
    assert faults(ProviderType.FASHN_STANDARD, {"prompt"}) == []
    assert len(faults(ProviderType.FASHN_STANDARD, {"seed"})) == 1


def test_sides_are_only_checked_for_the_local_model() -> None:
    assert faults(ProviderType.VERTEX, {"width"}) == []
    assert len(faults(ProviderType.LOCAL, {"width"})) == 1
    assert faults(ProviderType.LOCAL, {"height"}) == []
