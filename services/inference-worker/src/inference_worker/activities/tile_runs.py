"""Runs of tiled edits, as the activities of refiners and fixers start them."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from inference_worker.activities.attempts import RunningAttempt
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.io.picture_files import DebugFolder
from inference_worker.refinement.edit_runs import TemporalEditRuns
from inference_worker.refinement.editors import Editors, LocalEditors
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.remote_editor import EditedTask, RemoteEditors, RemoteModel
from inference_worker.refinement.tiles import S3TileStore, tile_digest
from inference_worker.settings import InferenceSettings
from shared.contracts.checks import CheckedEdit
from shared.contracts.editors import EditorKind
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fixing import DetailInputs, FaceInputs
from shared.contracts.refinement import RefineInputs
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.table import TASK_TYPES
from shared.errors import PlatformError, UnservedError


@dataclass(frozen=True)
class TileRun:
    """The run of one attempt, and the editors that it may use."""

    run: Run
    editors: Editors


@dataclass(frozen=True)
class TileRuns:
    """Starts runs whose finished tiles a later attempt of the task finds again.

    Attributes:
        engine: the local model; None: this queue has the remote editor alone.
        settings: how tiles are edited.
    """

    engine: EngineThread | None
    settings: InferenceSettings

    @asynccontextmanager
    async def open(
        self,
        attempt: RunningAttempt,
        sources: Sequence[bytes],
        inputs: RefineInputs | FaceInputs | DetailInputs,
        options: CheckedEdit,
        *,
        debug: DebugFolder | None,
        traits: Sequence[str] = (),
    ) -> AsyncGenerator[TileRun]:
        """Yield the run of one attempt, which reports the attempt's progress.

        If the body fails, the edits at a provider that it has started are ended as well.

        Args:
            attempt: the attempt.
            sources: the files of the input pictures.
            inputs: the task's inputs.
            options: the task's provider configuration.
            debug: receives debug pictures; None: none were requested.
            traits: further choices of this task that change an edited tile.

        Raises:
            UnservedError: the task's editor is not one of this queue.
        """
        kind = self._editor(attempt, inputs)
        remote = RemoteModel(self.settings.remote_model, self.settings.largest_remote_size)
        files = attempt.runner.files
        digest = await files.cpu.run(
            partial(
                tile_digest,
                sources,
                inputs,
                options,
                engine=remote if kind is EditorKind.VERTEX else self._local.engine,
                traits=[*self.settings.edit_traits(kind), *traits],
            )
        )
        folder = attempt.row.task_folder(attempt.request.task_id)
        run = Run(
            store=S3TileStore(files.objects, folder, digest),
            on_progress=attempt.report,
            is_strict=inputs.config.strict_checks,
            debug=debug,
        )
        if kind is not EditorKind.VERTEX:
            yield TileRun(run, LocalEditors(self._local, kind))
            return
        runs = TemporalEditRuns.of_activity()
        task = _task_of(attempt, folder, digest)
        async with runs.ended_with_attempt():
            yield TileRun(run, RemoteEditors(remote, files, runs, task))

    @property
    def _local(self) -> EngineThread:
        if self.engine is None:
            raise UnservedError(
                "the queue inference-cpu has the editor vertex alone; name it in config.editor"
            )
        return self.engine

    def _editor(
        self, attempt: RunningAttempt, inputs: RefineInputs | FaceInputs | DetailInputs
    ) -> EditorKind:
        if attempt.request.provider_type is ProviderType.NANO_BANANA_UPSCALER:
            return EditorKind.VERTEX
        return inputs.config.editor or self.settings.editor


def _task_of(attempt: RunningAttempt, folder: str, digest: str) -> EditedTask:
    owner, parent_id = attempt.request.owner, activity.info().workflow_id
    if owner is None or parent_id is None:  # from a workflow worker of an earlier version
        raise PlatformError("edits by a provider need the owner of the task in its message")
    return EditedTask(
        task_id=attempt.request.task_id,
        task_type=_task_type(attempt.row),
        owner=owner,
        parent_id=parent_id,
        folder=folder,
        digest=digest,
    )


def _task_type(row: TaskTypeRow) -> TaskType:
    return next(task_type for task_type, each in TASK_TYPES.items() if each is row)
