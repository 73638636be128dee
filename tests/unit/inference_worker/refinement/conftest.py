"""Pictures and refiners for the tests of refinement."""

from concurrent.futures import Executor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_worker.cpu_threads import CpuThreads
from tests.fixtures.refining import Bench


@pytest.fixture(scope="session")
def smooth() -> Image.Image:
    """A picture of 80 × 64 pixels without noise, for which SSIM is meaningful."""
    rows, columns = np.mgrid[0:64, 0:80]
    waves = 128 + 60 * np.sin(columns / 5) + 60 * np.cos(rows / 7)
    return Image.fromarray(np.stack([waves, waves[:, ::-1], waves], axis=2).astype(np.uint8))


@pytest.fixture
def bench(engine_executor: Executor, cpu: CpuThreads) -> Any:
    """Factory of a refiner over an engine."""
    return lambda engine: Bench(engine, engine_executor, cpu)
