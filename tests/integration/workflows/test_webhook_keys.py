"""Each tenant's events are signed with its own keys, which it can replace."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from tests.fixtures.deliveries import DeliveryHarness
from tests.fixtures.gateway import OTHER_TENANT_KEY, TENANT_KEY
from tests.fixtures.receiver import Post, Receiver


async def test_tenants_events_are_signed_with_its_own_keys(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    async with harness.worker(), harness.client(TENANT_KEY) as acme:
        task_id = await harness.create_task(receiver.url(), origin_tenant_id="acme")
        [post] = await receiver.until_status(task_id, "PENDING")
        own = (await acme.get("/api/v1/webhooks/secret")).json()
        async with harness.client(OTHER_TENANT_KEY) as other:
            theirs = (await other.get("/api/v1/webhooks/secret")).json()
            [logged] = (
                await acme.get("/api/v1/webhooks/deliveries", params={"subject_id": task_id})
            ).json()
            for path in (f"deliveries/{logged['id']}", f"deliveries/{logged['id']}/replay"):
                method = "POST" if path.endswith("replay") else "GET"
                hidden = await other.request(method, f"/api/v1/webhooks/{path}")
                assert hidden.status_code == 404
            listed = await other.get("/api/v1/webhooks/deliveries", params={"subject_id": task_id})
            assert listed.json() == []
    post.verify(own["secret"])
    with pytest.raises(WebhookVerificationError):
        post.verify(theirs["secret"])


async def test_replaced_keys_also_sign_until_they_expire(
    harness: DeliveryHarness, receiver: Receiver
) -> None:
    owner = {"origin_instance": "shop", "origin_tenant_id": f"rotating-{uuid.uuid4()}"}
    old = await harness.secret_of(**owner)
    assert old == await harness.secret_of(**owner)
    async with harness.worker(), harness.client() as api:

        async def event_after_rotation(**query: Any) -> tuple[Post, dict[str, Any]]:
            rotated = await api.post("/api/v1/webhooks/secret/rotate", params=owner | query)
            assert rotated.status_code == 200, rotated.text
            task_id = await harness.create_task(receiver.url(), **owner)
            return (await receiver.until_status(task_id, "PENDING"))[0], rotated.json()

        post, new = await event_after_rotation()
        post.verify(old["secret"])
        post.verify(new["secret"])
        [previous] = new["previous"]
        assert previous["public_key"] == old["public_key"]
        left = datetime.fromisoformat(previous["expires_at"]) - datetime.now(UTC)
        assert left == pytest.approx(timedelta(days=1), abs=timedelta(minutes=5))

        post, newest = await event_after_rotation(overlap_s=0)
        post.verify(newest["secret"])
        assert newest["previous"] == []
        for keys in (old, new):
            with pytest.raises(WebhookVerificationError):
                post.verify(keys["secret"])


async def test_admin_without_an_instance_names_the_owner_of_the_keys(
    harness: DeliveryHarness,
) -> None:
    async with harness.client() as api:
        refused = await api.get("/api/v1/webhooks/secret")
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "origin_instance"]
