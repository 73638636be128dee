"""Trainings on sources that cannot all be used."""

import json
from typing import Any

import pytest

from tests.faults.clients import dresses
from tests.fixtures.platform import Platform

_PRIVATE = "http://127.0.0.1:9/coat.png"
_UNKNOWN = "https://pictures.invalid/%E7%9D%80%E7%89%A9.png"


def _request(*sources: str) -> dict[str, Any]:
    return {
        "trigger_word": "着物",
        "source_images": list(sources),
        "steps": 2,
        "rank": 4,
        "origin_instance": "e2e",
    }


@pytest.mark.models
async def test_one_source_of_many_that_cannot_be_fetched_is_named(platform: Platform) -> None:
    created = await platform.post("/api/v1/training/", _request(*dresses(), _PRIVATE))
    record = await platform.completed(f"/api/v1/training/{created['id']}")

    assert (record["processed_files_count"], record["total_files_count"]) == (6, 7)
    content = await platform.objects.get(f"trainings/{created['id']}/dataset/manifest.json")
    [skipped] = json.loads(content)["skipped"]
    assert (skipped["index"], skipped["source"]) == (6, _PRIVATE)
    assert _PRIVATE in record["logs"]
    assert any(_PRIVATE in warning for warning in record["warnings"])
    assert record["local_model_path"].startswith("product/training-")


async def test_training_without_one_usable_source_fails_and_names_all(platform: Platform) -> None:
    created = await platform.post("/api/v1/training/", _request(_PRIVATE, _UNKNOWN))
    record = await platform.ended(f"/api/v1/training/{created['id']}")

    assert record["status"] == "FAILED"
    assert "127.0.0.1" in record["error_message"]
    assert "pictures.invalid" in record["error_message"]
    assert record["local_model_path"] is None
    assert not await platform.objects.list(f"trainings/{created['id']}/resume/")
