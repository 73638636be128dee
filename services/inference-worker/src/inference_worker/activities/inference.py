"""The activities GENERATION and EDITING: fetch inputs, call the engine, store results."""

from temporalio import activity

from inference_worker.activities.attempts import AttemptRunner, RunningAttempt
from inference_worker.engine.engine_thread import EngineResult, EngineThread
from inference_worker.io.outputs import provenance_of
from inference_worker.io.picture_files import PictureFiles
from inference_worker.lora.files import LoraFiles
from inference_worker.vision.output_check import OutputCheck
from shared.contracts.attempts import PictureResult
from shared.contracts.editing import EditImage, EditingInputs
from shared.contracts.generation import GenerateImage, GenerationInputs
from shared.contracts.inference import InferenceActivities
from shared.contracts.provenance import Provenance
from shared.contracts.task_types import editing, generation
from shared.pixels.images import decode_cutout
from shared.progress import ExecutorIdentity, ProgressSink


class LocalInference(InferenceActivities):
    """Generation and editing on this worker's model.

    Args:
        engine: the model on its thread.
        files: loads and stores pictures.
        loras: the files of the LoRAs that requests name.
        progress: receives the start and the progress of attempts.
        executant: this worker.
        check: decides which pictures may be stored as outputs.
    """

    def __init__(
        self,
        *,
        engine: EngineThread,
        files: PictureFiles,
        loras: LoraFiles,
        progress: ProgressSink,
        executant: ExecutorIdentity,
        check: OutputCheck,
    ) -> None:
        self._engine = engine
        self._files = files
        self._loras = loras
        self._attempts = AttemptRunner(files, progress, executant, check)

    @activity.defn(name="generate_image")
    async def generate_image(self, request: GenerateImage) -> PictureResult:
        """Generate the pictures of one GENERATION and store them."""
        inputs = request.inputs
        async with (
            self._attempts.attempt(generation.ROW, request) as attempt,
            self._loras.fetched(inputs.loras) as loras,
        ):
            reference = None
            if inputs.reference_image_url:
                reference = await self._files.fetch(
                    "reference_image_url", inputs.reference_image_url
                )
            result = await self._engine.generate(inputs, reference, loras, attempt.report_step)
            provenance = provenance_of(result.facts, inputs.loras)
            return await _store_pictures(attempt, result, provenance, inputs)

    @activity.defn(name="edit_image")
    async def edit_image(self, request: EditImage) -> PictureResult:
        """Change one picture as a prompt says, and store the results."""
        inputs = request.inputs
        async with self._attempts.attempt(editing.ROW, request) as attempt:
            base = await self._files.fetch("base_image", inputs.base_image, decode_cutout)
            references = [
                await self._files.fetch(f"reference_images.{index}", key)
                for index, key in enumerate(inputs.reference_images)
            ]
            result = await self._engine.instruct(inputs, base, references, attempt.report_step)
            return await _store_pictures(attempt, result, provenance_of(result.facts), inputs)


async def _store_pictures(
    attempt: RunningAttempt,
    result: EngineResult,
    provenance: Provenance,
    inputs: GenerationInputs | EditingInputs,
) -> PictureResult:
    outputs = await attempt.check_and_store_all(
        result.pictures, provenance, inputs.config.output_format, inputs.seed
    )
    keys = [file.key for file in outputs.files]
    return PictureResult(
        **attempt.result_fields(outputs.files, outputs.provenance),
        warnings=result.facts.warnings,
        result_image_path=keys[0],
        result_image_paths=keys,
    )
