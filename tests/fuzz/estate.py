"""What the fuzzed platform has before the first request: for each operation one that succeeds.

Requests that change or end something have an object to themselves, in the state that they need.
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
"""Nothing polls fal's queue here: such work stays as it is."""
_GENERATION = {"task_type": "GENERATION", "prompt": "a red dress", "width": 64, "height": 64}


@dataclass(frozen=True)
class Request:
    """What a call of an operation takes."""

    path_parameters: dict[str, str] = field(default_factory=dict[str, str])
    query: dict[str, Any] = field(default_factory=dict[str, Any])
    body: Any = None
    media_type: str | None = None


@dataclass(frozen=True)
class Estate:
    """Requests that succeed, and values for path parameters that stand for something."""

    requests: dict[str, Request]
    path_values: dict[str, list[str]]
    """By name of the path parameter and, as trainings are named like tasks, of the resource."""


class Founder:
    """Makes things through the API."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        answer = self._api.post(path, **request)
        assert answer.status_code in {200, 201}, f"{path}: {answer.text}"
        return answer.json()

    def ended(self, path: str) -> dict[str, Any]:
        """Wait until it has ended."""
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until:
            found = self._api.get(path).raise_for_status().json()
            if found["status"] in _ENDED:
                return found
            time.sleep(_POLL_S)
        raise AssertionError(f"{path} has not ended in {_TIMEOUT_S} s")

    def task(self, **fields: Any) -> str:
        """One that is waiting or running."""
        return self.post(
            "/api/v1/tasks/", json=_GENERATION | {"origin_instance": _ORIGIN} | fields
        )["id"]

    def done_task(self) -> str:
        task_id = self.task()
        ended = self.ended(f"/api/v1/tasks/{task_id}")
        assert ended["status"] == "COMPLETED", ended
        return task_id

    def tried_delivery(self) -> dict[str, Any]:
        """The delivery of an event whose receiver has no address."""
        task_id = self.task(webhook_url="https://receiver.invalid/hook", **_NO_WORKER)
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until:
            query = {"subject_id": task_id}
            answer = self._api.get("/api/v1/webhooks/deliveries", params=query)
            [found] = answer.raise_for_status().json()
            if found["attempts"]:
                return found
            time.sleep(_POLL_S)
        raise AssertionError(f"the event of {task_id} was not tried in {_TIMEOUT_S} s")

    def endpoint(self) -> str:
        """A receiver that has failed."""
        self.tried_delivery()
        answer = self._api.get("/api/v1/webhooks/endpoints")
        return answer.raise_for_status().json()[0]["id"]

    def workflow(self, *steps: dict[str, Any], starts: bool = True) -> str:
        body = {"name": "fuzzed", "origin_instance": _ORIGIN, "steps": steps or (_step("a"),)}
        return self.post("/api/v1/workflows/", json=body, params={"start": starts})["id"]

    def failed_workflow(self) -> str:
        """Its last step's picture is too large for the worker."""
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


def found_estate(api: httpx.Client) -> Estate:
    """Make everything; takes some seconds."""
    founder = Founder(api)
    requests = (
        _task_requests(founder)
        | _workflow_requests(founder)
        | _training_requests(founder)
        | _storage_requests(founder)
        | _webhook_requests(founder)
        | _other_requests(founder)
    )
    return Estate(
        requests,
        {
            "tasks.task_id": [founder.task(**_NO_WORKER), founder.done_task()],
            "workflows.workflow_id": [founder.workflow(_step("a") | _NO_WORKER)],
            "training.task_id": [founder.training()],
            "webhooks.delivery_id": [founder.tried_delivery()["id"]],
            "webhooks.endpoint_id": [founder.endpoint()],
            "storage.path": [founder.image("shared"), founder.image("also-shared")],
        },
    )


def _task_requests(founder: Founder) -> dict[str, Request]:
    def done() -> Request:
        return Request({"task_id": founder.done_task()})

    def waiting() -> Request:
        return Request({"task_id": founder.task(**_NO_WORKER)})

    def changed() -> Request:
        return Request({"task_id": founder.done_task()}, body={"priority": 3})

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


def _workflow_requests(founder: Founder) -> dict[str, Request]:
    def of(workflow_id: str, body: Any = None) -> Request:
        return Request({"workflow_id": workflow_id}, body=body)

    waiting = _step("a") | _NO_WORKER
    create = {"name": "fuzzed", "origin_instance": _ORIGIN, "steps": [waiting]}
    return {
        "create_workflow": Request(body=create, query={"start": False}),
        "list_workflows": Request(query={"limit": 2}),
        "get_workflow": of(founder.workflow()),
        "update_workflow": of(founder.workflow(waiting), {"name": "renamed"}),
        "cancel_workflow": of(founder.workflow(waiting)),
        "start_workflow": of(founder.workflow(starts=False)),
        "pause_workflow": of(founder.workflow(waiting)),
        "resume_workflow": of(founder.failed_workflow()),
        "cleanup_workflow": of(founder.workflow()),
        "get_monitored_workflow": of(founder.workflow()),
    }


def _training_requests(founder: Founder) -> dict[str, Request]:
    return {
        "create_training_task": Request(body=founder.training_body()),
        "list_training_tasks": Request(),
        "get_training_status": Request({"task_id": founder.training()}),
        "cancel_training": Request({"task_id": founder.training()}),
    }


def _webhook_requests(founder: Founder) -> dict[str, Request]:
    delivery = {"delivery_id": founder.tried_delivery()["id"]}
    owner = {"origin_instance": _ORIGIN}
    return {
        "get_webhook_secret": Request(query=owner),
        "rotate_webhook_secret": Request(query=owner),
        "list_webhook_deliveries": Request(query={"limit": 2}),
        "get_webhook_delivery": Request(delivery),
        "replay_webhook_delivery": Request(delivery),
        "list_webhook_endpoints": Request(),
        "enable_webhook_endpoint": Request({"endpoint_id": founder.endpoint()}),
    }


def _storage_requests(founder: Founder) -> dict[str, Request]:
    read = {"path": founder.image("read")}
    return {
        "list_images": Request(query={"prefix": "uploads/"}),
        "get_image": Request(read),
        "check_image_exists": Request(read),
        "save_image": _form({"path": "uploads/saved.png"}, file=picture()),
        "delete_image": Request({"path": founder.image("deleted")}),
    }


def _other_requests(founder: Founder) -> dict[str, Request]:
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
        "admin_delete_lora": Request(body={"partial_path": founder.lora()}),
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
