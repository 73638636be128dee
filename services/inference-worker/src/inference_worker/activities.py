"""What the worker does for Temporal: fetch inputs, call the plain classes, store the results."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from PIL import Image
from temporalio import activity

from inference_worker.engine_thread import EngineThread
from inference_worker.images import decode_cutout, decode_image, sha256_hex
from inference_worker.lora.files import LoraFiles
from inference_worker.outputs import Outputs, provenance_of
from inference_worker.refinement.refiner import TiledRefiner
from inference_worker.refinement.tiles import S3TileStore, TileStore, tile_digest
from inference_worker.settings import InferenceSettings
from shared.contracts.attempts import StoredFile
from shared.contracts.editing import EditImage, EditImageResult
from shared.contracts.enums import OutputFormat
from shared.contracts.generation import GenerateImage, GenerateImageResult, GenerationInputs
from shared.contracts.inference import InferenceActivities
from shared.contracts.refinement import RefineImage, RefineImageResult
from shared.errors import InvalidInputError
from shared.progress import Executant, ProgressSink
from shared.storage.object_store import ObjectStore
from shared.temporal.heartbeat import Heartbeat

_Decode = Callable[..., Image.Image]
_T = TypeVar("_T")


class LocalInference(InferenceActivities):
    """Generation, editing and refinement on this worker's model.

    Args:
        engine: the model on its thread.
        cpu: threads that decode, encode, resize and check pictures.
        objects: where pictures come from and go to.
        loras: the files of the LoRAs that requests name.
        progress: hears that attempts start and how far they are.
        executant: this worker.
        settings: limits of input and output sizes.
    """

    def __init__(  # noqa: PLR0913 — what a process has, each by its name
        self,
        *,
        engine: EngineThread,
        cpu: Executor,
        objects: ObjectStore,
        loras: LoraFiles,
        progress: ProgressSink,
        executant: Executant,
        settings: InferenceSettings,
    ) -> None:
        self._engine = engine
        self._cpu = cpu
        self._objects = objects
        self._loras = loras
        self._progress = progress
        self._executant = executant
        self._max_input_pixels = settings.max_input_pixels
        self._refiner = TiledRefiner(engine, cpu, max_output_pixels=settings.max_output_pixels)

    @activity.defn(name="generate_image")
    async def generate_image(self, request: GenerateImage) -> GenerateImageResult:
        """Make the pictures of one GENERATION and store them."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with (
            Heartbeat(),
            self._progress.attempt(request.task_id, request.attempt) as report,
            self._loras.fetched(inputs.loras) as loras,
        ):
            reference = None
            if inputs.reference_image_url:
                content = await self._objects.get(inputs.reference_image_url)
                reference = await self._decode(content)
            pictures = await self._engine.generate(
                inputs, reference, loras, lambda done, steps: report(done / steps)
            )
            outputs = await self._store("generations", request, pictures)
        keys = [file.key for file in outputs.files]
        return GenerateImageResult(
            started_at=started_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=outputs.files,
            provenance=outputs.provenance,
            result_image_path=keys[0],
            result_image_paths=keys,
        )

    @activity.defn(name="edit_image")
    async def edit_image(self, request: EditImage) -> EditImageResult:
        """Change one picture as a prompt says, and store what came of it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            base = await self._fetch("base_image", inputs.base_image, decode_cutout)
            references = [
                await self._fetch(f"reference_images.{index}", key, decode_image)
                for index, key in enumerate(inputs.reference_images)
            ]
            pictures = await self._engine.instruct(
                inputs, base, references, lambda done, steps: report(done / steps)
            )
            outputs = await self._store("editings", request, pictures)
        keys = [file.key for file in outputs.files]
        return EditImageResult(
            started_at=started_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=outputs.files,
            provenance=outputs.provenance,
            result_image_path=keys[0],
            result_image_paths=keys,
        )

    @activity.defn(name="refine_image")
    async def refine_image(self, request: RefineImage) -> RefineImageResult:
        """Refine one picture tile by tile and store it."""
        started_at = datetime.now(UTC)
        inputs = request.inputs
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            content = await self._objects.get(inputs.base_image_url)
            base = await self._decode(content)
            digest = await self._on_cpu(
                partial(tile_digest, content, inputs, request.refiner, self._engine.engine)
            )
            tiles = S3TileStore(self._objects, request.task_id, digest)
            refined = await self._refiner.refine(
                base, inputs, request.refiner, store=tiles, on_progress=report
            )
            folder = f"refines/{request.task_id}/a{request.attempt}"
            outputs = self._outputs(request, OutputFormat.PNG)
            picture = await outputs.store(f"{folder}/image", refined.image, inputs.upscale_seed)
            files = [picture]
            if request.refiner.save_debug_tiles:
                files += [
                    await self._copy_tile(f"{folder}/tiles/{tile.index:03}.png", tiles, tile.index)
                    for tile in refined.tiles
                ]
        return RefineImageResult(
            started_at=started_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=files,
            provenance=outputs.provenance,
            result_image_path=picture.key,
            tiles=refined.tiles,
        )

    async def _fetch(self, field: str, key: str, decode: _Decode) -> Image.Image:
        content = await self._objects.get(key)
        try:
            return await self._decode(content, decode)
        except InvalidInputError as error:
            raise InvalidInputError(f"{field}: {error}") from error

    async def _decode(self, content: bytes, decode: _Decode = decode_image) -> Image.Image:
        return await self._on_cpu(partial(decode, content, max_pixels=self._max_input_pixels))

    async def _store(
        self, folder: str, request: GenerateImage | EditImage, pictures: Sequence[Image.Image]
    ) -> Outputs:
        outputs = self._outputs(request, request.inputs.config.output_format)
        stem = f"{folder}/{request.task_id}/a{request.attempt}/image"
        for index, picture in enumerate(pictures):
            await outputs.store(f"{stem}_{index}", picture, request.inputs.seed + index)
        return outputs

    def _outputs(
        self, request: GenerateImage | EditImage | RefineImage, form: OutputFormat
    ) -> Outputs:
        inputs = request.inputs
        provenance = provenance_of(
            self._engine.engine.facts(inputs),
            inputs.loras if isinstance(inputs, GenerationInputs) else (),
        )
        return Outputs(request.task_id, provenance, form, objects=self._objects, cpu=self._cpu)

    async def _copy_tile(self, key: str, tiles: TileStore, index: int) -> StoredFile:
        stored = await tiles.load(index)
        assert stored is not None, index
        return await self._put(key, stored[0])

    async def _put(self, key: str, png: bytes) -> StoredFile:
        digest = await self._on_cpu(partial(sha256_hex, png))
        await self._objects.put(key, png, "image/png")
        return StoredFile(key=key, size_bytes=len(png), content_type="image/png", sha256=digest)

    async def _on_cpu(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._cpu, work)
