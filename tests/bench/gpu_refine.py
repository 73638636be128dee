"""A REFINE to 2048² with FLUX.1-dev's architecture, against tiles one after the other.

`make bench-gpu-refine`. Random weights, nothing is downloaded: a folder in diffusers format is
written to the temporary directory (24 GB), with the packaged model's tokenizers and encoders of one
layer. The baseline is the method of tiled-upscale nodes: for each tile of the same grid, crop,
resize, diffusers' FluxImg2ImgPipeline, resize back, paste with a feathered mask. Ours is the whole
refiner: tiles in batches, with resizing, colour matching, checks and storing beside the model. Both
edit nine tiles at 1024², 20 steps at strength 0.35. `--tiny` runs on any machine, to test the
benchmark itself, and judges nothing.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkout  # noqa: F401 -- makes our packages importable
import numpy as np
import torch
from diffusers import FluxImg2ImgPipeline, FluxPipeline
from flux_models import FULL, TINY, Bench, Scale
from PIL import Image, ImageFilter
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from inference_worker.checks.metrics import Metrics
from inference_worker.cpu_threads import CpuThreads
from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.model_engine import ModelEngine
from inference_worker.refinement.editors import LocalEditors
from inference_worker.refinement.grid import Grid, lay_grid
from inference_worker.refinement.refiner import TiledRefiner
from inference_worker.refinement.region_editing import Run
from inference_worker.settings import InferenceSettings
from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings
from shared.contracts.checks import TileReport
from shared.contracts.refinement import RefineInputs, TiledRefinerConfig
from shared.flux.kinds import DeviceKind
from shared.flux.packaged import packaged_model
from shared.settings import ModelSettings

NUM_STEPS, STRENGTH, NUM_TILES, FEATHER_PX, BATCH = 20, 0.35, 9, 32, 4
PROMPT = "a dress, fine fabric"
ROUNDS = 3
INPUTS = RefineInputs(
    base_image_url="",
    upscale_factor=2.0,
    upscale_steps=NUM_STEPS,
    upscale_denoise=STRENGTH,
    upscale_prompt=PROMPT,
)
PLAIN = TiledRefinerConfig(num_tiles=NUM_TILES, feather_px=FEATHER_PX, ssim_threshold=0)
CHECKED = PLAIN.model_copy(
    update={"ssim_threshold": 0.01, "lpips_threshold": 9.0, "max_retries": 0}
)


class NullTileStore:
    """A `TileStore` that stores nothing."""

    async def load(self, name: str) -> None: ...

    async def save(self, name: str, png: bytes, report: TileReport) -> None: ...


def write_model(scale: Scale, device: torch.device, folder: Path) -> None:
    """Write a FluxPipeline's folder: the full architecture, with encoders of one layer."""
    model = Bench(scale, device, "eager").pipeline(None)
    packaged = packaged_model()
    clip_tokenizer: Any = AutoTokenizer.from_pretrained(packaged / "tokenizer")
    t5_tokenizer: Any = AutoTokenizer.from_pretrained(packaged / "tokenizer_2")
    width = scale.transformer["pooled_projection_dim"]
    clip = CLIPTextConfig(
        vocab_size=len(clip_tokenizer),
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=clip_tokenizer.model_max_length,
        eos_token_id=clip_tokenizer.eos_token_id,
    )
    t5 = T5Config(
        vocab_size=len(t5_tokenizer),
        d_model=scale.transformer["joint_attention_dim"],
        d_ff=64,
        d_kv=16,
        num_layers=1,
        num_heads=1,
    )
    FluxPipeline(
        scheduler=model.scheduler,
        vae=model.vae,
        transformer=model.transformer,
        text_encoder=CLIPTextModel(clip).to(model.transformer.dtype),
        tokenizer=clip_tokenizer,
        text_encoder_2=T5EncoderModel(t5).to(model.transformer.dtype),
        tokenizer_2=t5_tokenizer,
    ).save_pretrained(folder)


