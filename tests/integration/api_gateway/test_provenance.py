"""Provenance over REST: the record, and the request that produces the files again."""

import base64
import hashlib
import io
import uuid
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from shared.contracts.capabilities import LORA_OBJECTS
from shared.contracts.enums import ProviderType
from shared.contracts.provenance import Provenance, ProvenanceRecord
from shared.db.models.tables import Task
from tests.fixtures.embedded import embedded_record
from tests.fixtures.gateway import (
    ADMIN_KEY,
    OTHER_INSTANCE_KEY,
    OTHER_TENANT_KEY,
    Gateway,
)
from tests.fixtures.lora_api import DELETE, upload
from tests.fixtures.lora_files import lora_bytes
from tests.fixtures.pictures import picture
from tests.fixtures.rows import add, task_row
from tests.fixtures.workers import all_workers, cpu_worker, workflow_worker
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.test_tasks import GENERATION, REFINE

TASKS = "/api/v1/tasks/"
OWNER = {"origin_instance": "shop", "origin_tenant_id": "acme"}


async def completed(api: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    created = await api.post(TASKS, json=body)
    assert created.status_code == 201, created.text
    url = f"{TASKS}{created.json()['id']}"

    async def is_completed() -> bool:
        return (await api.get(url)).json()["status"] == "COMPLETED"

    await until(is_completed)
    return (await api.get(url)).json()


async def record_of(api: httpx.AsyncClient, task: dict[str, Any]) -> dict[str, Any]:
    answer = await api.get(f"{TASKS}{task['id']}/provenance")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def files_of(api: httpx.AsyncClient, record: dict[str, Any]) -> list[bytes]:
    """Return the files that a record names."""
    contents: list[bytes] = []
    for file in record["made"]["files"]:
        answer = await api.get(f"/api/v1/storage/images/{file['key']}")
        assert hashlib.sha256(answer.content).hexdigest() == file["sha256"]
        contents.append(answer.content)
    return contents


def pixels(contents: list[bytes]) -> list[bytes]:
    return [Image.open(io.BytesIO(content)).tobytes() for content in contents]


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
async def test_rerun_from_the_record_of_a_generation_gives_the_same_pixels(
    gateway: Gateway, tenant: httpx.AsyncClient, form: str
) -> None:
    config = {"num_images": 2, "output_format": form, "backend": {"id": 3}}
    async with all_workers(gateway):
        task = await completed(tenant, GENERATION | {"config": config})
        record = await record_of(tenant, task)
        again = await completed(tenant, record["request"])
        record_again = await record_of(tenant, again)

    assert [file["key"] for file in record["made"]["files"]] == task["result_image_paths"]
    assert all(path.endswith(f".{form}") for path in task["result_image_paths"])
    assert [file["seed"] for file in record["made"]["files"]] == [task["seed"], task["seed"] + 1]
    assert (record["task_type"], record["provider_type"]) == ("GENERATION", "local")
    assert record["request"]["config"] == config | {"num_inference_steps": 1}
    assert record["checks"] is None
    assert again["id"] != task["id"]
    first, second = await files_of(tenant, record), await files_of(tenant, record_again)
    assert pixels(first) == pixels(second)
    assert len(set(first + second)) == 4
    for content, file in zip(first, record["made"]["files"], strict=True):
        within = embedded_record(content)
        assert (within["task_id"], within["seed"]) == (task["id"], file["seed"])
        assert task["prompt"].encode() not in content
    served = await tenant.get(f"/api/v1/storage/images/{task['result_image_path']}")
    assert served.headers["content-type"] == f"image/{form}"
    media = (await tenant.get(f"/api/v1/monitoring/tasks/{task['id']}/media")).json()
    assert [item["media_type"] for item in media["outputs"]] == ["image", "image"]
    assert record_again["request"] == record["request"]


async def test_rerun_from_the_record_of_a_refinement_gives_the_same_pixels(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    base = base64.b64encode(picture()).decode()
    options = {"num_tiles": 4, "lpips_threshold": 0.9}
    body = REFINE | {"base_image_url": base, "provider_config": options}
    body["config"] = {"upscaler": "real_esrgan"}
    async with all_workers(gateway):
        task = await completed(tenant, body)
        record = await record_of(tenant, task)
        again = await record_of(tenant, await completed(tenant, record["request"]))

    assert record["request"]["base_image_url"].startswith(f"refines/{task['id']}/inputs/")
    assert record["request"]["provider_config"]["num_tiles"] == 4
    assert record["request"]["config"]["upscaler"] == "real_esrgan"
    assert record["made"]["settings"] == {"edit_side_px": 64, "edit_batch": 1}
    assert [model["name"] for model in record["made"]["models"]] == ["realesrgan-x4plus"]
    assert record["checks"]["tiles"]
    assert all(tile["attempts"] == 1 for tile in record["checks"]["tiles"])
    assert all(tile["passed"] and tile["lpips"] < 0.9 for tile in record["checks"]["tiles"])
    assert "stlpips" in record["checks"]["metric_weights"]["lpips"]
    assert pixels(await files_of(tenant, record)) == pixels(await files_of(tenant, again))


async def test_rerun_from_the_record_of_an_editing_gives_the_same_pixels(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    shown = base64.b64encode(picture()).decode()
    body = {
        "task_type": "EDITING",
        "provider_type": "local",
        "prompt": "in red",
        "base_image": shown,
        "reference_images": [shown],
        "config": {"output_format": "jpeg"},
        "origin_instance": "shop",
    }
    async with all_workers(gateway):
        task = await completed(tenant, body)
        record = await record_of(tenant, task)
        again = await record_of(tenant, await completed(tenant, record["request"]))

    assert record["request"]["reference_images"] == task["reference_images"]
    first, second = await files_of(tenant, record), await files_of(tenant, again)
    assert pixels(first) == pixels(second)
    assert embedded_record(first[0])["seed"] == task["seed"]


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


_SHOWN = base64.b64encode(picture()).decode()
_PERSON = base64.b64encode(_encoded(astronaut()[::2, ::2])).decode()


@pytest.mark.parametrize(
    ("body", "models"),
    [
        ({"task_type": "IMAGE_ADJUSTER", "input_image": _SHOWN, "aspect_ratio": 2}, []),
        pytest.param(
            {"task_type": "BACKGROUND_FIX", "base_image": _PERSON, "palette_image": _PERSON},
            ["selfie_segmentation", "u2netp", "blazepose"],
            marks=pytest.mark.long,
        ),
        (
            {"task_type": "BACKGROUND_REMOVE", "input_image_paths": [_SHOWN, _SHOWN]},
            ["u2netp"],
        ),
    ],
)
async def test_rerun_from_the_record_of_what_no_model_generated_gives_the_same_pixels(
    gateway: Gateway,
    tenant: httpx.AsyncClient,
    body: dict[str, Any],
    models: list[str],
) -> None:
    async with workflow_worker(gateway), cpu_worker(gateway):
        task = await completed(tenant, body | {"origin_instance": "shop"})
        record = await record_of(tenant, task)
        again = await record_of(tenant, await completed(tenant, record["request"]))

    assert record["made"]["engine"] == body["task_type"].lower()
    assert [model["name"] for model in record["made"]["models"]] == models
    assert [file["seed"] for file in record["made"]["files"]] == [None] * len(
        task.get("result_image_paths") or [""]
    )
    if body["task_type"] == "BACKGROUND_REMOVE":
        assert record["request"]["provider_config"]["rembg_model"] == "u2netp"
    first, second = await files_of(tenant, record), await files_of(tenant, again)
    assert pixels(first) == pixels(second)
    assert embedded_record(first[0])["task_id"] == task["id"]


async def test_record_tells_what_ran_whatever_the_task_says_later(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    async with all_workers(gateway):
        task = await completed(tenant, GENERATION)
    before = await record_of(tenant, task)
    changes = {"config": {"num_images": 4}, "reference_image_strength": 7}

    changed = await tenant.put(f"{TASKS}generation/{task['id']}", json=changes)

    assert changed.json()["reference_image_strength"] == 7
    assert await record_of(tenant, task) == before
    await tenant.post(f"{TASKS}{task['id']}/cleanup")
    assert await record_of(tenant, task) == before


async def test_record_of_a_providers_work_names_the_provider_and_its_app(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    record = ProvenanceRecord(
        provider_type=ProviderType.FASHN_STANDARD,
        provider_config={"provider_type": "fashn_standard", "max_image_height": 1000},
        inputs={"prompt": "in red", "base_image": "uploads/a.png", "width": 64},
        made=Provenance(engine="fashn", model="tryon-v1.6", ignored=["prompt", "width"]),
    )
    row = task_row(
        **OWNER,
        task_type="EDITING",
        status="COMPLETED",
        provider_type="fashn_standard",
        provenance=record.model_dump(mode="json"),
    )
    await add(gateway.resources.sessions, row)

    shown = await record_of(tenant, {"id": row.id})

    assert (shown["provider_type"], shown["made"]["engine"]) == ("fashn_standard", "fashn")
    assert (shown["made"]["model"], shown["made"]["files"]) == ("tryon-v1.6", [])
    assert shown["made"]["ignored"] == ["prompt", "width"]
    assert shown["request"]["provider_config"] == record.provider_config
    assert shown["request"]["base_image"] == "uploads/a.png"


async def test_record_is_its_owners_alone(gateway: Gateway, tenant: httpx.AsyncClient) -> None:
    async with all_workers(gateway):
        task = await completed(tenant, GENERATION)
    url = f"{TASKS}{task['id']}/provenance"
    for key in (OTHER_TENANT_KEY, OTHER_INSTANCE_KEY):
        async with gateway.client(key) as stranger:
            answer = await stranger.get(url)
            unknown = await stranger.get(f"{TASKS}{uuid.uuid4()}/provenance")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert unknown.json()["code"] == "not_found"
    async with gateway.client(ADMIN_KEY) as admin:
        assert (await admin.get(url)).json()["request"]["prompt"] == task["prompt"]


async def test_task_without_a_record_is_404_and_says_why(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    row = task_row(**OWNER, status="COMPLETED")
    await add(gateway.resources.sessions, row)

    answer = await tenant.get(f"{TASKS}{row.id}/provenance")

    assert (answer.status_code, answer.json()["code"]) == (404, "no_provenance")
    assert "is COMPLETED and has no provenance record" in answer.json()["detail"]


async def test_lora_is_named_by_its_bytes_though_its_name_is_anothers_by_then(
    gateway: Gateway, tenant: httpx.AsyncClient
) -> None:
    name, mark = f"{uuid.uuid4()}.safetensors", uuid.uuid4().int % 200 + 1
    content, other = lora_bytes(fill=mark), lora_bytes(fill=mark + 1)
    path = (await upload(tenant, content, name=name, lora_type="product")).json()["file_path"]
    copy = (await upload(tenant, content, name=f"copy-{name}", lora_type="product")).json()
    digest = hashlib.sha256(content).hexdigest()
    row = _made_with_lora(path, digest)
    await add(gateway.resources.sessions, row)
    async with gateway.client(ADMIN_KEY) as admin:
        await admin.request("DELETE", DELETE, json={"partial_path": path})
        assert (await upload(tenant, other, name=name, lora_type="product")).json()[
            "file_path"
        ] == path

        record = await record_of(tenant, {"id": str(row.id)})
        answer = await tenant.post(TASKS, json=record["request"])

        assert record["lora_paths"] == {"product_model_path": path}
        assert record["request"]["product_model_path"] == f"sha256/{digest}.safetensors"
        assert answer.status_code == 201, answer.text
        async with gateway.resources.sessions() as session:
            again = await session.get_one(Task, uuid.UUID(answer.json()["id"]))
        assert again.inputs[LORA_OBJECTS] == {"product_model_path": f"loras/sha256/{digest}"}
        await gateway.resources.temporal.get_workflow_handle(again.temporal_id).terminate()

        async with gateway.client(OTHER_TENANT_KEY) as stranger:
            theirs = record["request"] | {"origin_tenant_id": "other"}
            refused = await stranger.post(TASKS, json=theirs)
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["body", "product_model_path"]
        await admin.request("DELETE", DELETE, json={"partial_path": copy["file_path"]})
        assert (await tenant.post(TASKS, json=record["request"])).status_code == 422


def _made_with_lora(path: str, digest: str) -> Task:
    inputs = {
        "prompt": "a hat",
        "width": 64,
        "height": 64,
        "seed": 5,
        "product_model_path": path,
        "product_lora_weight": 0.5,
        LORA_OBJECTS: {"product_model_path": f"loras/sha256/{digest}"},
        "config": {},
    }
    lora = {"field": "product_model_path", "sha256": digest, "weight": 0.5}
    provenance = {
        "provider_type": "fal_standard",
        "provider_config": {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux-lora"},
        "inputs": inputs,
        "made": {"engine": "fal", "model": "fal-ai/flux-lora", "loras": [lora]},
    }
    return task_row(**OWNER, status="COMPLETED", inputs=inputs, provenance=provenance)
