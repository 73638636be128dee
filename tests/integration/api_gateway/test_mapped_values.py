"""Mappings over REST: types known to differ are 422; types that may fit are 201 and readable."""

from typing import Any

import httpx
import pytest

from api_gateway.tasks.schemas.unions import SCHEMAS
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from tests.fixtures.gateway import Gateway
from tests.fuzz.report import leaked_internals
from tests.integration.api_gateway.conftest import Staff
from tests.integration.api_gateway.test_workflow_lifecycle import reached
from tests.integration.api_gateway.test_workflows import GENERATE, workflow

PICTURE = "https://images.example.com/a.png"
GENERATED = GENERATE | {"id": "a"}
FACE = {"id": "a", "task_type": "FACE_ENHANCER", "config": {"input_image": PICTURE}}
ANSWER = {"id": "a", "task_type": "LLM_INTERACTION", "config": {"prompt": "how wide?"}}
CUT_OUT = {"id": "a", "task_type": "BACKGROUND_REMOVE", "config": {"input_image_paths": [PICTURE]}}
APP = {"id": "a", "task_type": "EXPERIMENTAL_FAL", "config": {"fal_app_id": "a/b"}}
CONFIGS: dict[str, dict[str, Any]] = {
    "GENERATION": {"prompt": "a red dress", "width": 64, "height": 64},
    "REFINE": {"base_image_url": PICTURE, "upscale_factor": 2},
    "BACKGROUND_REMOVE": {},
    "BACKGROUND_FIX": {"base_image": PICTURE, "palette_image": PICTURE},
    "IMAGE_ADJUSTER": {"input_image": PICTURE},
    "EXPERIMENTAL_FAL": {"fal_app_id": "a/b"},
}

SIZES = {"width": 64, "height": 64}
KNOWN_CONFLICTS = ("both or neither", "not all of them", "lacks the capability")
"""With what an example has besides."""


def target(task_type: str, *links: tuple[str, ...], **config: Any) -> dict[str, Any]:
    """Return a step with mapped fields of the step `a`: (from_field, to_field, transform)."""
    names = ("from_field", "to_field", "transform")
    mappings = [{"from_step": "a"} | dict(zip(names, link, strict=False)) for link in links]
    own = CONFIGS[task_type] | config
    return {"id": "b", "task_type": task_type, "config": own, "input_mappings": mappings}


async def create(api: httpx.AsyncClient, *steps: dict[str, Any]) -> httpx.Response:
    answer = await api.post("/api/v1/workflows/?start=false", json=workflow(*steps))
    assert leaked_internals(answer.text) is None, answer.text
    return answer


