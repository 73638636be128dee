"""Tiles edited by Gemini: from the activity through runs and the provider worker to the sandbox."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from inference_worker.activities.fixers import PictureFixers
from inference_worker.activities.refinement import PictureRefiner
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.io.picture_files import PictureFiles
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.protocols import BodyRegion, Box
from inference_worker.vision.settings import VisionSettings
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskStatus, TaskType
from shared.contracts.runs import TaskOutcome, TaskRun
from shared.contracts.submission_marks import is_mark
from shared.flux.kinds import DeviceKind
from shared.pixels.images import encode_png
from shared.progress import ExecutorIdentity
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople
from tests.fakes.progress import RecordedProgress
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.provider_adapters import vertex_activities
from tests.fixtures.sandbox import OpenSandbox, open_sandbox
from tests.fixtures.servers import Servers
from tests.fixtures.workflow_runs import Runs, activity_worker, generation, until
from tests.workflows.test_run_task import failure_of

BASE, REFERENCE = "uploads/base.png", "uploads/reference.png"
IDENTITY = 1000
"""A seed with which the sandbox returns its source."""
PROMPT = "make the fabric sharp"


@pytest.fixture(scope="module")
async def shared_sandbox() -> AsyncIterator[OpenSandbox]:
    async with open_sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
async def namespace(servers: Servers) -> Client:
    return await open_namespace(servers, "remote-edits")


@dataclass
class Stage:
    """The workers around one store and one sandbox."""

    runs: Runs
    gemini: OpenSandbox
    files: PictureFiles
    people: FakePeople = field(default_factory=FakePeople)
    settings: InferenceSettings = field(default_factory=lambda: InferenceSettings(remote_size="1K"))

    def refiner(self) -> Worker:
        """Return a worker with the remote editor alone."""
        vision = VisionSettings()
        shared: dict[str, Any] = {
            "engine": None,
            "files": self.files,
            "progress": RecordedProgress(),
            "executant": ExecutorIdentity("inference-worker@test:1", "inference-worker"),
            "settings": self.settings,
            "people": self.people,
            "metrics": Metrics(None, DeviceKind.CPU),
            "check": OutputCheck(vision, VisionModels(vision)),
        }
        refiner = PictureRefiner(**shared, upscalers=Upscalers(vision))
        fixers = PictureFixers(**shared)
        return activity_worker(
            self.runs.client,
            TaskQueue.INFERENCE_CPU,
            refiner.refine_image,
            fixers.enhance_faces,
            fixers.enhance_details,
        )

    async def start(self, run: TaskRun) -> WorkflowHandle[Any, TaskOutcome]:
        return await self.runs.start_task(run)

    async def completed(self, run: TaskRun) -> TaskOutcome:
        async with self.refiner():
            return await (await self.start(run)).result()

    async def failed(self, run: TaskRun) -> TaskOutcome:
        async with self.refiner():
            await failure_of(await self.start(run))
        return self.runs.outcome(run.task_id)

    async def image(self, key: str) -> Image.Image:
        return Image.open(BytesIO(await self.files.objects.get(key)))

    @property
    def posts(self) -> int:
        return sum(self.gemini.ledger.posts.values())


@pytest.fixture
async def stage(namespace: Client, shared_sandbox: OpenSandbox) -> AsyncIterator[Stage]:
    await shared_sandbox.reset()
    objects, runs = MemoryObjectStore(), Runs(namespace)
    await objects.put(BASE, encode_png(photo()), "image/png")
    await objects.put(REFERENCE, encode_png(photo().rotate(180)), "image/png")
    async with AsyncExitStack() as stack:
        vertex = await stack.enter_async_context(vertex_activities(shared_sandbox, objects))
        await stack.enter_async_context(runs.workflow_worker())
        provider = activity_worker(
            namespace,
            TaskQueue.PROVIDER_VERTEX,
            vertex.submit_work,
            vertex.await_work,
            vertex.withdraw_work,
            vertex.recall_work,
        )
        await stack.enter_async_context(provider)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        files = PictureFiles(objects, CpuThreads(pool), max_pixels=10**8)
        yield Stage(runs, shared_sandbox, files)


def photo(width: int = 240, height: int = 240) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    waves = 128 + 60 * np.sin(columns / 17) + 50 * np.cos(rows / 13)
    return Image.fromarray(np.stack([waves, waves[:, ::-1], waves[::-1]], axis=2).astype(np.uint8))


def refinement(options: dict[str, Any] | None = None, **inputs: Any) -> TaskRun:
    given = {
        "base_image_url": BASE,
        "upscale_factor": 2.0,
        "upscale_seed": IDENTITY,
        "upscale_prompt": PROMPT,
        "config": {"editor": "vertex"},
    }
    return generation(
        task_type=TaskType.REFINE,
        provider_type=ProviderType.SARTIQ_ULTIMATE_REFINER,
        provider_config={"ssim_threshold": 0.99} | (options or {}),
        task_queue=TaskQueue.INFERENCE_CPU,
        inputs=given | inputs,
    )


async def test_nine_tiles_are_edited_side_by_side(stage: Stage) -> None:
    stage.gemini.play(Fault(on="work", times=9, work_s=1))
    outcome = await stage.completed(refinement())
    key = outcome.results["result_image_path"]
    assert (await stage.image(key)).size == (480, 480)
    tiles = outcome.results["tiles"]
    assert len(tiles) == 9
    assert all(tile["passed"] and tile["ssim"] >= 0.99 for tile in tiles)
    entries = stage.gemini.ledger.entries.values()
    assert stage.posts == len(entries) == 9
    times = [entry.taken_at for entry in entries]
    assert max(times) - min(times) < 5
    assert stage.gemini.ledger.strays == []
    assert sum(each.amount for each in outcome.billed) == stage.gemini.ledger.charged("gemini")
    assert [each.method for each in outcome.service_requests] == ["POST"] * 9
    assert outcome.provenance is None, "left out of the run's result"
    recorded = stage.runs.outcome(outcome.task_id).provenance
    assert recorded is not None
    assert (recorded.made.engine, recorded.made.model) == ("vertex", "gemini-3-pro-image")


async def test_everything_lies_under_the_folder_of_the_task(stage: Stage) -> None:
    run = refinement({"num_tiles": 1})
    await stage.completed(run)
    stored = set(stage.files.objects.objects) - {BASE, REFERENCE}  # type: ignore[attr-defined]
    assert all(key.startswith(f"refines/{run.task_id}/") for key in stored)
    assert sum(map(is_mark, stored)) == 2


async def test_a_killed_attempt_pays_nothing_twice(stage: Stage) -> None:
    stage.gemini.play(Fault(on="work", times=9, work_s=2))
    run = refinement()
    async with stage.refiner():
        handle = await stage.start(run)

        async def all_sent() -> bool:
            return stage.posts == 9

        await until(all_sent, timeout_s=30)
    async with stage.refiner():
        outcome = await handle.result()
    assert (outcome.status, outcome.attempt) == (TaskStatus.COMPLETED, 2)
    assert stage.posts == len(stage.gemini.ledger.entries) == 9
    assert sum(each.amount for each in outcome.billed) == stage.gemini.ledger.charged("gemini")


async def test_cancelling_cancels_the_edits_and_tells_what_they_cost(stage: Stage) -> None:
    stage.gemini.play(Fault(on="work", times=9, work_s=2))
    run = refinement({"num_tiles": 4})
    async with stage.refiner():
        handle = await stage.start(run)

        async def all_sent() -> bool:
            return stage.posts == 4

        await until(all_sent, timeout_s=30)
        await handle.cancel()
        await failure_of(handle)
    outcome = stage.runs.outcome(run.task_id)
    assert outcome.status == TaskStatus.CANCELLED
    assert len(outcome.service_requests) == 4
    assert sum(each.amount for each in outcome.billed) == stage.gemini.ledger.charged("gemini") > 0
    left = [
        each.id
        async for each in stage.runs.client.list_workflows("ExecutionStatus = 'Running'")
        if each.id.startswith(f"edit-{run.task_id}")
    ]
    assert left == []


async def test_a_refused_edit_fails_the_task_with_the_models_words(stage: Stage) -> None:
    stage.gemini.play(Fault(on="work", times=1, like="text_only"))
    outcome = await stage.failed(refinement({"num_tiles": 4}))
    assert outcome.error_category == ErrorCategory.CONTENT_POLICY
    (error,) = outcome.errors
    assert "tile" in error
    assert len(error) < 500


async def test_nano_banana_keeps_its_best_try(stage: Stage) -> None:
    """A tint fails the check; the try that passes has the next seed."""
    run = generation(
        task_type=TaskType.REFINE,
        provider_type=ProviderType.NANO_BANANA_UPSCALER,
        provider_config={"ssim_threshold": 0.995, "max_retries": 3, "default_prompt": PROMPT},
        task_queue=TaskQueue.INFERENCE_CPU,
        inputs={
            "base_image_url": BASE,
            "target_width": 700,
            "target_height": 700,
            "upscale_seed": IDENTITY - 1,
            "config": {},
        },
    )
    outcome = await stage.completed(run)
    assert (await stage.image(outcome.results["result_image_path"])).size == (700, 700)
    (tile,) = outcome.results["tiles"]
    assert tile["passed"]
    assert len(tile["tries"]) == tile["attempts"] == stage.posts
    (marker,) = stage.gemini.ledger.submits
    assert marker == PROMPT


async def test_nano_banana_asks_for_the_smallest_size_that_covers_the_target(
    stage: Stage,
) -> None:
    stage.settings = InferenceSettings()
    run = generation(
        task_type=TaskType.REFINE,
        provider_type=ProviderType.NANO_BANANA_UPSCALER,
        provider_config={"ssim_threshold": 0},
        task_queue=TaskQueue.INFERENCE_CPU,
        inputs={"base_image_url": BASE, "upscale_factor": 7.0, "upscale_seed": IDENTITY},
    )
    outcome = await stage.completed(run)
    assert (await stage.image(outcome.results["result_image_path"])).size == (1680, 1680)
    (entry,) = stage.gemini.ledger.entries.values()
    asked = entry.input["generationConfig"]["imageConfig"]
    assert asked == {"aspectRatio": "1:1", "imageSize": "2K"}


async def test_a_face_is_edited_remotely(stage: Stage) -> None:
    stage.people = FakePeople(face_boxes=[Box(0.4, 0.2, 0.6, 0.5)])
    run = generation(
        task_type=TaskType.FACE_ENHANCER,
        provider_type=ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
        task_queue=TaskQueue.INFERENCE_CPU,
        inputs={"input_image": BASE, "config": {"editor": "vertex", "seed": IDENTITY}},
    )
    outcome = await stage.completed(run)
    assert outcome.results["face_detected"]
    assert outcome.results["final_ssim_score"] >= 0.99
    made = await stage.image(outcome.results["result_image_path"])
    assert np.abs(np.asarray(made, np.int16) - np.asarray(photo(), np.int16)).max() < 12
    assert stage.posts == 1


async def test_a_detail_is_edited_after_its_reference(stage: Stage) -> None:
    stage.people = FakePeople(
        person=Box(0.2, 0, 0.8, 1), regions={BodyRegion.UPPER_BODY: Box(0.1, 0.2, 0.9, 0.6)}
    )
    run = generation(
        task_type=TaskType.DETAIL_ENHANCER,
        provider_type=ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER,
        task_queue=TaskQueue.INFERENCE_CPU,
        inputs={
            "base_image": BASE,
            "reference_image": REFERENCE,
            "detail_label": "shirt",
            "config": {"editor": "vertex", "seed": IDENTITY},
        },
    )
    outcome = await stage.completed(run)
    assert outcome.results["follows_reference"]
    assert stage.posts >= 1
    for entry in stage.gemini.ledger.entries.values():
        assert "shirt" in entry.marker


async def test_a_queue_without_a_local_model_does_not_take_its_work(stage: Stage) -> None:
    run = refinement(None, config={})
    async with stage.refiner():
        handle = await stage.start(run)

        async def waits() -> bool:
            return any(account.waiting_for for account in stage.runs.records.accounts)

        await until(waits, timeout_s=20)
        await handle.cancel()
        await failure_of(handle)
    assert stage.posts == 0
