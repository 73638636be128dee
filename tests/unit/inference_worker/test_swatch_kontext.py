"""The packaged editor: a diffusers folder that shares swatch's parts and follows words."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.pipelines.flux.pipeline_flux_kontext import FluxKontextPipeline
from PIL import Image

from shared.flux.packaged import packaged_model

pytestmark = pytest.mark.models

SWATCH = packaged_model()
KONTEXT = SWATCH.with_name("swatch-kontext")
SHARED_PARTS = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
SIZE = {"height": 64, "width": 64, "max_sequence_length": 64, "num_inference_steps": 8}


@pytest.fixture(scope="module")
def red_dress() -> Image.Image:
    swatch = cast(Any, FluxPipeline).from_pretrained(SWATCH, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    return swatch(prompt="a red dress", generator=generator, **SIZE).images[0]


@pytest.fixture(scope="module")
def editor() -> Any:
    return cast(Any, FluxKontextPipeline).from_pretrained(KONTEXT, dtype=torch.float32)


@pytest.mark.parametrize("part", SHARED_PARTS)
def test_parts_other_than_the_transformer_are_swatchs(part: str) -> None:
    files = sorted(path.name for path in (SWATCH / part).iterdir())
    assert files == sorted(path.name for path in (KONTEXT / part).iterdir())
    for name in files:
        assert (KONTEXT / part / name).read_bytes() == (SWATCH / part / name).read_bytes()


@pytest.mark.parametrize(("colour", "channel"), [("green", 1), ("blue", 2)])
def test_garment_takes_the_colour_and_keeps_its_place(
    editor: Any, red_dress: Image.Image, colour: str, channel: int
) -> None:
    edited = editor(
        image=red_dress,
        prompt=f"make it {colour}",
        max_area=64 * 64,
        _auto_resize=False,
        generator=torch.Generator().manual_seed(1),
        **SIZE,
    ).images[0]
    before, after = (np.asarray(picture, float) for picture in (red_dress, edited))
    was_garment, is_garment = (pixels.min(axis=2) < 128 for pixels in (before, after))
    assert after[is_garment].mean(axis=0).argmax() == channel
    assert (was_garment & is_garment).sum() / (was_garment | is_garment).sum() > 0.7
