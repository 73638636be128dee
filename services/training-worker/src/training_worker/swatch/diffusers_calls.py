"""Typed calls of diffusers, which ships no type annotations for its models' results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.pipelines.flux.pipeline_flux_img2img import FluxImg2ImgPipeline
from torch import Tensor, nn

from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.encode import encode_tokens, tokenize


class _Pictures(Protocol):
    images: Tensor


class _Pipeline(Protocol):
    def __call__(self, **options: object) -> _Pictures: ...


def seeded(seed: int) -> torch.Generator:
    """Return a seeded random generator on the CPU."""
    generator = torch.Generator()
    generator.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
    return generator


def seed_parameters(seed: int) -> None:
    """Seed the global generator, which initialises weights."""
    torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]


def set_latent_scale(vae: AutoencoderKL, *, shift: float, scale: float) -> None:
    """Write shift and scale, which normalise latents to mean 0 and deviation 1, to the config."""
    vae.register_to_config(  # pyright: ignore[reportUnknownMemberType]
        shift_factor=shift, scaling_factor=scale
    )


def read_text(pipeline: FluxPipeline, prompts: Sequence[str]) -> PromptEmbeddings:
    """Encode prompts as the pipeline does."""
    clip_ids, t5_ids = (
        tokenize(tokenizer, prompts, max_length=cast(int, tokenizer.model_max_length))
        for tokenizer in (pipeline.tokenizer, pipeline.tokenizer_2)
    )
    return encode_tokens(pipeline.text_encoder, pipeline.text_encoder_2, clip_ids, t5_ids)


def load_pipeline(folder: Path) -> FluxPipeline:
    """Load a diffusers folder in float32, which is fast on every CPU."""
    pipeline = FluxPipeline.from_pretrained(  # pyright: ignore[reportUnknownMemberType]
        folder, dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)  # pyright: ignore[reportUnknownMemberType]
    return pipeline


def image_to_image(pipeline: FluxPipeline) -> FluxImg2ImgPipeline:
    """Return an img2img pipeline of the same components."""
    edit = cast(
        FluxImg2ImgPipeline,
        FluxImg2ImgPipeline.from_pipe(pipeline),  # pyright: ignore[reportUnknownMemberType]
    )
    edit.set_progress_bar_config(disable=True)  # pyright: ignore[reportUnknownMemberType]
    return edit


def save_pipeline(pipeline: FluxPipeline, folder: Path) -> None:
    """Write a diffusers folder in bfloat16."""
    pipeline.to(dtype=torch.bfloat16)  # pyright: ignore[reportUnknownMemberType]
    pipeline.save_pretrained(folder)  # pyright: ignore[reportUnknownMemberType]


def save_transformer(transformer: FluxTransformer2DModel, folder: Path) -> None:
    """Write a transformer's folder in bfloat16."""
    nn.Module.to(transformer, dtype=torch.bfloat16)
    transformer.save_pretrained(folder)  # pyright: ignore[reportUnknownMemberType]


def call_pipeline(
    pipeline: FluxPipeline | FluxImg2ImgPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    **options: object,
) -> Tensor:
    """Generate one picture per prompt and seed: [B, 3, H, W], values -1 to 1."""
    pictures = cast(_Pipeline, pipeline)(
        prompt=list(prompts),
        generator=[seeded(seed) for seed in seeds],
        output_type="pt",
        **options,
    )
    return pictures.images.float() * 2 - 1
