"""What the tests of refinement refine, and with what."""

from concurrent.futures import Executor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.cpu_threads import CpuThreads
from tests.fixtures.refining import Bench


@pytest.fixture(scope="session")
def smooth() -> Image.Image:
    """80 × 64 pixels without noise, so that SSIM has something to hold on to."""
    rows, columns = np.mgrid[0:64, 0:80]
    waves = 128 + 60 * np.sin(columns / 5) + 60 * np.cos(rows / 7)
    return Image.fromarray(np.stack([waves, waves[:, ::-1], waves], axis=2).astype(np.uint8))


@pytest.fixture
def bench(engine_executor: Executor, cpu: CpuThreads) -> Any:
    """Makes a refiner over an engine."""
    return lambda engine: Bench(engine, engine_executor, cpu)
