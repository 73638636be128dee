"""Runs of tiled edits, as the activities of refiners and fixers start them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from inference_worker.activities.attempts import RunningAttempt
from inference_worker.io.picture_files import DebugFolder
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore, tile_digest
from shared.contracts.checks import CheckedEdit
from shared.contracts.fixing import DetailInputs, FaceInputs
from shared.contracts.refinement import RefineInputs
from shared.flux.engine import ImageEngine


@dataclass(frozen=True)
class TileRuns:
    """Starts runs whose finished tiles a later attempt of the task finds again.

    Attributes:
        engine: the model that edits.
        traits: settings of this worker that change an edited tile.
    """

    engine: ImageEngine
    traits: Sequence[str]

    async def start(
        self,
        attempt: RunningAttempt,
        sources: Sequence[bytes],
        inputs: RefineInputs | FaceInputs | DetailInputs,
        options: CheckedEdit,
        *,
        debug: DebugFolder | None,
        traits: Sequence[str] = (),
    ) -> Run:
        """Return the run of one attempt, which reports the attempt's progress.

        Args:
            attempt: the attempt.
            sources: the files of the input pictures.
            inputs: the task's inputs.
            options: the task's provider configuration.
            debug: receives debug pictures; None: none were requested.
            traits: further choices of this task that change an edited tile.
        """
        files = attempt.runner.files
        digest = await files.cpu.run(
            partial(
                tile_digest,
                sources,
                inputs,
                options,
                engine=self.engine,
                traits=[*self.traits, *traits],
            )
        )
        folder = attempt.row.task_folder(attempt.request.task_id)
        return Run(
            store=S3TileStore(files.objects, folder, digest),
            on_progress=attempt.report,
            is_strict=inputs.config.strict_checks,
            debug=debug,
        )
