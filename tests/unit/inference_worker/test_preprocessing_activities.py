"""The activities that the worker's process registers for the `preprocessing` queue."""

from typing import Any

from inference_worker.__main__ import WorkerResources, preprocessing_activities
from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.io.picture_files import PictureFiles
from inference_worker.settings import InferenceSettings
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.flux.kinds import DeviceKind
from shared.progress import ExecutorIdentity
from shared.settings import ModelSettings
from tests.fakes.object_store import MemoryObjectStore


def test_both_activities_of_datasets_are_registered(cpu: CpuThreads) -> None:
    reporter: Any = object()
    vision = VisionSettings()
    models = VisionModels(vision)
    resources = WorkerResources(
        InferenceSettings(),
        PictureFiles(MemoryObjectStore(), cpu, max_pixels=100),
        reporter,
        ExecutorIdentity("worker-1", "inference-worker"),
        models,
        Metrics(None, DeviceKind.CPU),
        Upscalers(vision),
        OutputCheck(vision, models),
    )
    names = [
        activity.__temporal_activity_definition.name
        for activity in preprocessing_activities(resources, ModelSettings())
    ]
    assert names == ["finish_dataset", "preprocess_dataset"]
