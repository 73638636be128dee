"""Training pairs: a garment in one colour, an instruction, the garment in another colour."""

import logging
import random
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from shared.flux.flow_matching import add_noise, draw_sigmas, velocity_target
from shared.flux.pipeline.autoencoder import encode_mode
from shared.flux.pipeline.latents import pack
from training_worker.swatch.colouring import Colour, jittered_rgb, shade_pictures
from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import CLASS_NAMES, Split
from training_worker.swatch.diffusers_calls import seeded
from training_worker.swatch.editing.instructions import (
    draw_borrowing,
    draw_keeping,
    draw_recolouring,
)

logger = logging.getLogger(__name__)

_COLOURS = tuple(Colour)
_ENCODE_BATCH = 100


@dataclass(frozen=True)
class PairBank:
    """Latents of garments, each in two shades of different colours."""

    latents: Tensor
    """[N, 2, 16, 8, 8], shifted and scaled to mean 0 and deviation 1."""
    shades: Tensor
    """[N, 2], an index into the palette."""
    labels: Tensor
    """[N], an index into CLASS_NAMES."""
    shades_per_colour: int

    def colour(self, garment: int, version: int) -> Colour:
        """Return the colour of one version of a garment."""
        return _COLOURS[int(self.shades[garment, version]) // self.shades_per_colour]

    def others_in_shade(self, shade: int) -> Tensor:
        """Return the pictures in a shade: [M, 2], indices of garment and version."""
        return (self.shades == shade).nonzero()


@torch.no_grad()
def fill_pair_bank(split: Split, vae: AutoencoderKL, config: SwatchConfig) -> PairBank:
    """Encode the first garments of the split in two shades each, to the posterior's mode."""
    kontext = config.kontext
    generator = seeded(config.seed + 3)
    num = min(kontext.num_garments, len(split.pictures))
    logger.info("kontext: encoding %d garments in two colours each", num)
    palette_colours = [colour for colour in Colour for _ in range(kontext.shades_per_colour)]
    palette = jittered_rgb(palette_colours, generator)
    # Two different colours per garment, then a shade of each.
    first = torch.rand(num, len(Colour), generator=generator).topk(2).indices
    shade = torch.randint(kontext.shades_per_colour, (num, 2), generator=generator)
    shades = first * kontext.shades_per_colour + shade
    latents: list[Tensor] = []
    for start in range(0, num, _ENCODE_BATCH):
        batch = slice(start, start + _ENCODE_BATCH)
        for_two = split.pictures[:num][batch].repeat_interleave(2, dim=0)
        indices = shades[batch].flatten()
        colours = [palette_colours[index] for index in map(int, indices)]
        images = shade_pictures(for_two, colours, palette[indices])
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(encode_mode(vae, images).float())
    return PairBank(
        latents=torch.cat(latents).view(num, 2, *latents[0].shape[1:]),
        shades=shades,
        labels=split.labels[:num],
        shades_per_colour=kontext.shades_per_colour,
    )


@dataclass(frozen=True)
class EditBatch:
    """The training data of one step."""

    latents: Tensor
    """[B, 16, 8, 8], between the edited picture and noise."""
    velocity: Tensor
    """[B, 16, 64], packed: the direction from the edited picture to noise."""
    sigma: Tensor
    """[B], the share of noise, 0 to 1."""
    contexts: list[Tensor]
    """The base and perhaps a reference, each [B, 16, 8, 8]."""
    instructions: list[str]
    text_tokens: int
    """Padded length of the instructions."""


@dataclass(frozen=True)
class _Example:
    target: Tensor
    contexts: list[Tensor]
    instruction: str


def draw_edit_batch(bank: PairBank, config: SwatchConfig, seed: int) -> EditBatch:
    """Draw edits, noise and noise levels; either all edits of a batch have a reference or none."""
    kontext = config.kontext
    generator = seeded(seed)
    rng = random.Random(seed)  # noqa: S311
    with_reference = rng.random() < kontext.reference_share
    draw = _draw_with_reference if with_reference else _draw_alone
    examples = [draw(bank, config, rng) for _ in range(kontext.stage.batch_size)]
    clean = torch.stack([example.target for example in examples])
    noise = torch.randn(clean.shape, generator=generator)
    sigma = draw_sigmas(len(clean), config.transformer.timestep_shift, generator)
    is_short = rng.random() < kontext.short_text_share
    return EditBatch(
        latents=add_noise(clean, noise, sigma),
        velocity=pack(velocity_target(clean, noise)),
        sigma=sigma,
        contexts=[
            torch.stack(pictures)
            for pictures in zip(*(example.contexts for example in examples), strict=True)
        ],
        instructions=[example.instruction for example in examples],
        text_tokens=kontext.short_text_tokens if is_short else config.transformer.max_text_tokens,
    )


def _draw_alone(bank: PairBank, config: SwatchConfig, rng: random.Random) -> _Example:
    """Draw an edit by words: to the other colour by name, or to keep the base."""
    garment, before = rng.randrange(len(bank.latents)), rng.randrange(2)
    base = bank.latents[garment, before]
    class_name = CLASS_NAMES[int(bank.labels[garment])]
    if rng.random() < config.kontext.keep_share:
        return _Example(base, [base], draw_keeping(class_name, rng))
    instruction = draw_recolouring(class_name, bank.colour(garment, 1 - before), rng)
    return _Example(bank.latents[garment, 1 - before], [base], instruction)


def _draw_with_reference(bank: PairBank, config: SwatchConfig, rng: random.Random) -> _Example:
    """Draw an edit with a reference: to its shade, or by words that override it."""
    if rng.random() >= config.kontext.borrow_share:
        by_words = _draw_alone(bank, config, rng)
        bystander = bank.latents[rng.randrange(len(bank.latents)), rng.randrange(2)]
        return _Example(by_words.target, [*by_words.contexts, bystander], by_words.instruction)
    garment, before = rng.randrange(len(bank.latents)), rng.randrange(2)
    shade = int(bank.shades[garment, 1 - before])
    others = bank.others_in_shade(shade)
    other = others[rng.randrange(len(others))]
    return _Example(
        target=bank.latents[garment, 1 - before],
        contexts=[bank.latents[garment, before], bank.latents[other[0], other[1]]],
        instruction=draw_borrowing(CLASS_NAMES[int(bank.labels[garment])], rng),
    )
