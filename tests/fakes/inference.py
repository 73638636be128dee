"""Inference activities that a test controls."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio import activity

from shared.contracts.attempts import PictureResult, StoredFile
from shared.contracts.editing import EditImage
from shared.contracts.generation import GenerateImage
from shared.contracts.inference import InferenceActivities, RefinerActivities
from shared.contracts.provenance import Provenance
from shared.contracts.refinement import RefineImage, RefineImageResult
from shared.contracts.service_requests import BilledUnits, ServiceRequest

Attempt = GenerateImage | EditImage | RefineImage
Act = Callable[[Attempt], Awaitable[None]]

STARTED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def do_nothing(attempt: Attempt) -> None:
    """Return at once, like a fast worker."""


def result_path(attempt: Attempt) -> str:
    return f"fake/{attempt.task_id}/a{attempt.attempt}.png"


class FakeInference(InferenceActivities, RefinerActivities):
    """Inference activities that record every attempt; `act` fails it by raising."""

    def __init__(self, act: Act = do_nothing) -> None:
        self.act = act
        self.attempts: list[Attempt] = []
        self.provenance: Provenance | None = None
        self.service_requests: list[ServiceRequest] = []
        self.billed: list[BilledUnits] = []

    @activity.defn(name="generate_image")
    async def generate_image(self, request: GenerateImage) -> PictureResult:
        path = await self._run(request)
        return PictureResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(path)],
            provenance=self.provenance,
            result_image_path=path,
            result_image_paths=[path],
        )

    @activity.defn(name="edit_image")
    async def edit_image(self, request: EditImage) -> PictureResult:
        path = await self._run(request)
        return PictureResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(path)],
            result_image_path=path,
            result_image_paths=[path],
        )

    @activity.defn(name="refine_image")
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        path = await self._run(request)
        return RefineImageResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(path)],
            service_requests=self.service_requests,
            billed=self.billed,
            result_image_path=path,
        )

    async def _run(self, attempt: Attempt) -> str:
        self.attempts.append(attempt)
        await self.act(attempt)
        return result_path(attempt)


def _file(path: str) -> StoredFile:
    return StoredFile(key=path, size_bytes=1, content_type="image/png", sha256="0" * 64)
