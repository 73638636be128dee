"""Limits of an authenticated caller: size of responses and records, time on the event loop."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from tests.fixtures.gateway import Gateway
from tests.fixtures.pictures import picture as picture_of

GENERATION = {"task_type": "GENERATION", "prompt": "x", "origin_instance": "shop"}
TRAINING = {"trigger_word": "x", "origin_instance": "shop", "source_images": ["https://a.example"]}
EVALUATION = {
    "image_url": "https://a.example",
    "expected_framing": "full_body",
    "expected_view_angle": "front",
}


def step(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "task_type": "GENERATION", "config": {"prompt": "x"}, **fields}


def workflow(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "a", "origin_instance": "shop", "steps": list(steps), **fields}


MANY = range(200)
CREATES: dict[str, dict[str, Any]] = {
    "tasks": GENERATION,
    "workflows": workflow(step("a"), step("b", depends_on=[], input_mappings=[])),
    "training": TRAINING,
    "evaluation": EVALUATION,
}
_WRONG = {
    "names of steps that are not there": workflow(
        *(step(f"{i:0>100}", depends_on=[f"u{j}" for j in MANY]) for i in MANY)
    ),
    "mappings that fit nothing": workflow(
        step("a"),
        *(
            step(
                f"s{i}",
                input_mappings=[{"from_step": "a", "from_field": "x", "to_field": "y" * 500}] * 50,
            )
            for i in range(199)
        ),
    ),
    "empty mappings": workflow(*(step(f"s{i}", input_mappings=[{}] * 50) for i in MANY)),
    "dependencies that are no names": workflow(
        *(step(f"s{i}", depends_on=[1] * 200) for i in MANY)
    ),
    "a cycle through every step": workflow(
        *(step(f"{i:0>100}", depends_on=[f"{(i + 1) % 200:0>100}"]) for i in MANY)
    ),
    "steps whose every field is wrong": workflow(
        *(
            step(f"s{i}", config={"prompt": 1, "width": "x" * 999, "height": [], "seed": -1})
            for i in MANY
        )
    ),
}


@pytest.mark.parametrize("name", _WRONG)
async def test_faults_of_a_workflow_are_listed_in_few_bytes_and_little_time(
    api: httpx.AsyncClient, name: str
) -> None:
    content = json.dumps(_WRONG[name]).encode()
    began_s = time.process_time()
    response = await api.post(
        "/api/v1/workflows/", content=content, headers={"content-type": "application/json"}
    )

    assert time.process_time() - began_s < 2
    assert response.status_code == 422
    assert len(response.content) <= 64 * 1024
    assert len(response.json()["detail"]) <= 51


@pytest.mark.parametrize(
    ("collection", "body"),
    [
        ("tasks", GENERATION | {"active_provider_capabilities": [0] * 99_000}),
        ("tasks", GENERATION | {"task_type": "LLM_INTERACTION", "input_images": [0] * 99_000}),
        ("training", TRAINING | {"source_images": [0] * 99_000}),
        ("training", TRAINING | {"preprocessing_transforms": [{}] * 49_000}),
        ("workflows", workflow(*[{}] * 49_000)),
        ("tasks", GENERATION | {"active_provider_capabilities": [0] * 250_000}),
    ],
)
async def test_list_of_wrong_items_holds_nobody_up(
    api: httpx.AsyncClient, collection: str, body: dict[str, Any]
) -> None:
    began_s = time.process_time()
    response = await api.post(f"/api/v1/{collection}/", json=body)

    assert time.process_time() - began_s < 2
    assert response.status_code in {413, 422}
    assert len(response.content) < 1000
    assert "at most" in response.text or "more than" in response.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=20), children, max_size=5)
    ),
    max_leaves=10,
)


def _large(value: Any) -> st.SearchStrategy[Any]:
    """Values of all sizes made of one."""
    many = st.sampled_from([1, 40, 3000])
    lists = many.map(lambda times: [value] * times)
    keys = many.map(lambda times: {f"key {i}": value for i in range(times)})
    texts = many.map(lambda times: str(value) * times)
    return lists | keys | texts | st.just(value)


def _places(value: Any, *path: str | int) -> list[tuple[str | int, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    below = [
        place
        for name, part in parts
        for place in (_places(part, *path, name) if isinstance(part, dict | list) else [])
    ]
    names = value if isinstance(value, dict) else range(len(value))
    return [*below, *((*path, name) for name in names)]


def _with(value: Any, path: tuple[str | int, ...], part: Any) -> Any:
    if not path:
        return part
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(copy[path[0]], path[1:], part)
    return copy


@st.composite
def _spoilt(draw: Callable[[st.SearchStrategy[Any]], Any]) -> tuple[str, bytes]:
    """A create request with some values replaced, many by large ones, and steps repeated."""
    collection = draw(st.sampled_from(["workflows", "workflows", *CREATES]))
    body = CREATES[collection]
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(_places(body)))
        body = _with(body, place, draw(_large(draw(JSON))))
    if collection == "workflows" and isinstance(body.get("steps"), list):
        body = body | {"steps": body["steps"] * draw(st.sampled_from([1, 100]))}
    return collection, json.dumps(body).encode()


@pytest.fixture(scope="module")
async def one_api(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        yield client


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_spoilt())
async def test_no_refusal_is_large(one_api: httpx.AsyncClient, spoilt: tuple[str, bytes]) -> None:
    collection, content = spoilt
    response = await one_api.post(
        f"/api/v1/{collection}/", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code < 500 or collection == "evaluation"
    if response.status_code == 422:
        target(float(len(response.content)))
        assert len(response.content) <= 64 * 1024


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "tasks/7"),
        ("PUT", "tasks/generation/7"),
        ("PATCH", "workflows/7"),
        ("DELETE", "admin/lora"),
        ("POST", "tasks/7/cancel"),
    ],
)
async def test_what_can_bring_no_picture_is_small(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    body = json.dumps({"config": {"a": "x" * 2_100_000}}).encode()
    headers = {"content-type": "application/json"}
    response = await api.request(method, f"/api/v1/{path}", content=body, headers=headers)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert "2097152 bytes" in response.json()["detail"]


async def test_stranger_is_a_stranger_whatever_it_sends(gateway: Gateway) -> None:
    async with gateway.client(None) as stranger:
        response = await stranger.put("/api/v1/tasks/7", content=b"x" * 3_000_000)
    assert response.status_code == 401


_JSON_TYPE = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/nowhere", b"", 404),
        ("GET", "/api/v1/nowhere", b"", 404),
        ("PATCH", "/api/v1/tasks/", b"", 405),
        ("POST", "/livez", b"", 405),
        ("PUT", "/api/v1/tasks/7", b"x" * 3_000_000, 413),
        ("POST", "/api/v1/tasks/", b"[" * 200_000, 413),
        ("POST", "/api/v1/tasks/", b'{"prompt": "\xff"}', 400),
        ("POST", "/api/v1/tasks/", b"[" * 50_000, 400),
    ],
)
async def test_error_before_any_route_is_a_problem(
    api: httpx.AsyncClient, method: str, path: str, content: bytes, status: int
) -> None:
    response = await api.request(method, path, content=content, headers=_JSON_TYPE)

    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


async def test_json_that_is_none_says_where(api: httpx.AsyncClient) -> None:
    response = await api.post("/api/v1/tasks/", content=b'{"prompt": ', headers=_JSON_TYPE)

    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault == {
        "loc": ["body", 11],
        "msg": "the body is not valid JSON: Expecting value",
        "type": "json_invalid",
    }


@pytest.mark.parametrize(
    ("collection", "body"),
    [
        ("tasks", GENERATION | {"prompt": "\u65e5" * 400_000}),
        ("workflows", workflow(step("a", config={"prompt": "\u65e5" * 400_000}))),
        ("training", TRAINING | {"sample_prompts": ["\u65e5" * 400_000]}),
    ],
)
async def test_size_of_a_run_is_counted_in_bytes(
    gateway: Gateway, api: httpx.AsyncClient, collection: str, body: dict[str, Any]
) -> None:
    before = await gateway.row_counts()
    response = await api.post(f"/api/v1/{collection}/", json=body)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert "bytes" in response.json()["detail"]
    assert await gateway.row_counts() == before


async def test_run_of_nearly_as_many_bytes_is_taken(api: httpx.AsyncClient) -> None:
    body = GENERATION | {"prompt": "\u65e5" * 340_000}
    assert (await api.post("/api/v1/tasks/", json=body)).status_code == 201


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": "x" * 65_536}, "at most 65536 are kept"),
        ({"a": "\u65e5" * 30_000}, "at most 65536 are kept"),
        (_nested(30), "nested more than 20 levels deep"),
        ({"a": [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}, "nested more than 20 levels deep"),
    ],
)
async def test_config_of_a_workflow_is_small(
    api: httpx.AsyncClient, config: dict[str, Any], message: str
) -> None:
    response = await api.post("/api/v1/workflows/", json=workflow(step("a"), config=config))

    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert fault["loc"] == ["body", "config"]
    assert message in fault["msg"]


async def test_config_of_a_workflow_is_kept_as_it_is(api: httpx.AsyncClient) -> None:
    config = {"a": "x" * 60_000, "b": _nested(18)}
    response = await api.post("/api/v1/workflows/", json=workflow(step("a"), config=config))

    assert response.status_code == 201
    assert response.json()["config"] == config


@pytest.mark.parametrize(
    ("task_type", "given_as", "recorded_as"),
    [
        ("GENERATION", "reference_image_data", "reference_image_url"),
        ("EDITING", "base_image_data", "base_image"),
        ("EDITING", "base_image", "base_image"),
    ],
)
async def test_record_of_a_step_names_its_picture(
    api: httpx.AsyncClient, task_type: str, given_as: str, recorded_as: str
) -> None:
    picture = base64.b64encode(picture_of(size=(64, 64))).decode()
    config = {"prompt": "x", "free": 1, given_as: picture}
    body = workflow({"id": "a", "task_type": task_type, "config": config})
    response = await api.post("/api/v1/workflows/?start=false", json=body)

    assert response.status_code == 201, response.text
    recorded = response.json()["steps"][0]["config"]
    assert recorded.pop(recorded_as).endswith(".png")
    assert recorded == {"prompt": "x", "free": 1}
