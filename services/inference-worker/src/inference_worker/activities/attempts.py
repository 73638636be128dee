"""Plumbing that all activities share: liveness, progress, the output check and stored results."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from PIL import Image

from inference_worker.io.outputs import Outputs
from inference_worker.io.picture_files import DebugFolder, PictureFiles
from inference_worker.vision.output_check import OutputCheck
from shared.contracts.attempts import AttemptRequest, StoredFile
from shared.contracts.enums import OutputFormat
from shared.contracts.provenance import Provenance
from shared.contracts.task_types.row import TaskTypeRow
from shared.progress import ExecutorIdentity, ProgressSink
from shared.temporal.heartbeat import Heartbeat


@dataclass(frozen=True)
class AttemptRunner:
    """Starts the attempts of a worker's activities.

    Attributes:
        files: load and store pictures.
        progress: receives the start and the progress of attempts.
        executant: this worker.
        check: decides which pictures of a generative model may be stored as outputs; None: this
            worker's pictures come from no generative model.
    """

    files: PictureFiles
    progress: ProgressSink
    executant: ExecutorIdentity
    check: OutputCheck | None = None

    @asynccontextmanager
    async def attempt(
        self, row: TaskTypeRow, request: AttemptRequest
    ) -> AsyncGenerator["RunningAttempt"]:
        """Send heartbeats and announce the attempt while the body runs.

        Args:
            row: the task type, which decides where objects are stored.
            request: the activity's message.
        """
        started_at = datetime.now(UTC)
        async with Heartbeat(), self.progress.attempt(request.task_id, request.attempt) as report:
            yield RunningAttempt(self, row, request, started_at, report)


@dataclass(frozen=True)
class RunningAttempt:
    """One attempt: stores its pictures, and gives the fields that all results share.

    Attributes:
        runner: what attempts of this worker share.
        row: the task type.
        request: the activity's message.
        started_at: the time at which a worker took the attempt.
        report: receives progress from 0 to 1, from any thread.
    """

    runner: AttemptRunner
    row: TaskTypeRow
    request: AttemptRequest
    started_at: datetime
    report: Callable[[float], None]

    @property
    def folder(self) -> str:
        """The prefix of the keys that this attempt writes, without the last slash."""
        return self.row.attempt_folder(self.request.task_id, self.request.attempt)

    def report_step(self, done: int, steps: int) -> None:
        """Report progress as denoise steps."""
        self.report(done / steps)

    def debug_folder(self, name: str) -> DebugFolder:
        """Return a place for debug pictures below the attempt's folder."""
        assert self.runner.check is not None
        return DebugFolder(self.runner.files, f"{self.folder}/{name}", self.runner.check)

    def outputs(
        self, provenance: Provenance, output_format: OutputFormat = OutputFormat.PNG
    ) -> Outputs:
        """Return the storage of this attempt's pictures."""
        return Outputs(self.request.task_id, provenance, output_format, self.runner.files)

    async def store(
        self, picture: Image.Image, provenance: Provenance, seed: int | None = None
    ) -> Outputs:
        """Store the only picture of this attempt as PNG, unchecked."""
        outputs = self.outputs(provenance)
        await outputs.store(f"{self.folder}/image", picture, seed)
        return outputs

    async def check_and_store(
        self, picture: Image.Image, provenance: Provenance, seed: int | None = None
    ) -> Outputs:
        """Store the only picture of this attempt as PNG, if it passes the output check.

        Raises:
            UnsafeOutputError: it does not pass.
        """
        await self._check([picture])
        return await self.store(picture, provenance, seed)

    async def check_and_store_all(
        self,
        pictures: Sequence[Image.Image],
        provenance: Provenance,
        output_format: OutputFormat,
        first_seed: int,
    ) -> Outputs:
        """Store numbered pictures, if every one of them passes the output check.

        Args:
            pictures: RGB.
            provenance: the same for all of them; it names no files yet.
            output_format: the file format.
            first_seed: the first picture's seed; each next one's is one more.

        Raises:
            UnsafeOutputError: one does not pass; none is stored.
        """
        await self._check(pictures)
        outputs = self.outputs(provenance, output_format)
        for index, picture in enumerate(pictures):
            await outputs.store(f"{self.folder}/image_{index}", picture, first_seed + index)
        return outputs

    async def _check(self, pictures: Sequence[Image.Image]) -> None:
        cpu, check = self.runner.files.cpu, self.runner.check
        assert check is not None
        for index, picture in enumerate(pictures):
            await cpu.run(partial(check.require_safe, picture, f"output {index}"))

    def result_fields(
        self, files: Sequence[StoredFile], provenance: Provenance | None
    ) -> dict[str, Any]:
        """Return the fields of `AttemptResult` that every attempt fills in."""
        return {
            **vars(self.runner.executant),
            "started_at": self.started_at,
            "files": list(files),
            "provenance": provenance,
        }
