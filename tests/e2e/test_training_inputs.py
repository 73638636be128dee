"""Trainings on sources that cannot all be used."""

import json
from typing import Any

import pytest

from tests.faults.clients import dresses
from tests.fixtures.platform import Platform

_PRESIGNED_S = 600


def _absent(platform: Platform, name: str) -> str:
    """Return a URL at which there is nothing."""
    return platform.objects.presigned_url(f"elsewhere/{name}", expires_s=_PRESIGNED_S)


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
    url = _absent(platform, "absent.png")
    created = await platform.post("/api/v1/training/", _request(*dresses(), url))
    record = await platform.completed(f"/api/v1/training/{created['id']}")

    assert (record["processed_files_count"], record["total_files_count"]) == (6, 7)
    content = await platform.objects.get(f"trainings/{created['id']}/dataset/manifest.json")
    [skipped] = json.loads(content)["skipped"]
    assert (skipped["index"], skipped["source"]) == (6, url)
    assert "absent.png" in record["logs"]
    assert "1 image was not used; the log names them." in record["warnings"]
    assert record["local_model_path"].startswith("product/training-")


@pytest.mark.long
async def test_training_without_one_usable_source_fails_and_names_all(platform: Platform) -> None:
    urls = [_absent(platform, name) for name in ("absent.png", "着物.png")]
    created = await platform.post("/api/v1/training/", _request(*urls))
    record = await platform.ended(f"/api/v1/training/{created['id']}")

    assert record["status"] == "FAILED"
    assert "absent.png" in record["error_message"]
    assert "着物.png" in record["error_message"]
    assert record["local_model_path"] is None
    assert not await platform.objects.list(f"trainings/{created['id']}/resume/")