@pytest.mark.parametrize(
    ("source", "link", "task_type", "words"),
    [
        (
            GENERATED,
            ("result_image_path", "input_image_paths"),
            "BACKGROUND_REMOVE",
            "a.result_image_path is a text, but 'input_image_paths' of BACKGROUND_REMOVE takes a "
            "list of texts; use the transform to_list",
        ),
        (
            CUT_OUT,
            ("result_image_paths", "base_image_url"),
            "REFINE",
            "use the transform first",
        ),
        (CUT_OUT, ("result_image_paths", "prompt", "to_list"), "GENERATION", "transform first"),
        (ANSWER, ("result_text", "seed"), "GENERATION", "use the transform to_int"),
        (ANSWER, ("input_tokens", "prompt"), "GENERATION", "use the transform to_string"),
        (FACE, ("final_ssim_score", "width"), "GENERATION", "use the transform to_int"),
        (FACE, ("attempts_used", "width", "to_string"), "GENERATION", "leave the transform out"),
        (FACE, ("face_detected", "prompt", "to_list"), "GENERATION", "is a list of truth values"),
        (CUT_OUT, ("result_image_paths", "seed", "to_int"), "GENERATION", "to_int cannot convert"),
        (CUT_OUT, ("rembg_model_used", "strategy"), "BACKGROUND_FIX", "one of lab_shift, replace"),
        (GENERATED, ("result_image_path", "seed"), "GENERATION", "map another field"),
        (
            GENERATED,
            ("result_image_path", "fal_parameters"),
            "EXPERIMENTAL_FAL",
            "map it to a key of that, such as fal_parameters.value",
        ),
    ],
)
async def test_types_that_are_known_to_differ_are_refused_with_the_remedy(
    gateway: Gateway,
    api: httpx.AsyncClient,
    source: dict[str, Any],
    link: tuple[str, ...],
    task_type: str,
    words: str,
) -> None:
    before = await gateway.row_counts()
    answer = await create(api, source, target(task_type, link))
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "steps", 1, "input_mappings", 0, "transform"]
    assert words in fault["msg"]
    assert await gateway.row_counts() == before


ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (GENERATED, target("BACKGROUND_REMOVE", ("result_image_path", "input_image_paths", "to_list"))),
    (GENERATED, target("REFINE", ("result_image_path", "base_image_url", "first"))),
    (ANSWER, target("GENERATION", ("result_text", "seed", "to_int"))),
    (ANSWER, target("GENERATION", ("result_json", "width"))),
    (ANSWER, target("BACKGROUND_FIX", ("result_text", "strategy"))),
    (FACE, target("REFINE", ("attempts_used", "upscale_factor"))),
    *(
        (source, target("IMAGE_ADJUSTER", (field, f"margin_{side}")))
        for source, field in ((FACE, "final_ssim_score"), (APP, "level"))
        for side in ("top", "bottom", "left", "right")
    ),
    (APP, target("IMAGE_ADJUSTER", ("a", "margin_top"), ("b", "margin_bottom"))),
    (APP, target("IMAGE_ADJUSTER", ("a", "margin_top"), margin_bottom=0.9)),
    (APP, target("IMAGE_ADJUSTER", ("a", "target_width"), ("b", "target_height"))),
    (APP, target("IMAGE_ADJUSTER", ("a", "aspect_ratio"))),
    (APP, target("BACKGROUND_FIX", ("level", "light_threshold"))),
    (APP, target("BACKGROUND_FIX", ("level", "shadow_threshold"))),
    (APP, target("BACKGROUND_FIX", ("a", "shadow_threshold"), ("b", "light_threshold"))),
    (APP, target("BACKGROUND_FIX", ("mode", "strategy"), shadow_threshold=255)),
    (APP, target("BACKGROUND_FIX", ("mode", "strategy"))),
    (APP, target("REFINE", ("a", "upscale_factor"), upscale_factor=None)),
    (APP, target("REFINE", ("a", "upscale_enabled"), upscale_factor=None)),
    (APP, target("REFINE", ("a", "face_detail_enabled"))),
]


@pytest.mark.parametrize(("source", "step"), ACCEPTED)
async def test_what_may_fit_is_created_and_can_be_read(
    api: httpx.AsyncClient, source: dict[str, Any], step: dict[str, Any]
) -> None:
    answer = await create(api, source, step)
    assert answer.status_code == 201, answer.text
    task_id = answer.json()["steps"][1]["task_id"]
    for path in (
        f"/api/v1/tasks/{task_id}",
        f"/api/v1/monitoring/tasks/{task_id}",
        f"/api/v1/monitoring/tasks/{task_id}/media",
        f"/api/v1/workflows/{answer.json()['id']}",
        f"/api/v1/monitoring/workflows/{answer.json()['id']}",
        f"/api/v1/tasks/?task_type={step['task_type']}&limit=1",
    ):
        found = await api.get(path)
        assert found.status_code == 200, (path, found.text)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            target("IMAGE_ADJUSTER", ("a", "margin_top"), margin_bottom=1),
            "no value that is mapped to margin_top is valid: margin_top and margin_bottom must add",
        ),
        (
            target("BACKGROUND_FIX", ("a", "light_threshold"), shadow_threshold=255),
            "no value that is mapped to light_threshold is valid: shadow_threshold must be below "
            "light_threshold; they are 255 and 255",
        ),
        (
            target("BACKGROUND_FIX", ("a", "shadow_threshold"), light_threshold=0),
            "no value that is mapped to shadow_threshold is valid",
        ),
        (target("IMAGE_ADJUSTER", ("a", "target_width")), "both or neither"),
        (
            target("IMAGE_ADJUSTER", ("a", "aspect_ratio"), target_width=64, target_height=64),
            "not all of them",
        ),
        (target("REFINE", ("a", "target_width"), upscale_factor=None), "both or neither"),
    ],
)
async def test_conflict_that_is_known_already_is_refused(
    api: httpx.AsyncClient, step: dict[str, Any], words: str
) -> None:
    answer = await create(api, APP, step)
    assert answer.status_code == 422, answer.text
    assert any(words in fault["msg"] for fault in answer.json()["detail"]), answer.text


