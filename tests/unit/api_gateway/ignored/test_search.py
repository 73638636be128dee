"""Unknown fields are found at every depth, each with the nearest known name."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel

from api_gateway.app import public_api
from api_gateway.errors import InvalidRequestError
from api_gateway.evaluation.schemas import EvaluationRequest
from api_gateway.ignored.dependency import FieldCheck
from api_gateway.ignored.query import query_names, unknown_parameters
from api_gateway.ignored.report import IgnoredField, IgnoredFields
from api_gateway.ignored.schemas import names_of
from api_gateway.ignored.search import SearchRules, unknown_fields
from api_gateway.lora.schemas import LoRADeleteRequest
from api_gateway.tasks.ignored_fields import RULES as TASK_RULES
from api_gateway.tasks.ignored_fields import engine_config
from api_gateway.tasks.schemas.generation import GenerationTaskUpdate
from api_gateway.tasks.schemas.providers import ProviderConfig
from api_gateway.tasks.schemas.unions import SCHEMAS, AnyTaskPublicUpdate
from api_gateway.training.schemas import TrainingTaskCreate
from api_gateway.workflows.ignored_fields import RULES as WORKFLOW_RULES
from api_gateway.workflows.schemas import (
    CreateWorkflow,
    FieldMapping,
    WorkflowStepDefinition,
    WorkflowUpdate,
)
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.table import has_apps

Json = dict[str, Any]

_CREATES = tuple(schemas.create for schemas in SCHEMAS.values())
_CONFIGS: list[type[BaseModel]] = list(get_args(get_args(ProviderConfig.__value__)[0]))
_ROUTES = [
    route
    for route in public_api().routes
    if isinstance(route, APIRoute) and route.include_in_schema  # pages have no parameters
]
_WORKFLOW = (CreateWorkflow,)


def _search(schemas: tuple[type[BaseModel], ...], body: object) -> Iterator[IgnoredField]:
    is_workflow = bool({CreateWorkflow, WorkflowUpdate} & {*schemas})
    return unknown_fields(schemas, body, WORKFLOW_RULES if is_workflow else TASK_RULES)


def _step(step: Json) -> Json:
    return {"name": "a", "origin_instance": "a", "steps": [{"id": "a"} | step]}


def _places() -> list[tuple[tuple[type[BaseModel], ...], str, Callable[[str], Json]]]:
    """Return every field of every request: its schema, its name, and a body with a typing error."""
    found: list[Any] = []
    plain = [
        CreateWorkflow,
        TrainingTaskCreate,
        EvaluationRequest,
        WorkflowUpdate,
        GenerationTaskUpdate,
        AnyTaskPublicUpdate,
        LoRADeleteRequest,
    ]
    found += [((each,), name, lambda sent: {sent: 1}) for each in plain for name in names_of(each)]
    for kind in SCHEMAS:
        for name in names_of(SCHEMAS[kind].create):
            found.append((_CREATES, name, lambda sent, kind=kind: {"task_type": kind, sent: 1}))
            step = lambda sent, kind=kind: _step({"task_type": kind, "config": {sent: 1}})  # noqa: E731
            found.append((_WORKFLOW, name, step))
        for name in engine_config(kind):
            body = lambda sent, kind=kind: {"task_type": kind, "config": {sent: 1}}  # noqa: E731
            found.append((_CREATES, name, body))
            step = lambda sent, body=body: _step(body(sent))  # noqa: E731
            found.append((_WORKFLOW, name, step))
            nested = lambda sent, body=body: _step(body(sent) | {"config": body(sent)})  # noqa: E731
            found.append((_WORKFLOW, name, nested))
    for config in _CONFIGS:
        provider = config.model_fields["provider_type"].default
        for name in names_of(config).keys() - TASK_RULES.set_here.get(config, frozenset()):
            for field in ("provider_config", "fallback_provider_config"):
                chosen = lambda sent, field=field, provider=provider: {  # noqa: E731
                    "task_type": "REFINE",
                    field: {"provider_type": provider, sent: 1},
                }
                found.append((_CREATES, name, chosen))
                found.append((_WORKFLOW, name, lambda sent, chosen=chosen: _step(chosen(sent))))
    for name in names_of(WorkflowStepDefinition):
        found.append((_WORKFLOW, name, lambda sent: _step({"task_type": "REFINE", sent: 1})))
    for name in names_of(FieldMapping):
        found.append((_WORKFLOW, name, lambda sent: _step({"input_mappings": [{sent: 1}]})))
    return found


_PLACES = _places()


def _misspelt(name: str, place: int, letter: str) -> str:
    place %= len(name)
    return name[:place] + letter + name[place + 1 :]


@given(st.sampled_from(_PLACES), st.integers(0, 100), st.sampled_from("abexyz_9é"))
def test_field_with_one_wrong_letter_is_named_with_the_right_one(
    field: Any, place: int, letter: str
) -> None:
    schemas, name, body = field
    sent = _misspelt(name, place, letter)
    found = [part for part in _search(schemas, body(sent)) if part.place[-1] == sent]
    assume(found)  # it may have become another field

    assert all(part.nearest == name for part in found)
    lenient, strict = IgnoredFields(), IgnoredFields(is_strict=True)
    lenient.note(found)
    assert f'nearest="{name}"' in (lenient.header or "")
    assert f"`{name}`" in lenient.warnings[0]
    with pytest.raises(InvalidRequestError) as refused:
        strict.note(found)
    assert [fault.loc[-1] for fault in refused.value.faults] == [sent] * len(found)
    assert f"`{name}`" in refused.value.faults[0].message


@pytest.mark.parametrize("field", _PLACES[::7])
def test_field_that_is_known_is_not_named(field: Any) -> None:
    schemas, name, body = field

    assert not [part for part in _search(schemas, body(name)) if part.place[-1] == name]


@given(st.sampled_from(_ROUTES), st.data())
def test_parameter_with_one_wrong_letter_is_named_with_the_right_one(
    route: Any, data: st.DataObject
) -> None:
    known = frozenset(query_names(route.dependant))
    assume(known)
    name = data.draw(st.sampled_from(sorted(known)))
    sent = _misspelt(name, data.draw(st.integers(0, 40)), data.draw(st.sampled_from("xz9")))
    assume(sent not in known)

    assert [part.nearest for part in unknown_parameters(known, [sent, name, sent])] == [name]


def test_every_public_route_looks() -> None:
    silent = [
        route.path
        for route in _ROUTES
        if all(
            not isinstance(dependency.call, FieldCheck)
            for dependency in route.dependant.dependencies
        )
    ]

    assert silent == []


def test_bodies_are_searched_by_the_rules_of_their_package() -> None:
    rules = {
        route.path: check.call.rules
        for route in _ROUTES
        if route.body_field
        for check in route.dependant.dependencies
        if isinstance(check.call, FieldCheck)
    }

    for path, found in rules.items():
        is_task = path.startswith("/api/v1/tasks")
        is_workflow = path.startswith("/api/v1/workflows")
        expected = TASK_RULES if is_task else WORKFLOW_RULES if is_workflow else SearchRules()
        assert found == expected, path
    assert {"/api/v1/tasks/", "/api/v1/workflows/", "/api/v1/training/"} <= rules.keys()


def _found(body: Json, *schemas: type[BaseModel]) -> dict[str, str | None]:
    return {part.path: part.nearest for part in _search(schemas or _CREATES, body)}


def test_misplaced_field_is_told_its_place() -> None:
    body = {
        "task_type": "GENERATION",
        "num_inference_steps": 2,
        "rembg_model": "u2netp",
        "lora_path": "a",
        "config": {"seed": 3, "my_own": 1},
    }

    found = _found(body)

    assert found["body.num_inference_steps"] == "body.config.num_inference_steps"
    assert found["body.rembg_model"] == "body.provider_config.rembg_model"
    assert found["body.lora_path"] == "style_model_path"
    assert found["body.config.seed"] == "body.seed"
    assert "body.config.my_own" in found


@pytest.mark.parametrize("fallback", [{}, {"fallback_provider_type": "fal_standard"}])
def test_an_app_is_named_in_the_providers_configuration(fallback: Json) -> None:
    body = {"task_type": "VIDEO_GENERATION", "fal_app_id": "fal-ai/veo3.1"}
    assert _found(body | fallback) == {"body.fal_app_id": "body.provider_config.fal_app_id"}


@pytest.mark.parametrize("kind", list(TaskType))
def test_an_app_in_config_is_known_where_it_is_read(kind: TaskType) -> None:
    is_known = not _found({"task_type": kind, "config": {"fal_app_id": "a/b"}})
    assert is_known == (has_apps(kind) or not engine_config(kind))


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("fal_standard", "fal_request_id"),
        ("fal_shootify_refiner", "fal_request_id"),
        ("fal_garment_fixer", "fal_request_id"),
        ("fashn_standard", "fashn_task_id"),
    ],
)
@pytest.mark.parametrize("field", ["provider_config", "fallback_provider_config"])
def test_an_id_that_the_provider_gives_is_told(provider: str, name: str, field: str) -> None:
    config = {"provider_type": provider, name: "x", "fal_app_id": "a/b"}
    step = {"task_type": "REFINE", field: config}
    found = [each.path for each in _search(_CREATES, step)]
    assert f"body.{field}.{name}" in found
    assert f"body.steps.0.{field}.{name}" in _found(_step(step), CreateWorkflow)
    is_field = provider != "fal_garment_fixer"  # where it is unknown, also without a value
    without = _found({**step, field: config | {name: None}})
    assert (f"body.{field}.{name}" not in without) == is_field


def test_what_is_free_by_design_is_not_judged() -> None:
    bodies: list[Json] = [
        {"task_type": "EXPERIMENTAL_FAL", "fal_parameters": {"promt": 1}},
        {
            "task_type": "GENERATION",
            "provider_config": {
                "provider_type": "fal_standard",
                "additional_static_params": {"promt": 1},
            },
            "config": {"backend_generation_id": 1, "prompt_id": 1},
        },
    ]

    assert [_found(body) for body in bodies] == [{}, {}]


def test_misspelled_schema_of_a_reply_is_told() -> None:
    body = {"task_type": "LLM_INTERACTION", "config": {"output_shema": {}}}
    assert _found(body).keys() == {"body.config.output_shema"}
    assert _found({"config": {"promt": 1}}, CreateWorkflow) == {}
    transforms = {"preprocessing_transforms": [{"type": "resize", "sise": 1}]}
    assert _found(transforms, TrainingTaskCreate) == {}


def test_type_is_found_by_fields_where_it_is_not_named() -> None:
    by_fields = {"prompt": "a", "origin_instance": "a", "base_image": "b", "strenth": 1}

    assert _found(by_fields | {"config": {"strenth": 1}}) == {
        "body.strenth": "body.config.strength",
        "body.config.strenth": "strength",
    }
    assert _found({"task_type": "BACKGROUND_REMOVAL", "input_image_path": []}) == {
        "body.input_image_path": "input_image_paths"
    }


@pytest.mark.parametrize("task_type", ["NO_SUCH", 3, None, [], {}])
def test_body_of_no_type_is_not_judged(task_type: object) -> None:
    assert _found({"task_type": task_type, "promt": 1}) == {}


def test_change_names_what_it_cannot_change() -> None:
    parts = list(_search((AnyTaskPublicUpdate,), {"width": 3, "statsu": 1}))
    parts += _search((WorkflowUpdate,), {"steps": [], "nane": "a"})

    assert {part.path: (part.nearest, part.why) for part in parts} == {
        "body.width": (None, "it cannot be changed here"),
        "body.statsu": ("status", "there is no such field"),
        "body.steps": (None, "it cannot be changed here"),
        "body.nane": ("name", "there is no such field"),
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["task_type", "config", "steps", "provider_config", "provider_type", "é", "id"]
            )
            | st.text(max_size=5),
            children,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([_CREATES, _WORKFLOW, (TrainingTaskCreate,)]))
def test_any_json_can_be_searched(body: object, schemas: tuple[type[BaseModel], ...]) -> None:
    parts = list(_search(schemas, body))

    assert all(isinstance(part, IgnoredField) for part in parts)


@pytest.mark.parametrize("value", ["x", 3, True, ["x"], None, {"provider_type": {}}])
@pytest.mark.parametrize("field", ["config", "provider_config", "fallback_provider_config"])
def test_part_of_another_kind_is_left_to_validation(field: str, value: object) -> None:
    body = {"task_type": "REFINE", field: value, "provider_type": value, "zzz": 1}

    assert "body.zzz" in _found(body)
    assert "body.steps.0.zzz" in _found(_step(body), CreateWorkflow)


def test_many_unknown_fields_take_no_time() -> None:
    body = {"task_type": TaskType.GENERATION} | {f"f{i}": 1 for i in range(100_000)}

    assert sum(1 for _ in _search(_CREATES, body)) == 100_000


_STEP = {"id": "a", "task_type": "GENERATION", "config": {"zz": 1}}


def test_lists_within_a_list_are_not_searched() -> None:
    body = {"name": "a", "origin_instance": "a", "steps": [[_STEP], _STEP]}

    assert _found(body, CreateWorkflow).keys() == {"body.steps.1.config.zz"}


def test_of_very_many_objects_the_first_are_searched() -> None:
    body = {"name": "a", "origin_instance": "a", "steps": [_STEP] * 20_000}

    parts = list(_search((CreateWorkflow,), body))
    assert 1000 < len(parts) < 10_000
