"""All schemas of the reference exist, as the reference spells them out."""

import copy
from collections.abc import Callable
from typing import Any, get_args

import pytest
from fastapi import FastAPI, UploadFile

from api_gateway.evaluation import schemas as evaluation
from api_gateway.lora import schemas as lora
from api_gateway.monitoring.schemas import tasks as monitored_tasks
from api_gateway.monitoring.schemas import workers as monitored_workers
from api_gateway.monitoring.schemas import workflows as monitored_workflows
from api_gateway.tasks.schemas.generation import GenerationTaskPublic, GenerationTaskUpdate
from api_gateway.tasks.schemas.unions import TaskCreate, TaskPublic, TaskPublicUpdate
from api_gateway.training import schemas as training
from api_gateway.unrouted_schemas import add_unrouted_schemas
from api_gateway.workflows import schemas as workflows

from .contract_check import Json, check_operations, check_schemas, load_contract


def _answer(app: FastAPI, path: str, model: Any, body: Any = None) -> None:
    async def route() -> Any: ...

    async def route_with_body(body: Any) -> Any: ...

    chosen: Callable[..., Any] = route
    if body is not None:
        chosen = route_with_body
        chosen.__annotations__["body"] = body
    app.post(path, response_model=model, operation_id=path)(chosen)


def _document() -> Json:
    """An app that mentions every schema somewhere; which route does so does not matter here."""
    app = FastAPI()
    for path, model, body in [
        ("/api/v1/tasks/", TaskPublic, TaskCreate),
        ("/tasks/update", TaskPublic, TaskPublicUpdate),
        ("/tasks/generation", GenerationTaskPublic, GenerationTaskUpdate),
        ("/workflows", workflows.WorkflowPublic, workflows.CreateWorkflow),
        ("/workflows/update", workflows.WorkflowListResponse, workflows.WorkflowUpdate),
        ("/workflows/cleanup", workflows.WorkflowCleanupResponse, None),
        ("/training", training.TrainingTask, training.TrainingTaskCreate),
        ("/evaluation", evaluation.EvaluationResponse, evaluation.EvaluationRequest),
        ("/evaluation/health", evaluation.HealthStatus, None),
        ("/lora", lora.LoRADeleteResponse, lora.LoRADeleteRequest),
        ("/lora/upload", lora.LoRAUploadResponse, None),
        ("/admin/lora/upload", lora.AdminLoRAUploadResponse, None),
        ("/monitoring/tasks", monitored_tasks.TaskListResponse, None),
        ("/monitoring/task", monitored_tasks.TaskDetailResponse, None),
        ("/monitoring/media", monitored_tasks.TaskMediaResponse, None),
        ("/monitoring/stats", monitored_tasks.AggregateStats, None),
        ("/monitoring/queues", monitored_workers.QueueStatsResponse, None),
        ("/monitoring/workers", monitored_workers.WorkerStatsResponse, None),
        ("/monitoring/health", monitored_workers.WorkerHealthResponse, None),
        ("/monitoring/workflows", monitored_workflows.MonitoringWorkflowListResponse, None),
        ("/monitoring/workflow", monitored_workflows.WorkflowDetailResponse, None),
        ("/monitoring/workflow-stats", monitored_workflows.WorkflowAggregateStats, None),
    ]:
        _answer(app, path, model, body)

    @app.post("/images", operation_id="save_image_api_v1_storage_images__path__post")
    async def save_image(file: UploadFile) -> None: ...

    document = app.openapi()
    add_unrouted_schemas(document)
    return document


@pytest.fixture(scope="module")
def document() -> Json:
    return _document()


@pytest.fixture(scope="module")
def contract() -> Json:
    return load_contract()


def test_every_schema_of_the_reference_is_served_as_it_spells_it(
    document: Json, contract: Json
) -> None:
    report = check_schemas(document, contract)

    assert report.differences == []
    assert report.found == report.wanted == 113


def test_task_union_is_documented_as_in_the_reference(document: Json, contract: Json) -> None:
    report = check_operations(document, contract, only={("POST", "/api/v1/tasks/")})

    # The throw-away app has no security; requests and answers are what counts here.
    assert report.differences == ["POST /api/v1/tasks/: no security requirement"]


def test_changing_any_task_is_documented_as_the_union_of_the_reference(document: Json) -> None:
    content = document["paths"]["/tasks/update"]["post"]["requestBody"]["content"]

    branches = content["application/json"]["schema"]["anyOf"]

    assert len(branches) == len(get_args(get_args(TaskPublic)[0])) == 11


def _drop_field(schemas: Json) -> None:
    del schemas["CreateRefineTask"]["properties"]["upscale_factor"]


def _change_type(schemas: Json) -> None:
    schemas["RefineTaskPublic"]["properties"]["upscale_steps"] = {"type": "string"}


def _change_bound(schemas: Json) -> None:
    schemas["CreateWorkflow"]["properties"]["name"]["maxLength"] = 200


def _change_default(schemas: Json) -> None:
    schemas["TrainingTask"]["properties"]["rank"]["default"] = 8


def _forbid_null(schemas: Json) -> None:
    schemas["WorkflowPublic"]["properties"]["current_step"] = {"type": "string"}


def _require_more(schemas: Json) -> None:
    schemas["TrainingTaskCreate"]["required"].append("rank")


def _drop_schema(schemas: Json) -> None:
    del schemas["TransformType"]


@pytest.mark.parametrize(
    "spoil",
    [
        _drop_field,
        _change_type,
        _change_bound,
        _change_default,
        _forbid_null,
        _require_more,
        _drop_schema,
    ],
)
def test_the_check_notices(spoil: Callable[[Json], None], document: Json, contract: Json) -> None:
    spoiled = copy.deepcopy(document)
    spoil(spoiled["components"]["schemas"])

    assert len(check_schemas(spoiled, contract).differences) == 1
