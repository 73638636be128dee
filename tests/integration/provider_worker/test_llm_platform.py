"""LLM_INTERACTION through the gateway, the workflow and the provider worker, at the sandbox."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from provider_worker.__main__ import build_worker
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import AiProvider, TaskQueue
from shared.temporal.worker import WorkerSettings
from tests.fixtures.fal_platform import create_task, ended
from tests.fixtures.gateway import Gateway
from tests.fixtures.llm_activities import MODELS, SCHEMA, llm_activities
from tests.fixtures.pictures import noise
from tests.fixtures.sandbox import OpenSandbox
from tests.fixtures.storage import save
from tests.fixtures.workers import workflow_worker


@asynccontextmanager
async def platform(
    gateway: Gateway, sandbox: OpenSandbox, *vendors: AiProvider
) -> AsyncIterator[None]:
    """Run both workers in this process."""
    objects, temporal = gateway.resources.objects, gateway.resources.temporal
    settings = WorkerSettings(drain_timeout_s=0.2)
    async with (
        workflow_worker(gateway),
        llm_activities(sandbox, objects, *vendors) as built,
        build_worker(temporal, TaskQueue.PROVIDER_LLM, built, settings),
    ):
        yield


def question(vendor: str, **more: Any) -> dict[str, Any]:
    config = {"ai_provider": vendor, "model": MODELS[AiProvider(vendor)]}
    return {
        "task_type": "LLM_INTERACTION",
        "prompt": f"describe the garment {uuid.uuid4()}",
        "provider_type": "ai_core",
        "provider_config": config,
    } | more


async def test_questions_to_three_vendors_complete(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    path = f"shop/{uuid.uuid4()}.png"
    assert (await save(api, path, noise(5))).status_code == 201
    async with platform(gateway, fal):
        for vendor in ("openai", "anthropic", "ollama"):
            schema = {"output_schema": SCHEMA} if vendor != "ollama" else {}
            asked = question(vendor, input_images=[path], config=schema)
            task = await create_task(api, **asked)
            assert "output_schema" not in str(task.get("warnings")), task
            done = await ended(api, task["id"])
            assert done["status"] == "COMPLETED", done
            assert done["result_text"]
            assert (done["result_json"] is not None) == bool(schema)
            units = {unit["unit"]: unit["amount"] for unit in done["billed"]}
            assert units == {name: done[name] for name in ("input_tokens", "output_tokens")}
            assert fal.ledger.posts[asked["prompt"]] == 1
            entry = fal.entry(asked["prompt"])
            assert entry.request_id in done["service_task_id"]


async def test_a_reply_that_breaks_the_schema_is_another_attempt(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    asked = question("openai", config={"output_schema": SCHEMA})
    fal.play(Fault(on="work", marker=asked["prompt"], like="wrong_schema"))
    async with platform(gateway, fal):
        done = await ended(api, (await create_task(api, **asked))["id"])
    assert done["status"] == "COMPLETED", done
    assert fal.ledger.posts[asked["prompt"]] == 2
    assert [unit["attempt"] for unit in done["billed"]] == [1, 1, 2, 2]


async def test_a_refusal_is_final_and_quoted(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    asked = question("anthropic")
    fal.play(Fault(on="work", marker=asked["prompt"], like="content_policy"))
    async with platform(gateway, fal):
        done = await ended(api, (await create_task(api, **asked))["id"])
    assert (done["status"], done["error_category"]) == ("FAILED", "CONTENT_POLICY"), done
    assert "can't help with that" in str(done["errors"])
    assert fal.ledger.posts[asked["prompt"]] == 1


@pytest.mark.parametrize(
    ("vendor", "config", "more", "place"),
    [
        ("anthropic", {"temperature": 1.5}, {}, ["provider_config", "temperature"]),
        ("openai", {}, {"config": {"output_schema": []}}, ["config", "output_schema"]),
        ("openai", {}, {"input_images": ["uploads/a.png"] * 21}, ["input_images"]),
    ],
)
async def test_what_a_vendor_cannot_do_is_refused_at_creation(
    api: httpx.AsyncClient, vendor: str, config: dict[str, Any], more: dict[str, Any], place: Any
) -> None:
    asked = question(vendor, **more)
    asked["provider_config"] |= config
    answer = await api.post("/api/v1/tasks/", json=asked | {"origin_instance": "shop"})
    assert answer.status_code == 422, answer.text
    places = [fault["loc"] for fault in answer.json()["detail"]]
    assert ["body", *place] in places
