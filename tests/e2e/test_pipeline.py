"""The example of the API reference end to end."""

import io
import json

from PIL import Image
from temporalio.client import Client

from local_stack.example import example_workflow
from tests.fixtures.platform import Platform


async def test_reference_example_makes_and_refines_a_picture(platform: Platform) -> None:
    created = await platform.post("/api/v1/workflows/", json.loads(example_workflow(seed=3)))
    assert created["status"] == "RUNNING"

    workflow = await platform.completed(f"/api/v1/workflows/{created['id']}")

    assert workflow["progress"] == 100
    assert [step["status"] for step in workflow["steps"]] == ["COMPLETED", "COMPLETED"]
    final = workflow["final_step_result"]["result_image_path"]
    assert final == workflow["steps"][1]["result"]["result_image_path"]
    assert Image.open(io.BytesIO(await platform.picture(final))).size == (128, 128)
    for step in workflow["steps"]:
        task = (await platform.api.get(f"/api/v1/tasks/{step['task_id']}")).json()
        assert task["status"] == "COMPLETED"
        assert task["progress"] == 100
        assert task["result_image_path"] == step["result"]["result_image_path"]
        stored = await platform.objects.get(task["result_image_path"])
        assert stored == await platform.picture(task["result_image_path"])


async def test_default_model_completes_the_first_examples_of_the_document(
    platform: Platform,
) -> None:
    document = (await platform.api.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for path, name in (("tasks", "CreateGenerationTask"), ("workflows", "CreateWorkflow")):
        created = await platform.post(f"/api/v1/{path}/", schemas[name]["example"])
        await platform.completed(f"/api/v1/{path}/{created['id']}")


async def test_run_is_readable_in_the_web_ui(platform: Platform) -> None:
    created = await platform.post("/api/v1/workflows/", json.loads(example_workflow()))
    await platform.completed(f"/api/v1/workflows/{created['id']}")
    endpoints = platform.stack.endpoints
    client = await Client.connect(endpoints.temporal_address, namespace=endpoints.namespace)

    description = await client.get_workflow_handle(f"workflow-{created['id']}").describe()

    assert description.workflow_type == "Pipeline"
    assert await description.static_summary() == "Fashion Image Pipeline: generate → refine"
    assert "`refine`: REFINE" in str(await description.static_details())
    assert description.search_attributes["Kind"] == ["workflow"]
    assert description.search_attributes["OriginInstance"] == ["local-demo"]
    page = await platform.api.get(endpoints.run_url(created["id"]))
    assert page.status_code == 200


async def test_same_seed_gives_the_same_pixels_and_another_prompt_does_not(
    platform: Platform,
) -> None:
    first, again, other = [
        await platform.pixels((await platform.generate(**fields))["result_image_path"])
        for fields in ({}, {}, {"prompt": "a white sneaker"})
    ]

    assert first == again
    assert first != other


async def test_missing_seed_is_chosen_and_recorded(platform: Platform) -> None:
    task = await platform.generate(seed=None)

    repeated = await platform.generate(seed=task["seed"])

    assert await platform.pixels(task["result_image_path"]) == await platform.pixels(
        repeated["result_image_path"]
    )


async def test_generation_from_a_reference_picture_resembles_it(platform: Platform) -> None:
    base = await platform.generate()
    near = await platform.generate(
        reference_image_url=base["result_image_path"], reference_image_strength=90, seed=8
    )

    assert near["reference_image_path"] == base["result_image_path"]
    before, after = [
        Image.open(io.BytesIO(await platform.picture(task["result_image_path"]))).resize((1, 1))
        for task in (base, near)
    ]
    pairs = zip(before.getpixel((0, 0)), after.getpixel((0, 0)), strict=True)
    assert max(abs(a - b) for a, b in pairs) < 32


async def test_failed_step_fails_the_workflow_with_its_reason(
    platform: Platform,
) -> None:
    """An object is deleted between creation and run, so the second step cannot read its input."""
    base = await platform.generate()
    await platform.objects.delete(base["result_image_path"])
    created = await platform.post(
        "/api/v1/workflows/",
        {
            "name": "broken",
            "origin_instance": "e2e",
            "steps": [
                {
                    "id": "refine",
                    "task_type": "REFINE",
                    "config": {
                        "upscale_factor": 2,
                        "base_image_url": base["result_image_path"],
                    },
                },
                {
                    "id": "again",
                    "task_type": "REFINE",
                    "config": {"upscale_factor": 2},
                    "input_mappings": [
                        {
                            "from_step": "refine",
                            "from_field": "result_image_path",
                            "to_field": "base_image_url",
                        }
                    ],
                },
            ],
        },
    )

    workflow = await platform.ended(f"/api/v1/workflows/{created['id']}")

    assert workflow["status"] == "FAILED"
    assert "step refine" in workflow["error_message"]
    assert [step["status"] for step in workflow["steps"]] == ["FAILED", "PENDING"]
    task = (await platform.api.get(f"/api/v1/tasks/{workflow['steps'][0]['task_id']}")).json()
    assert task["error_category"] == "VALIDATION"
    assert task["retry_count"] == 0
