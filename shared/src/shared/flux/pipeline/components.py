"""The parts of a FLUX model as the blocks of its pipeline use them."""

import json
from pathlib import Path
from typing import Any, Protocol

from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor

from shared.contracts.error_text import one_line
from shared.flux.errors import ModelLoadError
from shared.flux.model_cache.model_parts import FolderParts
from shared.flux.pipeline.diffusers_functions import FluxPipeline


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


class ImageProcessor(Protocol):
    """`VaeImageProcessor`: converts pictures to tensors in -1…1 and back."""

    def preprocess(self, image: Image.Image, height: int, width: int) -> Tensor: ...

    def postprocess(self, image: Tensor, output_type: str) -> list[Image.Image]: ...


class FluxComponents:
    """A model's tokenizers and scheduler, in memory; its weights are loaded when they are needed.

    Args:
        folder: the model in diffusers format.
        parts: its encoders, transformer and VAE.

    Raises:
        ModelLoadError: a configuration or tokenizer file is missing or invalid.
    """

    def __init__(self, folder: Path, parts: FolderParts) -> None:
        self._parts = parts
        self.device = parts.device
        self.dtype = parts.dtype
        try:
            weights = dict.fromkeys(("transformer", "vae", "text_encoder", "text_encoder_2"))
            small = FluxPipeline.from_pretrained(folder, **weights)
            transformer = json.loads((folder / "transformer" / "config.json").read_text())
            vae = json.loads((folder / "vae" / "config.json").read_text())
            self.clip_tokenizer: Any = small.tokenizer
            self.t5_tokenizer: Any = small.tokenizer_2
            self._scheduler: Any = small.scheduler
            self.num_latent_channels = int(transformer["in_channels"]) // 4
            self.has_guidance_embeds = bool(transformer["guidance_embeds"])
            self.vae_scale_factor = 2 ** (len(vae["block_out_channels"]) - 1)
            """Pixels per latent, along each side."""
        except Exception as error:
            raise ModelLoadError(f"cannot load {str(folder)!r}: {one_line(error)}") from error
        self.image_processor: ImageProcessor = VaeImageProcessor(
            vae_scale_factor=2 * self.vae_scale_factor
        )  # pyright: ignore[reportAttributeAccessIssue] -- diffusers ships no types

    @property
    def clip(self) -> Any:
        """The text encoder of CLIP."""
        return self._parts["text_encoder"]

    @property
    def t5(self) -> Any:
        """The encoder of T5."""
        return self._parts["text_encoder_2"]

    @property
    def transformer(self) -> Transformer:
        """The denoiser."""
        return self._parts["transformer"]

    @property
    def vae(self) -> Any:
        """The autoencoder between pixels and latents."""
        return self._parts["vae"]

    def new_scheduler(self) -> Any:
        """Return a scheduler of its own for a run, whose state it keeps."""
        return self._scheduler.from_config(self._scheduler.config)

    @property
    def multiple_of(self) -> int:
        """Pixels per token: the transformer sees latents in patches of 2 × 2."""
        return 2 * self.vae_scale_factor


def resolve_folder(source: str) -> Path:
    """Return the folder of a model, downloaded from the hub if needed.

    Args:
        source: a folder, or an id of the Hugging Face hub.

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
            f"{source!r} is neither a folder nor a model of the hub: {one_line(error)}"
        ) from error
