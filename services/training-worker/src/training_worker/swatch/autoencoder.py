"""First stage: an AutoencoderKL of FLUX's form, with factor 8 and 16 latent channels."""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor, nn

from shared.flux.pipeline.autoencoder import decode_pixels, encode_pixels
from training_worker.swatch.colouring import (
    Colour,
    colour_freely,
    colour_pictures,
    crop_randomly,
)
from training_worker.swatch.config import IMAGE_SIZE_PX, AutoencoderConfig, SwatchConfig
from training_worker.swatch.data import Split
from training_worker.swatch.diffusers_calls import seed_parameters, seeded
from training_worker.swatch.loop import Trainer, step_seed

_START_LOG_VARIANCE = -6.0
_BRANCH_ENDS = ("conv2", "to_out.0")
_TRUNK = ("conv_in", "conv_out", "sampler", "shortcut")


def build_autoencoder(config: AutoencoderConfig) -> AutoencoderKL:
    """Build the model with random weights that pass the picture through from the first step."""
    num_levels = len(config.block_channels)
    model = AutoencoderKL(
        # diffusers annotates these as tuples of one.
        block_out_channels=config.block_channels,  # pyright: ignore[reportArgumentType]
        down_block_types=("DownEncoderBlock2D",) * num_levels,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * num_levels,  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        latent_channels=config.latent_channels,
        norm_num_groups=config.norm_groups,
        sample_size=IMAGE_SIZE_PX,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    start_transparent(model, config.latent_channels)
    return model


@torch.no_grad()
def start_transparent(model: AutoencoderKL, latent_channels: int) -> None:
    """Zero residual branches and latent noise, and make the trunk orthogonal.

    With the usual initialisation, the signal fades at every resolution, and training needs twice
    the steps.
    """
    layers = cast(Iterator[tuple[str, nn.Module]], model.named_modules())
    for name, layer in layers:
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        if name.endswith(_BRANCH_ENDS):
            nn.init.zeros_(layer.weight)
        elif any(part in name for part in _TRUNK):
            nn.init.orthogonal_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    encoder_out = model.encoder.conv_out
    assert encoder_out.bias is not None
    encoder_out.weight[latent_channels:] = 0
    encoder_out.bias[latent_channels:] = _START_LOG_VARIANCE


def draw_images(split: Split, config: AutoencoderConfig, generator: torch.Generator) -> Tensor:
    """Draw a batch [B, 3, 64, 64]: garments in named colours, in any colour, and zoomed crops."""
    num = config.stage.batch_size
    indices = torch.randint(len(split.pictures), (num,), generator=generator)
    pictures = split.pictures[indices]
    num_free = round(num * config.free_colour_share)
    free = colour_freely(pictures[:num_free], generator)
    colours = draw_colours(num - num_free, generator)
    images = torch.cat([free, colour_pictures(pictures[num_free:], colours, generator)])
    is_mirrored = torch.rand(num, generator=generator) < 0.5
    images = torch.where(is_mirrored[:, None, None, None], images.flip(3), images)
    is_crop = torch.rand(num, generator=generator) < config.crop_share
    crops = crop_randomly(images, generator)
    return torch.where(is_crop[:, None, None, None], crops, images)


def draw_colours(num: int, generator: torch.Generator) -> Sequence[Colour]:
    """Draw colour names with equal probability."""
    names = tuple(Colour)
    return [names[index] for index in torch.randint(len(names), (num,), generator=generator)]


def edges(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences between neighbouring pixels, vertical and horizontal."""
    return images.diff(dim=2), images.diff(dim=3)


def reconstruction_loss(
    model: AutoencoderKL, images: Tensor, config: AutoencoderConfig, generator: torch.Generator
) -> Tensor:
    """Return the mean error of pixels and of edges, plus a weighted KL divergence."""
    posterior = encode_pixels(model, images)
    decoded = decode_pixels(model, posterior.sample(generator))
    pixel_error = (decoded - images).abs().mean()
    edge_error = torch.stack(
        [
            (ours - theirs).abs().mean()
            for ours, theirs in zip(edges(decoded), edges(images), strict=True)
        ]
    ).sum()
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    return pixel_error + config.edge_weight * edge_error + config.kl_weight * kl


def train_autoencoder(split: Split, config: SwatchConfig) -> tuple[AutoencoderKL, float]:
    """Train the autoencoder, and return it with the training time in seconds."""
    seed_parameters(config.seed)
    model = build_autoencoder(config.autoencoder)
    trainer = Trainer(model, config.autoencoder.stage, config.work_dir / "autoencoder.pt")

    def compute_loss(step: int) -> Tensor:
        generator = seeded(step_seed(config.seed, step))
        images = draw_images(split, config.autoencoder, generator)
        # bfloat16 halves the time on processors with matrix units; weights stay float32.
        with torch.autocast("cpu", torch.bfloat16):
            return reconstruction_loss(model, images, config.autoencoder, generator)

    trainer.fit(compute_loss)
    return model, trainer.seconds
