"""The packaged model in the worker's classes: it follows prompts, and its tiles pass."""

import threading
from concurrent.futures import Executor

import numpy as np
import pytest
from PIL import Image

from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.loading import load_engine
from inference_worker.refinement.editors import LocalEditors
from inference_worker.refinement.refiner import TiledRefiner
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore
from inference_worker.settings import InferenceSettings
from shared.contracts.generation import GenerationInputs
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig
from shared.flux.engine import ImageEngine
from shared.flux.kinds import DeviceKind
from shared.pixels.images import encode_png
from shared.settings import ModelSettings
from tests.fakes.object_store import MemoryObjectStore
from tests.fakes.people import FakePeople

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def swatch() -> ImageEngine:
    return load_engine(InferenceSettings(), ModelSettings())


def _draw(engine: ImageEngine, prompt: str) -> Image.Image:
    inputs = GenerationInputs(prompt=prompt, width=64, height=64, seed=0)
    (picture,) = engine.generate(
        inputs, None, [], on_step=lambda *_: None, cancel=threading.Event()
    )
    return picture


def test_colours_follow_the_prompt(swatch: ImageEngine) -> None:
    for channel, colour in enumerate(("red", "green", "blue")):
        pixels = np.asarray(_draw(swatch, f"a {colour} dress"), float)
        garment = pixels[pixels.min(axis=2) < 128]
        assert garment.mean(axis=0).argmax() == channel


async def test_refined_tiles_pass_and_are_read_again(
    swatch: ImageEngine, engine_executor: Executor, cpu: CpuThreads
) -> None:
    base = _draw(swatch, "a red dress")
    refiner = TiledRefiner(
        LocalEditors(EngineThread(swatch, engine_executor)),
        cpu,
        metrics=Metrics(None, DeviceKind.CPU),
        people=FakePeople(),
        max_output_pixels=10**6,
    )
    objects = MemoryObjectStore()
    inputs = RefineInputs(
        base_image_url="uploads/a.png", upscale_factor=2, upscale_prompt="a red dress"
    )
    pictures: list[bytes] = []
    for _ in range(2):
        refined = await refiner.refine(
            base,
            inputs,
            TiledRefinerConfig(num_tiles=9),
            Run(S3TileStore(objects, "refines/1", "digest"), lambda _: None),
        )
        assert refined.image.size == (128, 128)
        assert len(refined.tiles) == 9
        assert all(tile.passed for tile in refined.tiles)
        pictures.append(encode_png(refined.image))
        # Every second tile is lost; the retry gives the same pixels.
        for key in list(objects.objects)[::2]:
            await objects.delete(key)
    assert pictures[0] == pictures[1]
