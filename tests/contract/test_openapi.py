"""The committed OpenAPI document equals the gateway's and fulfils the reference."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from api_gateway.evaluation.schemas import EvaluationRequest
from api_gateway.openapi import document_text
from api_gateway.task_types_page import page_text
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.training.schemas import TrainingTaskCreate
from api_gateway.workflows.schemas import CreateWorkflow
from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES

from .contract_check import Json, check_operations, check_schemas, load_contract

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
TASK_TYPES_PAGE = COMMITTED.with_name("task-types.md")


@pytest.fixture(scope="module")
def document() -> Json:
    return json.loads(document_text())


@pytest.fixture(scope="module")
def contract() -> Json:
    return load_contract()


def test_committed_document_is_what_the_gateway_serves() -> None:
    assert COMMITTED.read_text() == document_text(), "run `make openapi` and commit the result"


def test_committed_page_of_task_types_equals_the_table() -> None:
    assert TASK_TYPES_PAGE.read_text() == page_text(), "run `make openapi` and commit the result"


@pytest.mark.parametrize("task_type", SCHEMAS)
def test_record_shows_every_result_field(task_type: TaskType) -> None:
    fields = TASK_TYPES[task_type].results.model_fields
    assert fields.keys() <= SCHEMAS[task_type].public.model_fields.keys()
    assert all(field.description for field in fields.values())
    assert all(f"`{name}`" in page_text() for name in fields)


def test_every_operation_of_the_reference_is_served_as_documented(
    document: Json, contract: Json
) -> None:
    report = check_operations(document, contract)

    assert report.differences == []
    assert report.summary("operations") == "operations 44/44, checks 248/248"


def test_every_schema_of_the_reference_is_served_as_specified(
    document: Json, contract: Json
) -> None:
    report = check_schemas(document, contract)

    assert report.differences == []
    assert report.summary("schemas") == "schemas 113/113, checks 2529/2529"


def test_operations_are_grouped_as_in_the_reference(document: Json, contract: Json) -> None:
    tags = {
        (one["method"], one["path"]): document["paths"][one["path"]][one["method"].lower()]["tags"]
        for one in contract["operations"]
    }

    assert tags == {(one["method"], one["path"]): [one["tag"]] for one in contract["operations"]}
    groups = [group["name"] for group in document["tags"]]
    theirs = list(dict.fromkeys(one["tag"] for one in contract["operations"]))
    assert groups[: len(theirs)] == theirs


def test_operation_ids_are_names_of_functions_and_unique(document: Json) -> None:
    ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]

    assert all(one.isidentifier() and one.islower() for one in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "schema",
    [
        *(one.create for one in SCHEMAS.values()),
        CreateWorkflow,
        TrainingTaskCreate,
        EvaluationRequest,
    ],
)
def test_example_of_a_create_is_valid(schema: type[BaseModel], document: Json) -> None:
    example = document["components"]["schemas"][schema.__name__]["example"]

    assert schema.model_validate(example).model_fields_set == set(example)


def test_creating_a_task_shows_an_example_of_every_type(document: Json) -> None:
    content = document["paths"]["/api/v1/tasks/"]["post"]["requestBody"]["content"]

    examples = content["application/json"]["examples"]

    assert {name: one["value"]["task_type"] for name, one in examples.items()} == {
        task_type: task_type for task_type in SCHEMAS
    }


def test_changing_any_task_is_documented_as_the_union_of_the_reference(document: Json) -> None:
    content = document["paths"]["/api/v1/tasks/{task_id}"]["put"]["requestBody"]["content"]

    branches = content["application/json"]["schema"]["anyOf"]

    assert len(branches) == len(SCHEMAS)


def test_every_list_that_a_client_sends_has_a_maximum(document: Json) -> None:
    bodies = [
        operation["requestBody"]
        for item in document["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    ]
    lists = list(_lists(bodies, document["components"]["schemas"], seen=set()))

    assert len(lists) > 30
    assert [name for name, found in lists if found.get("maxItems", math.inf) > 2000] == []


def _lists(schema: Any, schemas: Json, *, seen: set[str]) -> Iterator[tuple[str, Json]]:
    """Yield every list in a schema and its references, each with its name."""
    parts = schema.items() if isinstance(schema, dict) else enumerate(schema)
    for name, part in parts:
        if name == "$ref" and part not in seen:
            seen.add(part)
            yield from _lists(schemas[part.rpartition("/")[2]], schemas, seen=seen)
        elif isinstance(part, dict | list) and name not in {"example", "examples"}:
            if isinstance(part, dict) and part.get("type") == "array":
                yield str(part.get("title", name)), part
            yield from _lists(part, schemas, seen=seen)


def _drop_field(document: Json) -> None:
    del document["components"]["schemas"]["CreateRefineTask"]["properties"]["upscale_factor"]


def _change_type(document: Json) -> None:
    properties = document["components"]["schemas"]["RefineTaskPublic"]["properties"]
    properties["upscale_steps"] = {"type": "string"}


def _change_bound(document: Json) -> None:
    document["components"]["schemas"]["CreateWorkflow"]["properties"]["name"]["maxLength"] = 200


def _change_default(document: Json) -> None:
    document["components"]["schemas"]["TrainingTask"]["properties"]["rank"]["default"] = 8


def _forbid_null(document: Json) -> None:
    properties = document["components"]["schemas"]["WorkflowPublic"]["properties"]
    properties["current_step"] = {"type": "string"}


def _require_more(document: Json) -> None:
    document["components"]["schemas"]["TrainingTaskCreate"]["required"].append("rank")


def _drop_schema(document: Json) -> None:
    del document["components"]["schemas"]["TransformType"]


def _drop_operation(document: Json) -> None:
    del document["paths"]["/api/v1/workflows/{workflow_id}/cleanup"]["post"]


def _drop_parameter(document: Json) -> None:
    parameters = document["paths"]["/api/v1/workflows/"]["post"]["parameters"]
    parameters[:] = [one for one in parameters if one["name"] != "start"]


def _let_anybody_in(document: Json) -> None:
    del document["paths"]["/api/v1/workflows/"]["post"]["security"]


def _answer_anything(document: Json) -> None:
    response = document["paths"]["/api/v1/workflows/"]["post"]["responses"]["201"]
    response["content"]["application/json"]["schema"] = {}


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
        _drop_operation,
        _drop_parameter,
        _let_anybody_in,
        _answer_anything,
    ],
)
def test_check_detects(spoil: Callable[[Json], None], document: Json, contract: Json) -> None:
    spoiled = copy.deepcopy(document)
    spoil(spoiled)

    reports = check_operations(spoiled, contract), check_schemas(spoiled, contract)

    assert sum(len(report.differences) for report in reports) == 1
