"""Second stage: a small FluxTransformer2DModel and its text encoders, by flow matching."""

import logging
import random
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from torch import Tensor, nn

from shared.flux.flow_matching import add_noise, draw_sigmas, velocity_target
from shared.flux.pipeline.autoencoder import encode_pixels
from shared.flux.pipeline.latents import pack, position_ids, scale_latents
from shared.flux.pipeline.velocity import predict_velocity
from training_worker.swatch.autoencoder import draw_colours
from training_worker.swatch.captions import draw_caption, draw_detail_caption
from training_worker.swatch.colouring import Colour, colour_pictures, crop_randomly
from training_worker.swatch.config import SwatchConfig, TransformerConfig
from training_worker.swatch.data import CLASS_NAMES, Split
from training_worker.swatch.diffusers_calls import (
    seed_parameters,
    seeded,
    set_latent_scale,
)
from training_worker.swatch.loop import Trainer, step_seed
from training_worker.swatch.text import TextEncoders, TextTokenizers

logger = logging.getLogger(__name__)

_ENCODE_BATCH = 100


@dataclass(frozen=True)
class LatentBank:
    """Latents of coloured garments and of crops, with the attributes for their captions."""

    latents: Tensor
    """[N, 16, 8, 8], shifted and scaled to mean 0 and deviation 1."""
    labels: Tensor
    """[N], an index into CLASS_NAMES."""
    colours: Tensor
    """[N], an index into Colour."""
    is_crop: Tensor
    """[N], true for a zoomed crop."""

    def caption(self, index: int, rng: random.Random) -> str:
        """Draw a caption for one entry."""
        class_name = CLASS_NAMES[int(self.labels[index])]
        colour = tuple(Colour)[int(self.colours[index])]
        draw = draw_detail_caption if self.is_crop[index] else draw_caption
        return draw(class_name, colour, rng)


class SwatchModel(nn.Module):
    """The modules of the second stage: the transformer and its text encoders."""

    def __init__(
        self, config: TransformerConfig, tokenizers: TextTokenizers, latent_channels: int
    ) -> None:
        super().__init__()
        self.text = TextEncoders(config, tokenizers)
        self.transformer = FluxTransformer2DModel(
            in_channels=latent_channels * 4,
            num_layers=config.num_double_blocks,
            num_single_layers=config.num_single_blocks,
            attention_head_dim=sum(config.rope_axes),
            num_attention_heads=config.num_heads,
            joint_attention_dim=config.t5_width,
            pooled_projection_dim=config.clip_width,
            axes_dims_rope=config.rope_axes,
        )
        self._start_as_identity()

    def _start_as_identity(self) -> None:
        """Zero modulation and output (adaLN-Zero): blocks start as identity, and learn faster."""
        for name, parameter in self.transformer.named_parameters():
            if ".linear." in name or name.startswith("proj_out"):
                nn.init.zeros_(parameter)

    def forward(self, latents: Tensor, sigma: Tensor, clip_ids: Tensor, t5_ids: Tensor) -> Tensor:
        """Predict the velocity of noised latents [B, 16, H, W], packed to [B, H*W/4, 64]."""
        _, _, rows, columns = latents.shape
        return predict_velocity(
            self.transformer,
            pack(latents),
            position_ids(rows, columns),
            self.text(clip_ids, t5_ids),
            sigmas=sigma,
        )


@torch.no_grad()
def fill_bank(split: Split, vae: AutoencoderKL, config: SwatchConfig) -> LatentBank:
    """Encode every garment once in a random colour, a share of them as a crop.

    Also write the measured shift and scale to the autoencoder's config.
    """
    logger.info("transformer: encoding %d pictures", len(split.pictures))
    generator = seeded(config.seed)
    num = len(split.pictures)
    names = tuple(Colour)
    colours = draw_colours(num, generator)
    is_crop = torch.rand(num, generator=generator) < config.transformer.crop_share
    latents: list[Tensor] = []
    for start in range(0, num, _ENCODE_BATCH):
        batch = slice(start, start + _ENCODE_BATCH)
        images = colour_pictures(split.pictures[batch], colours[batch], generator)
        crops = crop_randomly(images, generator)
        images = torch.where(is_crop[batch, None, None, None], crops, images)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = encode_pixels(vae, images)
        latents.append(posterior.sample(generator).float())
    raw = torch.cat(latents)
    set_latent_scale(vae, shift=raw.mean().item(), scale=1 / raw.std().item())
    return LatentBank(
        latents=scale_latents(vae, raw),
        labels=split.labels,
        colours=torch.tensor([names.index(colour) for colour in colours]),
        is_crop=is_crop,
    )


@dataclass(frozen=True)
class NoisedBatch:
    """The training data of one step."""

    latents: Tensor
    """[B, 16, 8, 8], between picture and noise."""
    velocity: Tensor
    """[B, 16, 64], packed: the direction from picture to noise."""
    sigma: Tensor
    """[B], the share of noise, 0 to 1."""
    captions: list[str]
    text_tokens: int
    """Padded length of the captions."""


def draw_batch(
    bank: LatentBank, config: TransformerConfig, batch_size: int, seed: int
) -> NoisedBatch:
    """Draw pictures, noise, noise levels and captions, determined by the seed."""
    generator = seeded(seed)
    rng = random.Random(seed)  # noqa: S311
    indices = torch.randint(len(bank.latents), (batch_size,), generator=generator)
    clean = bank.latents[indices]
    noise = torch.randn(clean.shape, generator=generator)
    sigma = draw_sigmas(batch_size, config.timestep_shift, generator)
    is_short = rng.random() < config.short_text_share
    return NoisedBatch(
        latents=add_noise(clean, noise, sigma),
        velocity=pack(velocity_target(clean, noise)),
        sigma=sigma,
        captions=[bank.caption(index, rng) for index in map(int, indices)],
        text_tokens=config.short_text_tokens if is_short else config.max_text_tokens,
    )


def flow_loss(model: SwatchModel, batch: NoisedBatch, tokenizers: TextTokenizers) -> Tensor:
    """Return the mean squared error of the velocity from data to noise."""
    ids = tokenizers.tokenize(batch.captions, batch.text_tokens)
    velocity = model(batch.latents, batch.sigma, *ids)
    return (velocity - batch.velocity).square().mean()


def train_transformer(
    bank: LatentBank, tokenizers: TextTokenizers, config: SwatchConfig
) -> tuple[SwatchModel, float]:
    """Train transformer and text encoders, and return them with the training time in seconds."""
    seed_parameters(config.seed + 1)
    model = SwatchModel(config.transformer, tokenizers, config.autoencoder.latent_channels)
    stage = config.transformer.stage
    trainer = Trainer(model, stage, config.work_dir / "transformer.pt")

    def compute_loss(step: int) -> Tensor:
        seed = step_seed(config.seed + 1, step)
        batch = draw_batch(bank, config.transformer, stage.batch_size, seed)
        return flow_loss(model, batch, tokenizers)

    trainer.fit(compute_loss)
    return model, trainer.seconds
