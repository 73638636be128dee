from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

from shared.flux.packaged import packaged_model
from training_worker.swatch.config import KontextConfig, StageConfig, SwatchConfig
from training_worker.swatch.data import Split
from training_worker.swatch.diffusers_calls import load_pipeline

MODELS = packaged_model().parent


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, as in the recipe: on a busy machine, several of torch wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(SwatchConfig().num_threads)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def swatch() -> FluxPipeline:
    return load_pipeline(MODELS / "swatch")


@pytest.fixture
def config(tmp_path: Path) -> SwatchConfig:
    """A recipe that takes seconds, and writes to the test's folder."""
    stage = StageConfig(num_steps=8, batch_size=4, learning_rate=1e-3, matrix_learning_rate=2e-3)
    return SwatchConfig(
        model_dir=MODELS / "swatch",
        work_dir=tmp_path / "work",
        kontext_model_dir=tmp_path / "swatch-kontext",
        kontext=KontextConfig(
            num_garments=20,
            shades_per_colour=2,
            stage=stage.model_copy(update={"warmup_steps": 2, "ema_decay": 0.5}),
        ),
    )


@pytest.fixture
def split() -> Split:
    """Twenty-four synthetic garments: uint8 [24, 28, 28]."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.zeros(24, 28, 28, dtype=torch.uint8)
    heights = torch.randint(10, 22, (24,), generator=generator)
    for picture, height in zip(pictures, heights, strict=True):
        picture[4 : 4 + height, 8:20] = 150
    return Split(pictures=pictures, labels=torch.arange(24) % 10)
