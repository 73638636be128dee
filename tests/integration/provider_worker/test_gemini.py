"""Gemini's three task types at the sandbox: what is sent, stored, billed and recorded."""

import io

from PIL import Image

from shared.contracts.enums import TaskType
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.provider_adapters import gemini_work, store_inputs, vertex_activities
from tests.fixtures.remote_work import take, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox


async def test_an_editing_is_stored_billed_and_recorded(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    await store_inputs(objects)
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, gemini_work())
        result = await wait_for(activities, work)
    key = f"editings/{work.task_id}/a1/image_0.png"
    assert result.results == {"result_image_path": key, "result_image_paths": [key]}
    content, info = objects.objects[key]
    assert info.content_type == "image/png"
    assert Image.open(io.BytesIO(content)).size == (1792, 2400)
    assert result.warnings == []
    assert fal.ledger.strays == []
    assert [unit.unit for unit in result.billed] == ["input_tokens", "output_tokens"]
    assert sum(unit.amount for unit in result.billed) == fal.ledger.charged("gemini")
    told = result.model_dump_json() + work.model_dump_json()
    assert KEY not in told


async def test_a_generation(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    async with vertex_activities(fal, objects) as activities:
        given = gemini_work(TaskType.GENERATION, {"image_size": "1K"}, width=800, height=1000)
        result = await wait_for(activities, await take(activities, given))
    content, _ = objects.objects[result.results["result_image_path"]]
    assert Image.open(io.BytesIO(content)).size == (928, 1152)
