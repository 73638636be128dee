"""Gemini's three task types at the sandbox: what is sent, stored, billed and recorded."""

import hashlib
import io
from typing import Any

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from provider_worker.sandbox.faults import Fault
from provider_worker.sandbox.orders import picture_marker
from provider_worker.sources import data_url
from shared.contracts.enums import TaskType
from shared.contracts.submissions import RemoteResult
from shared.errors import InvalidInputError, ObjectNotFoundError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import noise
from tests.fixtures.provider_adapters import (
    GARMENT,
    PERSON,
    gemini_work,
    store_inputs,
    vertex_activities,
)
from tests.fixtures.remote_work import failure_of, take, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox

_SMALL = {"image_size": "1K"}
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["colour", "n"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
async def _inputs(objects: MemoryObjectStore) -> None:
    await store_inputs(objects)


def _size(objects: MemoryObjectStore, result: RemoteResult) -> tuple[int, int]:
    content, info = objects.objects[result.results["result_image_path"]]
    assert info.content_type == "image/png"
    return Image.open(io.BytesIO(content)).size


async def test_an_editing_is_stored_billed_and_recorded(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, gemini_work())
        result = await wait_for(activities, work)
    key = f"editings/{work.task_id}/a1/image_0.png"
    assert result.results == {"result_image_path": key, "result_image_paths": [key]}
    assert _size(objects, result) == (1792, 2400)
    assert result.warnings == []
    assert fal.ledger.strays == []
    assert [unit.unit for unit in result.billed] == ["input_tokens", "output_tokens"]
    assert sum(unit.amount for unit in result.billed) == fal.ledger.charged("gemini")
    made = result.provenance
    assert made is not None
    assert (made.engine, made.model, made.ignored) == ("gemini", "gemini-3-pro-image", [])
    assert [(file.key, file.seed) for file in made.files] == [(key, 7)]
    entry = fal.entry(work.inputs["prompt"])
    assert work.submission.request_id == entry.request_id
    [request] = work.submission.service_requests
    assert (request.method, request.status) == ("POST", 200)
    assert request.url == f"{fal.url}/v1beta/models/gemini-3-pro-image:generateContent"
    told = result.model_dump_json() + work.model_dump_json()
    assert KEY not in told
    assert "base64" not in told


async def test_pictures_are_sent_in_the_order_of_the_request(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    await objects.put("uploads/belt.png", noise(20), "image/png")
    given = gemini_work(provider_config=_SMALL, reference_images=[GARMENT, "uploads/belt.png"])
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, given)
    parts = fal.entry(work.inputs["prompt"]).input["contents"][0]["parts"]
    sent = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
    keys = [PERSON, GARMENT, "uploads/belt.png"]
    contents = [objects.objects[key][0] for key in keys]
    assert sent == [picture_marker(data_url(content, "image/png")) for content in contents]


async def test_a_generation_from_a_picture_lists_what_has_no_place(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    given = gemini_work(
        TaskType.GENERATION,
        _SMALL | {"aspect_ratio": "4:5"},
        reference_image_url=PERSON,
        reference_image_strength=50,
        config={"num_inference_steps": 30, "num_images": 1},
    )
    async with vertex_activities(fal, objects) as activities:
        result = await wait_for(activities, await take(activities, given))
    assert _size(objects, result) == (928, 1152)
    assert result.provenance is not None
    assert result.provenance.ignored == [
        "width",
        "height",
        "reference_image_strength",
        "config.num_inference_steps",
    ]


async def test_a_seed_that_leaves_the_picture_gives_its_pixels_back(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    shown = Image.open(io.BytesIO(noise(64))).resize((1024, 1024))
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    await objects.put(PERSON, buffer.getvalue(), "image/png")
    given = gemini_work(provider_config=_SMALL, width=1024, height=1024, seed=3000)
    async with vertex_activities(fal, objects) as activities:
        result = await wait_for(activities, await take(activities, given))
    content, _ = objects.objects[result.results["result_image_path"]]
    assert Image.open(io.BytesIO(content)).tobytes() == shown.tobytes()


async def test_another_shape_than_the_requested_one_is_told(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(Fault(on="work", like="wrong_ratio"))
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, gemini_work(provider_config=_SMALL))
        result = await wait_for(activities, work)
    assert _size(objects, result) == (1200, 896)
    [warning] = result.warnings
    assert "returned 1200 x 896 pixels" in warning
    assert "3:4" in warning


async def test_drafts_among_the_thoughts_are_no_results(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(Fault(on="work", like="draft"))
    async with vertex_activities(fal, objects) as activities:
        result = await wait_for(
            activities, await take(activities, gemini_work(provider_config=_SMALL))
        )
    assert len(result.files) == 1
    assert _size(objects, result) == (896, 1200)


async def test_several_pictures_are_all_stored(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    pictures = [data_url(noise(side), "").partition(",")[2] for side in (30, 40)]
    parts = [{"inlineData": {"mimeType": "image/png", "data": data}} for data in pictures]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    fal.play(Fault(on="work", status=200, body=body))
    async with vertex_activities(fal, objects) as activities:
        result = await wait_for(activities, await take(activities, gemini_work()))
    assert len(result.results["result_image_paths"]) == 2
    assert len(result.warnings) == 2  # both are squares
    assert result.billed == []


async def test_a_text_is_returned_with_its_tokens(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    given = gemini_work(TaskType.LLM_INTERACTION, input_images=[PERSON, GARMENT])
    async with vertex_activities(fal, objects) as activities:
        result = await wait_for(activities, await take(activities, given))
    assert "green picture (200x300, 200x300)" in result.results["result_text"]
    assert result.results["result_json"] is None
    tokens = [result.results[name] for name in ("input_tokens", "output_tokens")]
    assert [unit.amount for unit in result.billed] == tokens
    assert sum(tokens) == fal.ledger.charged("gemini")
    assert result.files == []


async def test_a_text_with_a_schema_is_data_as_well(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    given = gemini_work(TaskType.LLM_INTERACTION, config={"output_schema": _SCHEMA})
    async with vertex_activities(fal, objects) as activities:
        result = await wait_for(activities, await take(activities, given))
    assert result.results["result_json"].keys() == {"colour", "n"}


async def test_large_pictures_are_scaled_down_to_fit_the_request(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    await objects.put(PERSON, noise(800), "image/png")
    async with vertex_activities(fal, objects, request_max_bytes=2_000_000) as activities:
        work = await take(activities, gemini_work(provider_config=_SMALL))
    parts = fal.entry(work.inputs["prompt"]).input["contents"][0]["parts"]
    kinds = [part["inlineData"]["mime_type"] for part in parts if "inlineData" in part]
    assert kinds == ["image/jpeg", "image/png"]


@pytest.mark.parametrize(
    ("config", "inputs", "told"),
    [
        ({"model": "../../x"}, {}, "model"),
        ({"model": "gemini-2.5-flash-image", "image_size": "4K"}, {}, "image_size"),
        ({"temperature": 3}, {}, "temperature"),
        ({}, {"config": {"num_images": 2}}, "num_images"),
        ({}, {"base_image": ""}, "base_image"),
        ({}, {"prompt": None}, "prompt"),
    ],
)
async def test_what_gemini_cannot_do_is_refused_before_anything_is_sent(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    config: dict[str, Any],
    inputs: dict[str, Any],
    told: str,
) -> None:
    async with vertex_activities(fal, objects) as activities:
        with pytest.raises(InvalidInputError, match=told):
            await take(activities, gemini_work(provider_config=config, **inputs))
    assert not fal.ledger.posts


async def test_a_picture_that_is_gone_is_told_by_its_field(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with vertex_activities(fal, objects) as activities:
        with pytest.raises(ObjectNotFoundError, match="reference_images"):
            await take(activities, gemini_work(reference_images=["uploads/gone.png"]))


async def test_the_result_is_converted_again_by_the_next_worker(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, gemini_work(provider_config=_SMALL))
    digests: list[str] = []
    for _ in range(2):
        async with vertex_activities(fal, objects) as activities:  # a process without memory
            again = await take(activities, work)
            assert again.submission == work.submission
            result = await wait_for(activities, work)
        content, _ = objects.objects.pop(result.results["result_image_path"])
        digests.append(hashlib.sha256(content).hexdigest())
        assert result.files[0].sha256 == digests[-1]
    assert digests[0] == digests[1]
    assert fal.ledger.posts == {work.inputs["prompt"]: 1}


async def test_withdrawn_work_is_charged_and_tells_its_tokens(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, gemini_work(provider_config=_SMALL))
        found = await ActivityEnvironment().run(activities.withdraw_work, work)
        objects.objects.pop(f"editings/{work.task_id}/a1/answer")
        unknown = await ActivityEnvironment().run(activities.withdraw_work, work)
    assert (found.is_withdrawn, unknown.is_withdrawn) == (False, False)
    assert "done and charged" in found.message
    assert sum(unit.amount for unit in found.billed) == fal.ledger.charged("gemini")
    assert unknown.billed == []


async def test_the_result_whose_response_is_gone_is_a_failure(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with vertex_activities(fal, objects) as activities:
        work = await take(activities, gemini_work(provider_config=_SMALL))
        objects.objects.pop(f"editings/{work.task_id}/a1/answer")
        error = await failure_of(activities, work)
    assert "is gone" in str(error)
    assert error.is_final
