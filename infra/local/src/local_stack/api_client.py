"""A small client of the gateway's API, with the requests of the demo."""

from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from pydantic import BaseModel

from local_stack.errors import StackError
from shared.contracts.enums import (
    TASK_ENDED,
    StepStatus,
    TaskStatus,
    TrainingStatus,
    WorkflowStatus,
)
from shared.contracts.training import ENDED as TRAINING_ENDED

_OVER = {WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED}


class StepResult(BaseModel):
    """Result of a step."""

    result_image_path: str | None = None


class Step(BaseModel):
    """A step of a workflow."""

    step_id: str
    status: StepStatus
    task_id: UUID | None = None
    result: StepResult | None = None
    error_message: str | None = None


class Workflow(BaseModel):
    """A workflow of the API, with the fields that the demo uses."""

    id: UUID
    status: WorkflowStatus
    progress: float
    errors: list[str] = []
    error_message: str | None = None
    steps: list[Step] = []

    @property
    def is_over(self) -> bool:
        """True if nothing more will happen."""
        return self.status in _OVER


class TaskProgress(BaseModel):
    """Progress of a step's task, in percent."""

    progress: float | None = None


class Task(BaseModel):
    """A task of the API, with the fields that the demo uses."""

    id: UUID
    status: TaskStatus
    errors: list[str] | None = None
    result_image_path: str | None = None
    result_image_paths: list[str] | None = None
    result_video_path: str | None = None
    result_paths: list[str] | None = None
    """Files of an app on fal."""
    result_text: str | None = None

    @property
    def is_over(self) -> bool:
        """True if nothing more will happen."""
        return self.status in TASK_ENDED

    @property
    def pictures(self) -> list[str]:
        """Storage paths of the result pictures."""
        several = self.result_image_paths or self.result_paths
        return several or list(filter(None, [self.result_image_path]))


class Training(BaseModel):
    """A training of the API, with the fields that the demo uses."""

    id: UUID
    status: TrainingStatus
    progress: float
    current_step: int
    total_steps: int
    preprocessing_stage: str | None = None
    local_model_path: str | None = None
    error_message: str | None = None

    @property
    def is_over(self) -> bool:
        """True if nothing more will happen."""
        return self.status in TRAINING_ENDED

    @property
    def percent(self) -> float:
        """Progress of the training itself, without preprocessing."""
        return self.progress if self.status is not TrainingStatus.PREPROCESSING else 0


class Evaluation(BaseModel):
    """Evaluation of a picture, with the fields that the demo uses."""

    success: bool
    error: str | None = None
    detected_framing: str | None = None
    detected_view_angle: str | None = None
    number_of_people: int | None = None
    anatomy_correct: bool | None = None
    garment_description: str | None = None
    confidence_summary: float | None = None

    @property
    def text(self) -> str:
        """The findings, one a line; those that the model left open are left out."""
        found = self.model_dump(exclude_none=True, exclude={"success", "error"})
        rounded = {
            name: round(value, 2) if isinstance(value, float) else value
            for name, value in found.items()
        }
        return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in rounded.items())


class ApiClient:
    """HTTP client of the gateway, with one API key."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=30,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def create_workflow(self, body: str) -> Workflow:
        """POST /api/v1/workflows/."""
        response = await self._call("POST", "/api/v1/workflows/", body)
        return Workflow.model_validate_json(response)

    async def workflow(self, workflow_id: UUID) -> Workflow:
        """GET /api/v1/workflows/{workflow_id}."""
        return Workflow.model_validate_json(
            await self._call("GET", f"/api/v1/workflows/{workflow_id}")
        )

    async def task(self, task_id: UUID) -> TaskProgress:
        """GET /api/v1/tasks/{task_id}."""
        return TaskProgress.model_validate_json(await self._call("GET", f"/api/v1/tasks/{task_id}"))

    async def create_task(self, body: str) -> Task:
        """POST /api/v1/tasks/."""
        return Task.model_validate_json(await self._call("POST", "/api/v1/tasks/", body))

    async def whole_task(self, task_id: UUID) -> Task:
        """GET /api/v1/tasks/{task_id}, with its results."""
        return Task.model_validate_json(await self._call("GET", f"/api/v1/tasks/{task_id}"))

    async def evaluate(self, vendor: str, body: str) -> Evaluation:
        """POST /api/v1/evaluation/, at one vendor of language models."""
        path = f"/api/v1/evaluation/?provider={vendor}"
        return Evaluation.model_validate_json(await self._call("POST", path, body))

    async def create_training(self, body: str) -> Training:
        """POST /api/v1/training/."""
        return Training.model_validate_json(await self._call("POST", "/api/v1/training/", body))

    async def training(self, training_id: UUID) -> Training:
        """GET /api/v1/training/{training_id}."""
        path = f"/api/v1/training/{training_id}"
        return Training.model_validate_json(await self._call("GET", path))

    async def picture(self, path: str) -> bytes:
        """GET /api/v1/storage/images/{path}."""
        return await self._call("GET", picture_path(path))

    async def _call(self, method: str, path: str, body: str | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else None
        try:
            response = await self._http.request(method, path, content=body, headers=headers)
        except httpx.TransportError as error:
            raise StackError(f"{self.base_url} does not respond: {error!r}") from error
        if response.is_error:
            raise StackError(f"{method} {path}: {response.status_code} {response.text}")
        return response.content


def picture_path(path: str) -> str:
    """Return the URL path at which the API serves a stored picture."""
    return f"/api/v1/storage/images/{path}"
