"""A VIDEO_GENERATION from its request to the playing of its video, by its owner alone."""

import hashlib
from typing import Any

import httpx
import pytest

from shared.contracts.attempts import StoredFile
from shared.contracts.submissions import RemoteWork
from shared.contracts.task_types.table import TASK_TYPES
from tests.fixtures.gateway import OTHER_INSTANCE_KEY, OTHER_TENANT_KEY, TENANT_KEY
from tests.fixtures.storage import at
from tests.fixtures.videos import mp4
from tests.integration.api_gateway.conftest import Staff

FILM = mp4(700_000)
REQUEST = {
    "task_type": "VIDEO_GENERATION",
    "prompt": "she turns around",
    "duration_seconds": 8,
    "cfg_scale": 0.7,
    "provider_type": "fal_standard",
    "origin_instance": "shop",
}


def filming(staff: Staff, name: str = "video.mp4", content_type: str = "video/mp4") -> None:
    """Let the provider return a file, and its worker leave the marks of a paid submission."""
    objects, provider = staff.gateway.resources.objects, staff.runs.provider

    async def film(work: RemoteWork) -> None:
        folder = TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)
        for mark in ("sent", "answer"):
            assert await objects.put_new(f"{folder}/{mark}", b"{}", "application/json")
        await objects.put(f"{folder}/{name}", FILM, content_type)
        provider.files = [
            StoredFile(
                key=f"{folder}/{name}",
                size_bytes=len(FILM),
                content_type=content_type,
                sha256=hashlib.sha256(FILM).hexdigest(),
            )
        ]
        field = "result_video_path" if name == "video.mp4" else "result_paths"
        path: Any = f"{folder}/{name}"
        provider.results = {field: path if field == "result_video_path" else [path]}

    provider.on_await = film


async def completed(staff: Staff, client: httpx.AsyncClient, body: dict[str, Any]) -> Any:
    """Return the record of a task after its run."""
    async with staff.workflow_worker(), staff.runs.provider_worker():
        created = await client.post("/api/v1/tasks/", json=body)
        assert created.status_code == 201, created.text
        task_id = created.json()["id"]
        await staff.runs.client.get_workflow_handle(f"task-{task_id}").result()
        return (await client.get(f"/api/v1/tasks/{task_id}")).json()


async def test_video_is_recorded_and_played_by_its_owner_alone(staff: Staff) -> None:
    filming(staff)
    async with staff.client(TENANT_KEY) as owner:
        task = await completed(staff, owner, REQUEST)
        path = f"videos/{task['id']}/a1/video.mp4"
        assert (task["status"], task["result_video_path"]) == ("COMPLETED", path)
        assert (task["duration_seconds"], task["cfg_scale"]) == (8, 0.7)
        [work] = staff.runs.provider.submitted
        assert work.inputs["prompt"] == "she turns around"

        whole = await owner.get(at(path))
        assert (whole.status_code, whole.content) == (200, FILM)
        assert whole.headers["content-type"] == "video/mp4"
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in whole.headers["content-security-policy"]
        assert "content-disposition" not in whole.headers
        seen = await owner.head(at(path))
        assert seen.headers["content-length"] == str(len(FILM))

        etag = whole.headers["etag"]
        asked = {"Range": "bytes=300000-699999", "If-Range": etag}
        part = await owner.get(at(path), headers=asked)
        assert (part.status_code, part.content) == (206, FILM[300_000:700_000])
        assert part.headers["content-range"] == f"bytes 300000-699999/{len(FILM)}"
        assert part.headers["content-type"] == "video/mp4"
        other = await owner.get(at(path), headers=asked | {"If-Range": '"other"'})
        assert (other.status_code, len(other.content)) == (200, len(FILM))
        behind = await owner.get(at(path), headers={"Range": f"bytes={len(FILM)}-"})
        assert behind.status_code == 416
    for key in (OTHER_TENANT_KEY, OTHER_INSTANCE_KEY):
        async with staff.client(key) as stranger:
            for answer in (await stranger.get(at(path)), await stranger.head(at(path))):
                assert answer.status_code == 404
            assert (await stranger.get(f"/api/v1/tasks/{task['id']}")).status_code == 404


async def test_marks_of_a_submission_are_never_shown(staff: Staff) -> None:
    filming(staff)
    async with staff.client(TENANT_KEY) as owner, staff.client() as admin:
        task = await completed(staff, owner, REQUEST)
        folder = f"videos/{task['id']}"
        for client in (owner, admin):
            for mark in ("sent", "answer"):
                url = at(f"{folder}/a1/{mark}")
                for answer in (await client.get(url), await client.head(url)):
                    assert answer.status_code == 404
                assert (await client.delete(url)).status_code == 404
            listed = await client.get("/api/v1/storage/images", params={"prefix": folder})
            paths = [image["path"] for image in listed.json()["images"]]
            assert paths == [task["result_video_path"]]
        taken = {"task_type": "EDITING", "prompt": "a", "origin_instance": "shop"}
        mark = f"{folder}/a1/answer"
        read = await owner.post("/api/v1/tasks/", json=taken | {"base_image_url": mark})
        assert read.status_code in {404, 422}, read.text


async def test_media_and_cleaning_of_a_video(staff: Staff) -> None:
    filming(staff)
    async with staff.client(TENANT_KEY) as owner:
        task = await completed(staff, owner, REQUEST)
        path = task["result_video_path"]
        media = (await owner.get(f"/api/v1/monitoring/tasks/{task['id']}/media")).json()
        shown = [(item["name"], item["path"], item["media_type"]) for item in media["outputs"]]
        assert shown == [("result_video", path, "video")]

        cleaned = await owner.post(f"/api/v1/tasks/{task['id']}/cleanup")
        assert cleaned.json()["deleted_paths"] == [path]
        assert (await owner.get(at(path))).status_code == 404
        assert await staff.gateway.resources.objects.list(f"videos/{task['id']}/") == []


@pytest.mark.parametrize(
    ("name", "content_type", "is_saved"),
    [
        ("file.mp4", "video/mp4", False),
        ("file.webp", "image/webp", False),
        ("file.json", "application/json", True),
        ("file.bin", "application/octet-stream", True),
    ],
)
async def test_other_results_of_an_app_are_saved_and_not_shown_by_browsers(
    staff: Staff, name: str, content_type: str, *, is_saved: bool
) -> None:
    filming(staff, name, content_type)
    body = {
        "task_type": "EXPERIMENTAL_FAL",
        "fal_app_id": "acme/cutter",
        "provider_type": "fal_standard",
        "origin_instance": "shop",
    }
    async with staff.client(TENANT_KEY) as owner:
        task = await completed(staff, owner, body)
        read = await owner.get(at(f"experimental_fal/{task['id']}/a1/{name}"))
        media = (await owner.get(f"/api/v1/monitoring/tasks/{task['id']}/media")).json()
    assert (read.status_code, read.headers["content-type"]) == (200, content_type)
    assert ("attachment" in read.headers.get("content-disposition", "")) == is_saved
    kinds = [item["media_type"] for item in media["outputs"]]
    assert kinds == ([] if is_saved else [content_type.partition("/")[0]])
