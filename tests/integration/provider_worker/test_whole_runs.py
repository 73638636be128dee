"""Whole runs with apps that return anything: all end in time, can be read and cancelled.

Each seed is a round of tasks and workflows with hostile responses. Tasks of another tenant run
among them and must complete normally.
"""

import asyncio
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from provider_worker.sandbox.faults import Fault
from tests.fixtures.fal_platform import create_task, ended, fal_platform
from tests.fixtures.gateway import Gateway
from tests.fixtures.hostile import hostile_body, hostile_text
from tests.fixtures.remote_work import longest_pause
from tests.fixtures.sandbox import OpenSandbox

_SEEDS = 20
_WITHIN_S = 60
_FIELDS = ("text", "score", "a", "out", "images", "output", "image_path", "url", "result_url")
_TRANSFORMS = (
    None,
    "first",
    "last",
    "to_list",
    "to_string",
    "to_int",
    "to_float",
    "json",
    "to_url",
)
_FAL = {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"}
_FAL_WITH_REFERENCE = _FAL | {"fal_app_id": "fal-ai/flux-lora/image-to-image"}


@dataclass
class Round:
    """The tasks and workflows of one seed."""

    api: httpx.AsyncClient
    fal: OpenSandbox
    chosen: random.Random

    def marker(self, fault: Fault | None = None) -> str:
        marker = str(uuid.UUID(int=self.chosen.getrandbits(128), version=4))
        if fault is not None:
            self.fal.play(fault.model_copy(update={"marker": marker}))
        return marker

    def hostile_fault(self) -> Fault:
        """Return the faults of one subject: in its result, status, error or acceptance."""
        chosen = self.chosen
        text = hostile_text(chosen)
        return chosen.choice(
            (
                Fault(on="work", raw=hostile_body(chosen)),
                Fault(on="work", raw=hostile_body(chosen)),
                # An error of a proxy in front of fal is retried for a long time.
                Fault(on="work", status=chosen.choice((400, 422)), raw=hostile_body(chosen)),
                Fault(on="work", status=500, body={"detail": text or "broken"}),
                Fault(on="work", error=text, error_type="runner_server_error", raw="{}"),
                Fault(on="work", body={"detail": text}, status=422),
                Fault(on="work", logs=[text * 50, " 40%|"], body={"answer": text}),
                Fault(on="status", status=200, raw=hostile_body(chosen)),
                Fault(on="submit", status=422, raw=hostile_body(chosen)),
            )
        )

    async def task(self) -> str:
        task = await create_task(
            self.api,
            task_type="EXPERIMENTAL_FAL",
            fal_app_id="acme/anything",
            fal_parameters={"marker": self.marker(self.hostile_fault())},
            max_retries=self.chosen.choice((0, 1)),
        )
        return task["id"]

    async def workflow(self) -> str:
        """Create an app task whose response is mapped into the next step."""
        marker = self.marker(Fault(on="work", raw=hostile_body(self.chosen)))
        first = _app_step("app", marker)
        steps = [first, *self._following()]
        body = {"name": "hostile", "origin_instance": "shop", "steps": steps}
        answer = await self.api.post("/api/v1/workflows/", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def _following(self) -> Iterator[dict[str, Any]]:
        for number in range(self.chosen.randint(1, 3)):
            step, to_field = self.chosen.choice(
                (
                    (_app_step(f"next_{number}", self.marker()), "fal_parameters.value"),
                    (_picture_step(f"next_{number}", self.marker()), "prompt"),
                    (
                        _picture_step(f"next_{number}", self.marker(), _FAL_WITH_REFERENCE),
                        "reference_image_url",
                    ),
                    (_picture_step(f"next_{number}", self.marker()), "width"),
                )
            )
            transform = self.chosen.choice(_TRANSFORMS)
            field = "image_path" if transform == "to_url" else self.chosen.choice(_FIELDS)
            if transform == "to_url":
                to_field = "fal_parameters.value" if "fal_app_id" in step["config"] else "prompt"
            mapping = {"from_step": "app", "from_field": field, "to_field": to_field}
            yield step | {"input_mappings": [mapping | {"transform": transform}]}

    async def endless(self) -> str:
        """Create work that its provider never ends, and cancel it."""
        marker = self.marker(Fault(on="work", polls=0, logs=[hostile_text(self.chosen)]))
        task = await create_task(
            self.api,
            task_type="EXPERIMENTAL_FAL",
            fal_app_id="acme/anything",
            fal_parameters={"marker": marker},
        )
        return task["id"]

    async def harmless(self) -> str:
        """Create a picture for another tenant."""
        task = await create_task(
            self.api,
            task_type="GENERATION",
            prompt=self.marker(),
            width=64,
            height=64,
            provider_config=_FAL,
            origin_tenant_id="neighbour",
        )
        return task["id"]


def _app_step(step_id: str, marker: str) -> dict[str, Any]:
    parameters = {"marker": marker}
    config = {"fal_app_id": "acme/anything", "fal_parameters": parameters, "max_retries": 0}
    return {"id": step_id, "task_type": "EXPERIMENTAL_FAL", "config": config}


def _picture_step(
    step_id: str, marker: str, provider_config: dict[str, str] = _FAL
) -> dict[str, Any]:
    config = {"prompt": marker, "width": 64, "height": 64, "provider_config": provider_config}
    return {"id": step_id, "task_type": "GENERATION", "config": config | {"max_retries": 0}}


@pytest.mark.long
async def test_every_run_ends_for_any_response_of_its_provider(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    async with fal_platform(gateway, fal), longest_pause() as pause:
        for seed in range(_SEEDS):
            await _play(Round(api, fal, random.Random(seed)), seed)
    # Both workers, the gateway and fal all run on this event loop.
    assert pause.longest_s < 4


async def _play(played: Round, seed: int) -> None:
    api = played.api
    tasks = [await played.task() for _ in range(6)]
    flows = [await played.workflow() for _ in range(4)]
    neighbours = [await played.harmless() for _ in range(3)]
    endless = await played.endless()
    ends = await asyncio.gather(
        *(ended(api, each, timeout_s=_WITHIN_S) for each in (*tasks, *neighbours)),
        *(ended(api, each, kind="workflows", timeout_s=_WITHIN_S) for each in flows),
    )
    done = {end["id"]: end for end in ends}
    assert {done[each]["status"] for each in neighbours} == {"COMPLETED"}, seed
    for each in tasks:
        if done[each]["status"] == "FAILED":
            assert done[each]["error_category"] != "INTERNAL", (seed, done[each]["errors"])
            assert done[each]["errors"], seed
    for each in flows:
        faults = [step["error_message"] or "" for step in done[each]["steps"]]
        assert not any("Error:" in fault for fault in faults), (seed, faults)
    cancelled = await api.post(f"/api/v1/tasks/{endless}/cancel")
    assert cancelled.status_code == 200, (seed, cancelled.text)
    assert (await ended(api, endless, timeout_s=_WITHIN_S))["status"] == "CANCELLED", seed
    bought = {marker: count for marker, count in played.fal.ledger.submits.items() if count > 2}
    assert not bought, seed
