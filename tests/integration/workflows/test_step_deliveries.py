"""A workflow's steps send their events to their own webhook, and only there."""

from typing import Any

import pytest

from tests.fixtures.deliveries import DeliveryHarness
from tests.fixtures.receiver import Receiver

STEPS = [
    {"id": "a", "task_type": "GENERATION", "config": {"prompt": "a red dress"}},
    {"id": "b", "task_type": "GENERATION", "config": {"prompt": "a blue dress"}},
]


@pytest.mark.parametrize("is_suppressed", [True, False])
async def test_steps_send_their_events_unless_suppressed(
    harness: DeliveryHarness, receiver: Receiver, *, is_suppressed: bool
) -> None:
    body = {
        "name": "one",
        "origin_instance": "shop",
        "webhook_url": receiver.url(),
        "suppress_subtask_events": is_suppressed,
        "steps": STEPS,
    }
    async with harness.worker(), harness.client() as api:
        created = await api.post("/api/v1/workflows/?start=false", json=body)
        workflow = created.json()
        cancelled = await api.delete(f"/api/v1/workflows/{workflow['id']}")
        assert cancelled.status_code == 200, (cancelled.text, created.text)
        own = await receiver.until_status(workflow["id"], "CANCELLED")
        tasks = [step["task_id"] for step in workflow["steps"]]
        if not is_suppressed:
            for task_id in tasks:
                events = await receiver.until_status(task_id, "CANCELLED")
                assert [post.seq for post in events] == [1, 2]
    # The end of each step sends an update of the workflow, before the workflow's own end.
    assert [post.seq for post in own] == list(range(1, len(own) + 1))
    assert own[-1].event["workflow_id"] == workflow["id"]
    told = {post.event["task_id"] for post in receiver.posts}
    assert told == {workflow["id"]} if is_suppressed else {workflow["id"], *tasks}


async def test_steps_follow_a_changed_webhook_of_their_workflow(harness: DeliveryHarness) -> None:
    created: dict[bool, Any] = {}
    async with harness.client() as api:
        for is_suppressed in (True, False):
            body = {
                "name": "one",
                "origin_instance": "shop",
                "webhook_url": "https://old.example.com/",
                "suppress_subtask_events": is_suppressed,
                "steps": STEPS[:1],
            }
            answer = await api.post("/api/v1/workflows/?start=false", json=body)
            path = f"/api/v1/workflows/{answer.json()['id']}"
            changed = await api.patch(path, json={"webhook_url": "https://new.example.com/"})
            assert changed.status_code == 200
            assert (await api.delete(path)).status_code == 200
            task_id = answer.json()["steps"][0]["task_id"]
            created[is_suppressed] = await harness.deliveries(subject_id=task_id)
    assert created[True] == []
    urls = [each["url"] for each in reversed(created[False])]
    assert urls == ["https://old.example.com/", "https://new.example.com/"]
