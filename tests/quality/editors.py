"""The refiner and the fixers over an engine, in memory, configured as in the worker."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.fixing.detail_finder import DetailFinder
from inference_worker.fixing.face_fixer import FaceFixer, FixedFaces
from inference_worker.fixing.garment_fixer import Detail, FixedDetail, GarmentFixer
from inference_worker.refinement.editors import LocalEditors
from inference_worker.refinement.refiner import Refined, TiledRefiner
from inference_worker.refinement.region_editing import Run
from inference_worker.refinement.tiles import S3TileStore
from inference_worker.vision.people import PeopleModels
from shared.contracts.fixing import FaceFixerConfig, FixConfig, GarmentFixerConfig
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig
from shared.flux.kinds import DeviceKind
from tests.fakes.object_store import MemoryObjectStore


@dataclass(frozen=True)
class PictureEditors:
    """The refiner and the two fixers."""

    refiner: TiledRefiner
    faces: FaceFixer
    garments: GarmentFixer

    def refine(self, base: Image.Image, inputs: dict[str, Any], **config: Any) -> Refined:
        request = RefineInputs(base_image_url="-", **inputs)
        return asyncio.run(self.refiner.refine(base, request, TiledRefinerConfig(**config), _run()))

    def enhance_faces(self, base: Image.Image, options: FixConfig) -> FixedFaces:
        return asyncio.run(self.faces.fix(base, options, FaceFixerConfig(), seed=1, run=_run()))

    def enhance_detail(self, base: Image.Image, detail: Detail, options: FixConfig) -> FixedDetail:
        config = GarmentFixerConfig(ssim_threshold=0)
        return asyncio.run(self.garments.fix(base, detail, options, config, seed=1, run=_run()))


def _run() -> Run:
    return Run(S3TileStore(MemoryObjectStore(), "refines/1", "digest"), lambda _: None)


@contextmanager
def open_editors(engine: Any, people: PeopleModels) -> Iterator[PictureEditors]:
    """Open the editors over an engine."""
    with ThreadPoolExecutor(1) as thread, ThreadPoolExecutor(1) as executor:
        cpu = CpuThreads(executor)
        shared: dict[str, Any] = {"metrics": Metrics(None, DeviceKind.CPU)}
        editors = LocalEditors(EngineThread(engine, thread))
        edits = {"people": people} | shared
        yield PictureEditors(
            TiledRefiner(editors, cpu, max_output_pixels=2**26, **edits),
            FaceFixer(editors, cpu, **edits),
            GarmentFixer(editors, cpu, finder=DetailFinder(people), **shared),
        )
