"""The parts of a FLUX model, loaded by diffusers, with types that the blocks can rely on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor

from inference_worker.errors import ModelLoadError
from inference_worker.pipelines.diffusers_functions import FluxPipeline, hide_progress_bars


class Transformer(Protocol):
    """`FluxTransformer2DModel.forward`."""

    def __call__(  # noqa: PLR0913 — diffusers' signature
        self,
        *,
        hidden_states: Tensor,  # [B, L, 4C]
        timestep: Tensor,  # [B], 0 to 1
        guidance: Tensor | None,  # [B]
        pooled_projections: Tensor,  # [B, P]
        encoder_hidden_states: Tensor,  # [B, T, D]
        txt_ids: Tensor,  # [T, 3]
        img_ids: Tensor,  # [L, 3]
        return_dict: bool,
    ) -> tuple[Tensor, ...]: ...


class Scheduler(Protocol):
    """`FlowMatchEulerDiscreteScheduler`: holds the schedule of one run."""

    timesteps: Tensor

    def set_begin_index(self, begin_index: int) -> None: ...

    def scale_noise(self, sample: Tensor, timestep: Tensor, noise: Tensor) -> Tensor: ...

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, *, return_dict: bool
    ) -> tuple[Tensor, ...]: ...


class ImageProcessor(Protocol):
    """`VaeImageProcessor`: pictures to tensors in -1…1 and back."""

    def preprocess(self, image: Image.Image, height: int, width: int) -> Tensor: ...

    def postprocess(self, image: Tensor, output_type: str) -> list[Image.Image]: ...


@dataclass(frozen=True)
class FluxComponents:
    """A model in memory. Tokenizers, encoders and VAE are diffusers' and transformers' own."""

    clip_tokenizer: Any
    clip: Any
    t5_tokenizer: Any
    t5: Any
    transformer: Transformer
    vae: Any
    image_processor: ImageProcessor
    new_scheduler: Callable[[], Any]
    """A fresh scheduler, since it keeps the state of the run."""
    num_latent_channels: int
    vae_scale_factor: int
    """Pixels per latent, along each side."""
    has_guidance_embeds: bool
    device: torch.device
    dtype: torch.dtype

    @property
    def multiple_of(self) -> int:
        """Pixels per token: the transformer sees latents in patches of 2 × 2."""
        return 2 * self.vae_scale_factor


def load_components(folder: Path, device: torch.device, dtype: torch.dtype) -> FluxComponents:
    """Load a folder in diffusers format.

    Raises:
        ModelLoadError: the folder is missing, incomplete or holds another kind of model.
    """
    hide_progress_bars()
    try:
        pipeline = FluxPipeline.from_pretrained(folder, dtype=dtype)
        return take_components(pipeline.to(device), device, dtype)
    except Exception as error:
        raise ModelLoadError(
            f"cannot load a FLUX model from {str(folder)!r} on {device}: {error}. Set"
            " SARTIQ_MODEL_SOURCE to a folder in diffusers format or a hub id, or leave it empty"
            " for the packaged model; SARTIQ_INFERENCE_DEVICE and _DTYPE choose the hardware."
        ) from error


def take_components(pipeline: Any, device: torch.device, dtype: torch.dtype) -> FluxComponents:
    """The parts of a `FluxPipeline` that is on its device already."""
    scheduler = pipeline.scheduler
    image_processor: Any = VaeImageProcessor(vae_scale_factor=2 * pipeline.vae_scale_factor)
    scale = int(pipeline.vae_scale_factor)
    return FluxComponents(
        clip_tokenizer=pipeline.tokenizer,
        clip=pipeline.text_encoder,
        t5_tokenizer=pipeline.tokenizer_2,
        t5=pipeline.text_encoder_2,
        transformer=pipeline.transformer,
        vae=pipeline.vae,
        image_processor=image_processor,
        new_scheduler=lambda: scheduler.from_config(scheduler.config),
        num_latent_channels=pipeline.transformer.config.in_channels // 4,
        vae_scale_factor=scale,
        has_guidance_embeds=bool(pipeline.transformer.config.guidance_embeds),
        device=device,
        dtype=dtype,
    )


def resolve_folder(source: str) -> Path:
    """The folder of a model: the path itself, or the hub's snapshot of an id, downloaded if needed.

    Raises:
        ModelLoadError: the source is neither.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    try:
        return Path(str(FluxPipeline.download(source)))
    except Exception as error:
        raise ModelLoadError(
            f"{source!r} is neither a folder nor a model that the hub gives us: {error}. Set"
            " SARTIQ_MODEL_SOURCE to a folder in diffusers format or a hub id, or leave it empty"
            " for the packaged model."
        ) from error
