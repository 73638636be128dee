"""The request that produces a task's files again."""

from typing import Any

import pytest

from api_gateway.tasks.provenance import rerun_request
from shared.contracts.provenance import ProvenanceRecord
from tests.fixtures.rows import task_row


def _refined(config: dict[str, Any], upscaler: str | None) -> ProvenanceRecord:
    return ProvenanceRecord.model_validate(
        {
            "provider_type": "local",
            "inputs": {"base_image_url": "uploads/base.png", "config": config},
            "made": {"engine": "flux.1", "model": "swatch", "upscaler": upscaler},
        }
    )


def test_ids_at_the_provider_are_no_part_of_the_request() -> None:
    config = {"provider_type": "fashn_standard", "fashn_task_id": "x", "poll_interval": 5}
    record = _refined({}, None).model_copy(update={"provider_config": config})
    task = task_row(task_type="REFINE", status="COMPLETED")
    sent = {"provider_type": "fashn_standard", "poll_interval": 5}
    assert rerun_request(task, record)["provider_config"] == sent


@pytest.mark.parametrize(
    ("config", "upscaler", "expected"),
    [
        # Chosen by the worker's settings, which may differ on another worker.
        (
            {"strict_checks": True},
            "real_esrgan",
            {"strict_checks": True, "upscaler": "real_esrgan"},
        ),
        ({"upscaler": None}, "lanczos", {"upscaler": "lanczos"}),
        ({"upscaler": "lanczos"}, "lanczos", {"upscaler": "lanczos"}),
        # Records from before there was a choice of upscaler.
        ({"strict_checks": True}, None, {"strict_checks": True}),
    ],
)
def test_refinement_is_made_again_by_the_upscaler_that_it_had(
    config: dict[str, Any], upscaler: str | None, expected: dict[str, Any]
) -> None:
    task = task_row(task_type="REFINE", status="COMPLETED")
    assert rerun_request(task, _refined(config, upscaler))["config"] == expected
