"""Workflows over REST: the DAG is checked completely, written completely, and started once."""

from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway

GENERATE: dict[str, Any] = {
    "id": "generate",
    "task_type": "GENERATION",
    "config": {"prompt": "a red dress", "width": 64, "height": 64},
}
REFINE: dict[str, Any] = {
    "id": "refine",
    "task_type": "REFINE",
    "config": {"upscale_factor": 2.0},
    "depends_on": ["generate"],
    "input_mappings": [
        {
            "from_step": "generate",
            "from_field": "result_image_path",
            "to_field": "base_image_url",
        }
    ],
}


def workflow(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "one", "origin_instance": "shop", "steps": list(steps)} | fields


async def test_created_workflow_has_its_steps_and_tasks_and_is_started(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answer = await api.post("/api/v1/workflows/", json=workflow(REFINE, GENERATE))

    assert answer.status_code == 201
    created = answer.json()
    assert (created["status"], created["progress"]) == ("RUNNING", 0)
    assert (created["total_steps"], created["final_step_id"]) == (2, "refine")
    assert [step["step_id"] for step in created["steps"]] == ["generate", "refine"]
    for step in created["steps"]:
        task = (await api.get(f"/api/v1/tasks/{step['task_id']}")).json()
        assert (task["status"], task["task_type"]) == ("PENDING", step["task_type"])
        assert task["celery_task_id"] == created["canvas_task_id"]
    assert (await api.get(f"/api/v1/workflows/{created['id']}")).json() == created
    handle = gateway.resources.temporal.get_workflow_handle(f"workflow-{created['id']}")
    assert (await handle.describe()).search_attributes["Kind"] == ["workflow"]
    await handle.terminate()


async def test_workflow_that_is_not_started_stays_pending(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answer = await api.post("/api/v1/workflows/?start=false", json=workflow(GENERATE))

    assert answer.json()["status"] == "PENDING"
    assert answer.json()["started_at"] is None
    found = gateway.resources.temporal.list_workflows(
        f"WorkflowId = 'workflow-{answer.json()['id']}'"
    )
    assert [run async for run in found] == []


async def test_list_is_newest_first_filtered_and_paged(api: httpx.AsyncClient) -> None:
    origin = {"origin_instance": "lister"}
    ids = [
        (
            await api.post("/api/v1/workflows/?start=false", json=workflow(GENERATE, **origin))
        ).json()["id"]
        for _ in range(3)
    ]

    async def listed(query: str) -> dict[str, Any]:
        return (await api.get(f"/api/v1/workflows/?origin_instance=lister&{query}")).json()

    page = await listed("limit=2")
    assert [item["id"] for item in page["workflows"]] == [ids[2], ids[1]]
    assert (page["total"], page["skip"], page["limit"]) == (3, 0, 2)
    assert [item["id"] for item in (await listed("skip=2"))["workflows"]] == [ids[0]]
    assert (await listed("status=PENDING"))["total"] == 3
    assert (await listed("status=RUNNING"))["total"] == 0
    assert (await api.get("/api/v1/workflows/?status=NONE")).status_code == 422


def step(step_id: str, **fields: Any) -> dict[str, Any]:
    return GENERATE | {"id": step_id} | fields


def mapped(**fields: Any) -> dict[str, Any]:
    return REFINE | {"input_mappings": [REFINE["input_mappings"][0] | fields]}


def app_step(source: str, **fields: Any) -> dict[str, Any]:
    mapping = {"from_step": source, "from_field": "result_image_path"}
    target = {"to_field": "fal_parameters.image_url", "transform": "to_url"}
    return step(
        "app",
        task_type="EXPERIMENTAL_FAL",
        config={"fal_app_id": "fal-ai/x"},
        input_mappings=[mapping | target | fields],
    )


def again(*to_fields: str) -> dict[str, Any]:
    mapping = {"from_step": "generate", "from_field": "result_image_path"}
    return step("again", input_mappings=[mapping | {"to_field": name} for name in to_fields])


async def test_a_url_of_a_result_may_be_a_parameter_of_an_app(api: httpx.AsyncClient) -> None:
    body = workflow(GENERATE, app_step("generate"))
    answer = await api.post("/api/v1/workflows/?start=false", json=body)
    assert answer.status_code == 201, answer.text


REFUSED: list[tuple[dict[str, Any], list[Any], str]] = [
    (workflow(), ["body", "steps"], ""),
    (workflow(*(step(str(i)) for i in range(201))), ["body", "steps"], ""),
    (workflow(GENERATE, GENERATE), ["body", "steps", 1, "id"], "twice"),
    (workflow(REFINE), ["body", "steps", 0, "depends_on", 0], "no step 'generate'"),
    (
        workflow(step("a", depends_on=["b"]), step("b", depends_on=["a"])),
        ["body", "steps", 0, "depends_on"],
        "cycle",
    ),
    (workflow(step("a", depends_on=["a"])), ["body", "steps", 0, "depends_on"], "cycle"),
    (
        workflow(GENERATE, mapped(from_field="result_text")),
        ["body", "steps", 1, "input_mappings", 0, "from_field"],
        "result_image_path",
    ),
    (
        workflow(GENERATE, mapped(to_field="prompt")),
        ["body", "steps", 1, "input_mappings", 0, "to_field"],
        "base_image_url",
    ),
    (
        workflow(GENERATE, mapped(transform="to_url")),
        ["body", "steps", 1, "input_mappings", 0, "transform"],
        "takes the path itself",
    ),
    (
        workflow(
            step("ask", task_type="LLM_INTERACTION", config={"prompt": "a"}),
            app_step("ask", from_field="result_text", transform="to_url"),
        ),
        ["body", "steps", 1, "input_mappings", 0, "transform"],
        "'result_text' is none",
    ),
    (
        workflow(GENERATE, again("subject_model_path")),
        ["body", "steps", 1, "input_mappings", 0, "to_field"],
        "is not an input",
    ),
    (
        workflow(GENERATE, again("reference_image_url", "reference_image_data")),
        ["body", "steps", 1, "input_mappings", 1, "to_field"],
        "'reference_image_url' is mapped twice",
    ),
    (
        workflow(GENERATE, app_step("generate", to_field="prompt.image")),
        ["body", "steps", 1, "input_mappings", 0, "to_field"],
        "is not an input",
    ),
    (
        workflow(step("a", config={"prompt": "a", "width": 1024})),
        ["body", "steps", 0, "config", "width"],
        "64",
    ),
    (workflow(step("a", config={})), ["body", "steps", 0, "config", "prompt"], ""),
    (
        workflow(step("a", config={"prompt": "a", "num_inference_steps": 0})),
        ["body", "steps", 0, "config", "config"],
        "num_inference_steps",
    ),
    (
        workflow(GENERATE, REFINE | {"config": {}}),
        ["body", "steps", 1, "config"],
        "upscale_factor",
    ),
    (
        workflow(GENERATE, REFINE | {"provider_config": {"provider_type": "vertex"}}),
        ["body", "steps", 1],
        "",
    ),
    (
        workflow(step("a", task_type="IMAGE_ADJUSTER")),
        ["body", "steps", 0, "config", "input_image"],
        "",
    ),
]


async def test_alias_is_mapped_as_the_field_that_it_means(api: httpx.AsyncClient) -> None:
    """The step's own value for it is left out, by whichever name."""
    config = {"reference_image_data": "aGk="}
    last = again("reference_image_data")
    body = workflow(GENERATE, last | {"config": last["config"] | config})
    answer = await api.post("/api/v1/workflows/?start=false", json=body)
    assert answer.status_code == 201, answer.text
    [mapping] = answer.json()["steps"][1]["input_mappings"]
    assert mapping["to_field"] == "reference_image_url"


@pytest.mark.parametrize(("body", "place", "words"), REFUSED)
async def test_refused_workflow_names_the_place_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, body: dict[str, Any], place: list[Any], words: str
) -> None:
    before = await gateway.row_counts()

    answer = await api.post("/api/v1/workflows/", json=body)

    assert answer.status_code == 422, answer.text
    faults = answer.json()["detail"]
    told = [fault for fault in faults if fault["loc"][: len(place)] == place]
    assert told, faults
    assert any(words in fault["msg"] for fault in told), told
    assert await gateway.row_counts() == before


async def test_cycle_is_told_with_its_steps(api: httpx.AsyncClient) -> None:
    steps = [step("a", depends_on=["c"]), step("b", depends_on=["a"]), step("c", depends_on=["b"])]

    answer = await api.post("/api/v1/workflows/", json=workflow(*steps))

    message = answer.json()["detail"][0]["msg"]
    assert all(f"{name}" in message for name in "abc")
    assert "→" in message
