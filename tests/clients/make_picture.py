"""A backend's use of a generated client: create a workflow, poll it, fetch, clean up.

It needs the generated `sartiq_compute_client` and nothing of the platform:
`python make_picture.py BASE_URL < workflow.json`, with the key in SARTIQ_API_KEY. It prints its
results.
"""

import hashlib
import json
import os
import sys
import time
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

import httpx
from sartiq_compute_client import AuthenticatedClient
from sartiq_compute_client.api.monitoring import get_task_media
from sartiq_compute_client.api.storage import get_image
from sartiq_compute_client.api.tasks import get_task
from sartiq_compute_client.api.workflows import (
    cleanup_workflow,
    create_workflow,
    get_workflow,
    list_workflows,
)
from sartiq_compute_client.models import (
    CreateWorkflow,
    RefineTaskPublic,
    TaskMediaResponse,
    WorkflowCleanupResponse,
    WorkflowListResponse,
    WorkflowPublic,
    WorkflowStatus,
)
from sartiq_compute_client.types import File

_POLL_S = 0.1
_TIMEOUT_S = 120
_ENDED = {WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED}

Answer = TypeVar("Answer")


def expect(kind: type[Answer], answer: Any) -> Answer:
    """Return the response if it has the type that the document declares for success."""
    if not isinstance(answer, kind):
        sys.exit(f"expected {kind.__name__}, got {answer!r}")
    return answer


def poll(client: AuthenticatedClient, workflow_id: UUID) -> WorkflowPublic:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        workflow = expect(WorkflowPublic, get_workflow.sync(workflow_id, client=client))
        if workflow.status in _ENDED:
            return workflow
        time.sleep(_POLL_S)
    sys.exit(f"workflow {workflow_id} has not ended after {_TIMEOUT_S} s")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_picture(client: AuthenticatedClient, wanted: CreateWorkflow) -> dict[str, Any]:
    created = expect(WorkflowPublic, create_workflow.sync(client=client, body=wanted))
    ended = poll(client, created.id)
    task_id = expect(UUID, ended.steps[-1].task_id)
    task = expect(RefineTaskPublic, get_task.sync(task_id, client=client))
    media = expect(TaskMediaResponse, get_task_media.sync(task_id, client=client))
    [output] = media.outputs
    path = output.path
    presigned = httpx.get(output.url).raise_for_status().content
    through_api = expect(File, get_image.sync(path, client=client)).payload.read()
    cleanup = expect(WorkflowCleanupResponse, cleanup_workflow.sync(created.id, client=client))
    listed = expect(WorkflowListResponse, list_workflows.sync(client=client))
    gone = get_image.sync_detailed(path, client=client)
    return {
        "status": ended.status,
        "task": [task.task_type, task.status, task.result_image_path],
        "inputs": [one.name for one in media.inputs],
        "output": [output.name, path, output.media_type],
        "presigned_sha256": sha256(presigned),
        "api_sha256": sha256(through_api),
        "cleaned_tasks": cleanup.cleanup.tasks_cleaned,
        "is_deleted": cleanup.workflow.is_deleted,
        "listed": [str(one.id) for one in listed.workflows],
        "workflow_id": str(created.id),
        "is_gone": gone.status_code == HTTPStatus.NOT_FOUND,
    }


def main() -> None:
    wanted = CreateWorkflow.from_dict(json.load(sys.stdin))
    with AuthenticatedClient(base_url=sys.argv[1], token=os.environ["SARTIQ_API_KEY"]) as client:
        json.dump(make_picture(client, wanted), sys.stdout)


if __name__ == "__main__":
    main()
