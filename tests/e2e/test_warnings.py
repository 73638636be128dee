"""Warnings of a worker about request fields without full effect appear in the record."""

from tests.fixtures.platform import Platform

LONG = "a red dress with pleats " * 850


async def test_truncated_prompt_is_reported(platform: Platform) -> None:
    long = await platform.generate(prompt=LONG, config={"num_inference_steps": 1})
    short = await platform.generate(config={"num_inference_steps": 1})

    (warning,) = long["warnings"]
    assert "The prompt was cut: it has" in warning
    assert short["warnings"] is None
    made = (await platform.api.get(f"/api/v1/tasks/{long['id']}/provenance")).json()
    assert "warnings" not in str(made)
    listed = (await platform.api.get("/api/v1/tasks/", params={"limit": 1000})).json()
    assert [task["warnings"] for task in listed if task["id"] == long["id"]] == [[warning]]
