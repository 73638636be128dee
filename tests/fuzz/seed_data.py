"""The objects of the fuzzed platform, and for each operation a request that succeeds.

Requests that change or end an object have one of their own, in the state that they need.
"""

import base64
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fixtures.lora_files import lora_bytes
from tests.fixtures.pictures import picture

_ORIGIN = "fuzz"
_TIMEOUT_S = 90
_POLL_S = 0.1
_ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
_NO_WORKER = {"provider_config": {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"}}
"""No worker polls fal's queue here, so such work stays PENDING."""
_GENERATION = {"task_type": "GENERATION", "prompt": "a red dress", "width": 64, "height": 64}


@dataclass(frozen=True)
class Request:
    """The parameters and the body of a call."""

    path_parameters: dict[str, str] = field(default_factory=dict[str, str])
    query: dict[str, Any] = field(default_factory=dict[str, Any])
    body: Any = None
    media_type: str | None = None


@dataclass(frozen=True)
class SeedData:
    """Requests that succeed, and path parameters of existing objects."""

    requests: dict[str, Request]
    path_values: dict[str, list[str]]
    """By `resource.parameter`, since trainings and tasks share a parameter name."""


class Seeder:
    """A client that creates objects through the API."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        answer = self._api.post(path, **request)
        assert answer.status_code in {200, 201}, f"{path}: {answer.text}"
        return answer.json()

    def ended(self, path: str) -> dict[str, Any]:
        """Wait until a task or workflow has ended and return its record."""
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until:
            found = self._api.get(path).raise_for_status().json()
            if found["status"] in _ENDED:
                return found
            time.sleep(_POLL_S)
        raise AssertionError(f"{path} has not ended in {_TIMEOUT_S} s")

    def task(self, **fields: Any) -> str:
        """Create a task and return its id."""
        return self.post(
            "/api/v1/tasks/", json=_GENERATION | {"origin_instance": _ORIGIN} | fields
        )["id"]

    def done_task(self) -> str:
        task_id = self.task()
        ended = self.ended(f"/api/v1/tasks/{task_id}")
        assert ended["status"] == "COMPLETED", ended
        return task_id

    def tried_delivery(self) -> dict[str, Any]:
        """Return the attempted delivery of an event whose receiver has no address."""
        task_id = self.task(webhook_url="https://receiver.invalid/hook", **_NO_WORKER)
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until:
            query = {"subject_id": task_id}
            answer = self._api.get("/api/v1/webhooks/deliveries", params=query)
            [found] = answer.raise_for_status().json()
            if found["attempts"]:
                return found
            time.sleep(_POLL_S)
        raise AssertionError(f"the event of {task_id} was not attempted in {_TIMEOUT_S} s")

    def endpoint(self) -> str:
        """Return the id of a receiver that has failed."""
        self.tried_delivery()
        answer = self._api.get("/api/v1/webhooks/endpoints")
        return answer.raise_for_status().json()[0]["id"]

    def workflow(self, *steps: dict[str, Any], starts: bool = True) -> str:
        body = {"name": "fuzzed", "origin_instance": _ORIGIN, "steps": steps or (_step("a"),)}
        return self.post("/api/v1/workflows/", json=body, params={"start": starts})["id"]

    def failed_workflow(self) -> str:
        """Create a workflow whose last step's picture is too large, and wait for its failure."""
        created = self.workflow(_step("a"), _upscale("b", "a"), _upscale("c", "b"))
        ended = self.ended(f"/api/v1/workflows/{created}")
        assert ended["status"] == "FAILED", ended
        return created

    def training(self) -> str:
        return self.post("/api/v1/training/", json=self.training_body())["id"]

    def training_body(self) -> dict[str, Any]:
        images = [self.image("trained-on")]
        return {"trigger_word": "sh0e", "origin_instance": _ORIGIN, "source_images": images}

    def image(self, name: str) -> str:
        path = f"uploads/{name}.png"
        self.post(f"/api/v1/storage/images/{path}", files={"file": (f"{name}.png", picture())})
        return path

    def lora(self) -> str:
        file = ("fuzzed.safetensors", lora_bytes())
        return self.post("/api/v1/lora/upload", files={"file": file})["partial_path"]


def create_seed_data(api: httpx.Client) -> SeedData:
    """Create all objects, which takes some seconds."""
    seeder = Seeder(api)
    requests = (
        _task_requests(seeder)
        | _workflow_requests(seeder)
        | _training_requests(seeder)
        | _storage_requests(seeder)
        | _webhook_requests(seeder)
        | _other_requests(seeder)
    )
    return SeedData(
        requests,
        {
            "tasks.task_id": [seeder.task(**_NO_WORKER), seeder.done_task()],
            "workflows.workflow_id": [seeder.workflow(_step("a") | _NO_WORKER)],
            "training.task_id": [seeder.training()],
            "webhooks.delivery_id": [seeder.tried_delivery()["id"]],
            "webhooks.endpoint_id": [seeder.endpoint()],
            "storage.path": [seeder.image("shared"), seeder.image("also-shared")],
        },
    )


def _task_requests(seeder: Seeder) -> dict[str, Request]:
    def done() -> Request:
        return Request({"task_id": seeder.done_task()})

    def waiting() -> Request:
        return Request({"task_id": seeder.task(**_NO_WORKER)})

    def changed() -> Request:
        return Request({"task_id": seeder.done_task()}, body={"priority": 3})

    create = _GENERATION | {"origin_instance": _ORIGIN}
    return {
        "create_task": Request(body=create),
        "list_tasks": Request(query={"task_type": "GENERATION", "limit": 2}),
        "list_generation_tasks": Request(query={"status": "COMPLETED"}),
        "get_task": done(),
        "update_task": changed(),
        "delete_task": done(),
        "cleanup_task": done(),
        "cancel_task": waiting(),
        "get_generation_task": done(),
        "update_generation_task": changed(),
        "cancel_generation_task": waiting(),
        "get_monitored_task": done(),
        "get_task_media": done(),
        "get_task_provenance": done(),
    }


def _workflow_requests(seeder: Seeder) -> dict[str, Request]:
    def of(workflow_id: str, body: Any = None) -> Request:
        return Request({"workflow_id": workflow_id}, body=body)

    waiting = _step("a") | _NO_WORKER
    create = {"name": "fuzzed", "origin_instance": _ORIGIN, "steps": [waiting]}
    return {
        "create_workflow": Request(body=create, query={"start": False}),
        "list_workflows": Request(query={"limit": 2}),
        "get_workflow": of(seeder.workflow()),
        "update_workflow": of(seeder.workflow(waiting), {"name": "renamed"}),
        "cancel_workflow": of(seeder.workflow(waiting)),
        "start_workflow": of(seeder.workflow(starts=False)),
        "pause_workflow": of(seeder.workflow(waiting)),
        "resume_workflow": of(seeder.failed_workflow()),
        "cleanup_workflow": of(seeder.workflow()),
        "get_monitored_workflow": of(seeder.workflow()),
    }


def _training_requests(seeder: Seeder) -> dict[str, Request]:
    return {
        "create_training_task": Request(body=seeder.training_body()),
        "list_training_tasks": Request(),
        "get_training_status": Request({"task_id": seeder.training()}),
        "cancel_training": Request({"task_id": seeder.training()}),
    }


def _webhook_requests(seeder: Seeder) -> dict[str, Request]:
    delivery = {"delivery_id": seeder.tried_delivery()["id"]}
    owner = {"origin_instance": _ORIGIN}
    return {
        "get_webhook_secret": Request(query=owner),
        "rotate_webhook_secret": Request(query=owner),
        "list_webhook_deliveries": Request(query={"limit": 2}),
        "get_webhook_delivery": Request(delivery),
        "replay_webhook_delivery": Request(delivery),
        "list_webhook_endpoints": Request(),
        "enable_webhook_endpoint": Request({"endpoint_id": seeder.endpoint()}),
    }


def _storage_requests(seeder: Seeder) -> dict[str, Request]:
    read = {"path": seeder.image("read")}
    return {
        "list_images": Request(query={"prefix": "uploads/"}),
        "get_image": Request(read),
        "check_image_exists": Request(read),
        "save_image": _form({"path": "uploads/saved.png"}, file=picture()),
        "delete_image": Request({"path": seeder.image("deleted")}),
    }


def _other_requests(seeder: Seeder) -> dict[str, Request]:
    seen = {
        "image_data": base64.b64encode(picture()).decode(),
        "expected_framing": "full_body",
        "expected_view_angle": "front",
    }
    return {
        "evaluate_image": Request(body=seen),
        "get_evaluator_health": Request(),
        "upload_lora": _form({}, file=lora_bytes(), entity_type="product"),
        "list_loras": Request(),
        "admin_upload_lora": _form({}, file=lora_bytes(), entity_type="faces"),
        "admin_delete_lora": Request(body={"partial_path": seeder.lora()}),
        "list_monitored_tasks": Request(query={"sort_by": "created_at"}),
        "get_monitoring_stats": Request(),
        "list_monitored_workflows": Request(),
        "get_workflow_monitoring_stats": Request(),
        "get_queue_stats": Request(),
        "get_worker_stats": Request(),
        "get_workers_health": Request(),
        "health_check": Request(),
    }


def _form(path_parameters: dict[str, str], **fields: Any) -> Request:
    return Request(path_parameters, body=fields, media_type="multipart/form-data")


def _step(step_id: str) -> dict[str, Any]:
    config = {"prompt": "a red dress", "width": 64, "height": 64}
    return {"id": step_id, "task_type": "GENERATION", "config": config}


def _upscale(step_id: str, previous: str) -> dict[str, Any]:
    mapping = {
        "from_step": previous,
        "from_field": "result_image_path",
        "to_field": "base_image_url",
    }
    return {
        "id": step_id,
        "task_type": "REFINE",
        "config": {"upscale_factor": 16.0},
        "depends_on": [previous],
        "input_mappings": [mapping],
    }