async def test_value_that_does_not_fit_fails_its_step_and_leaves_its_record_as_it_was(
    staff: Staff,
) -> None:
    """The value goes from an app's response to the record, on real Postgres and Temporal."""
    staff.runs.provider.results = {"level": 300, "wide": 4}
    shift = target("BACKGROUND_FIX", ("level", "light_threshold"))
    draw = target("GENERATION", ("wide", "width")) | {"id": "c"}
    async with staff.client() as api, staff.workflow_worker(), staff.runs.provider_worker():
        created = await api.post("/api/v1/workflows/", json=workflow(APP, shift, draw))
        ended = await reached(api, created.json(), "COMPLETED", "FAILED")
        tasks = [
            (await api.get(f"/api/v1/tasks/{step['task_id']}")).json() for step in ended["steps"]
        ]
    assert [task["status"] for task in tasks] == ["COMPLETED", "FAILED", "FAILED"]
    assert {task["error_category"] for task in tasks[1:]} == {"VALIDATION"}
    assert tasks[1]["errors"] == [
        "a.level is 300 and cannot be mapped to light_threshold: "
        "light_threshold: Input should be less than or equal to 255"
    ]
    assert tasks[2]["errors"] == [
        "a.wide is 4 and cannot be mapped to width: "
        "the model generates sides of 16 to 64 px in steps of 16, not 4"
    ]
    assert tasks[1]["light_threshold"] is None
    assert tasks[2]["width"] is None


async def test_what_is_mapped_asks_for_no_capability_before_it_is_there(
    api: httpx.AsyncClient,
) -> None:
    """The value may be false; the provider is checked once it is known."""
    provider = {"provider_config": {"provider_type": "sartiq_ultimate_refiner"}}
    answer = await create(api, APP, target("REFINE", ("a", "face_detail_enabled")) | provider)
    assert answer.status_code == 201, answer.text
    given = target("REFINE", ("a", "upscale_steps"), face_detail_enabled=True) | provider
    assert (await create(api, APP, given)).status_code == 422


@pytest.mark.parametrize("task_type", list(TaskType))
async def test_every_input_can_be_mapped_from_an_app(
    api: httpx.AsyncClient, task_type: TaskType
) -> None:
    """An app's response is known later: no placeholder fails a check of any type."""
    example = SCHEMAS[task_type].create.model_json_schema()["example"]
    names = TASK_TYPES[task_type].inputs.model_fields.keys() - set(LORA_FIELDS)
    for name in names:
        config = {key: value for key, value in example.items() if key in names - {name}} | SIZES
        mapping = {"from_step": "a", "from_field": "x", "to_field": name}
        step = {"id": "b", "task_type": task_type, "config": config, "input_mappings": [mapping]}
        answer = await create(api, APP, step)
        if answer.status_code != 201:
            assert answer.status_code == 422, (name, answer.text)
            assert any(word in answer.text for word in KNOWN_CONFLICTS), (name, answer.text)
