"""Every example of the document is accepted unchanged, with the default model."""

from collections.abc import Iterator
from typing import Any

import httpx

from tests.fixtures.gateway import Gateway

NEEDS_A_MODEL = "/api/v1/evaluation/"
"""Operation that fetches its image while the client waits."""
RUNS = ("task-", "workflow-", "training-")


def examples(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return each example body of a POST to a fixed path."""
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        content = item.get("post", {}).get("requestBody", {}).get("content", {})
        found = content.get("application/json", {})
        if "{" in path or not found or path == NEEDS_A_MODEL:
            continue
        shown = [example["value"] for example in found.get("examples", {}).values()]
        named = found["schema"].get("$ref", "").rpartition("/")[2]
        shown += [schemas[named]["example"]] if named else []
        assert shown, path
        yield from ((path, body) for body in shown)


async def test_every_example_is_taken(gateway: Gateway, api: httpx.AsyncClient) -> None:
    found = list(examples(gateway.openapi()))
    assert {path.split("/")[3] for path, _ in found} == {"tasks", "workflows", "training"}
    for path, body in found:
        answer = await api.post(path, json=body)
        assert answer.status_code == 201, (body, answer.text)
        runs = {value for value in answer.json().values() if str(value).startswith(RUNS)}
        assert runs, "started"
        for run in runs:
            await gateway.resources.temporal.get_workflow_handle(run).terminate()
