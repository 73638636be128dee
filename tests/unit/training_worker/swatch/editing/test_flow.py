from typing import Any, cast

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.pipelines.flux.pipeline_flux_kontext import FluxKontextPipeline

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.diffusers_calls import load_pipeline, read_text, seeded
from training_worker.swatch.editing.flow import edit_pictures, predict_edit

pytestmark = pytest.mark.models


def test_one_context_edits_as_diffusers_does(config: SwatchConfig) -> None:
    folder = config.model_dir.with_name("swatch-kontext")
    base = torch.rand(1, 3, 64, 64, generator=seeded(0)) * 2 - 1
    ours = edit_pictures(load_pipeline(folder), ["make it blue"], [base], num_steps=3, seed=5)
    pipeline = cast(Any, FluxKontextPipeline).from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    theirs = pipeline(
        image=(base + 1) / 2,
        prompt="make it blue",
        height=64,
        width=64,
        num_inference_steps=3,
        max_sequence_length=64,
        max_area=64 * 64,
        _auto_resize=False,
        generator=seeded(5),
        output_type="pt",
    ).images
    assert torch.allclose(ours, theirs * 2 - 1, atol=1e-4)


@torch.no_grad()
def test_velocity_is_of_the_picture_alone_and_tells_contexts_apart(swatch: FluxPipeline) -> None:
    latents, base, reference = torch.randn(3, 1, 16, 8, 8, generator=seeded(1))
    text = read_text(swatch, ["make it blue"])
    half = torch.tensor([0.5])
    velocity = predict_edit(swatch.transformer, latents, half, [base, reference], text)
    swapped = predict_edit(swatch.transformer, latents, half, [reference, base], text)
    assert velocity.shape == (1, 16, 64)
    assert not torch.allclose(velocity, swapped, atol=1e-3)