@dataclass(frozen=True)
class Serial:
    """Tiles one after the other, as in tiled-upscale nodes."""

    pipeline: Any
    scale: Scale

    def refine(self, base: Image.Image) -> Image.Image:
        """Upscale to twice the size, and edit tile by tile."""
        size = (2 * base.width, 2 * base.height)
        canvas = base.resize(size, Image.Resampling.LANCZOS)
        side_px = self.scale.side_px
        with torch.inference_mode():
            words, gist, _ = self.pipeline.encode_prompt(
                PROMPT, None, max_sequence_length=self.scale.num_text_tokens
            )
        grid: Grid = lay_grid(size, num_tiles=NUM_TILES, feather_px=FEATHER_PX)
        for tile in grid.tiles:
            source = canvas.crop(tile.box)
            shown = source.resize((side_px, side_px), Image.Resampling.LANCZOS)
            (edited,) = self.pipeline(
                prompt_embeds=words,
                pooled_prompt_embeds=gist,
                image=shown,
                width=side_px,
                height=side_px,
                strength=STRENGTH,
                num_inference_steps=NUM_STEPS,
                generator=torch.Generator("cpu").manual_seed(tile.index),
            ).images
            inner = Image.new("L", source.size)
            inner.paste(
                255, (FEATHER_PX, FEATHER_PX, source.width - FEATHER_PX, source.height - FEATHER_PX)
            )
            mask = inner.filter(ImageFilter.GaussianBlur(FEATHER_PX / 2))
            canvas.paste(edited.resize(source.size, Image.Resampling.LANCZOS), tile.box, mask)
        return canvas


@dataclass(frozen=True)
class Ours:
    """The refiner over the worker's engine."""

    refiner: TiledRefiner

    def refine(self, base: Image.Image, config: TiledRefinerConfig) -> Image.Image:
        """Run one whole refinement."""
        run = Run(NullTileStore(), lambda _: None)
        return asyncio.run(self.refiner.refine(base, INPUTS, config, run)).image


def seconds(work: Callable[[], object]) -> float:
    """Return the median seconds of a round, after one warm-up round."""
    samples: list[float] = []
    for number in range(1 + ROUNDS):
        begun_s = time.perf_counter()
        work()
        if number:
            samples.append(time.perf_counter() - begun_s)
    return statistics.median(samples)


def measure(folder: Path, scale: Scale, device: torch.device) -> list[tuple[str, float]]:
    """Return the seconds of each method."""
    noise = np.random.default_rng(0).integers(0, 256, (scale.side_px, scale.side_px, 3), np.uint8)
    base = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4))
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    serial = Serial(FluxImg2ImgPipeline.from_pretrained(folder, dtype=dtype).to(device), scale)
    serial.pipeline.set_progress_bar_config(disable=True)
    rows = [("tiles one by one", seconds(lambda: serial.refine(base)))]
    serial.pipeline.to("cpu")
    model = ModelSettings(max_px=scale.side_px)
    people = VisionModels(VisionSettings())
    for batch in (1, BATCH):
        settings = InferenceSettings(
            edit_batch=batch,
            device=DeviceKind(device.type),
            max_text_tokens=scale.num_text_tokens,
        )
        engine = ModelEngine.load(str(folder), settings, model)
        with ThreadPoolExecutor(1) as turns, ThreadPoolExecutor(settings.cpu_threads) as cpu:
            ours = Ours(
                TiledRefiner(
                    LocalEditors(EngineThread(engine, turns)),
                    CpuThreads(cpu),
                    metrics=Metrics(None, settings.device),
                    people=people,
                    max_output_pixels=settings.max_output_pixels,
                )
            )
            for name, config in (("", PLAIN), (", SSIM and LPIPS", CHECKED)):
                took_s = seconds(lambda ours=ours, config=config: ours.refine(base, config))
                rows.append((f"ours, batch {batch}{name}", took_s))
    return rows


def main() -> int:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small shapes, on any machine")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type != "cuda" and not options.tiny:
        sys.stderr.write("no CUDA device; use --tiny to test the benchmark itself\n")
        return 2
    scale = TINY if options.tiny else FULL
    with tempfile.TemporaryDirectory() as folder:
        write_model(scale, device, Path(folder))
        rows = measure(Path(folder), scale, device)
    serial_s = rows[0][1]
    for name, took_s in rows:
        sys.stdout.write(f"{name:32} {took_s:8.3f} s  {took_s / serial_s:5.2f} ×\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
