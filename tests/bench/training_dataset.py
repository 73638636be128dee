"""Twelve drawn garments as a prepared dataset, and items that are encoded in every step."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from shared.contracts.datasets import Captioning, DatasetImage, DatasetManifest
from shared.flux.pipeline.autoencoder import encode_mode
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.encode import PromptEncoder
from shared.flux.pipeline.prepare import picture_pixels
from training_worker.dataset.files import read_picture
from training_worker.dataset.items import CachedDataset

SIDE_PX = 64
TRIGGER = "zqx"
_NUM_PICTURES, _NUM_HELD_OUT = 14, 2


def draw_garment(number: int) -> Image.Image:
    """Return a dress, yellow above and purple below, a little different for each number."""
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
    left, waist = 16 + number % 5, 26 + number % 7
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, 6, SIDE_PX - left, waist), fill=(240, 200 + number, 40))
    hem = [(left, waist), (SIDE_PX - left, waist), (SIDE_PX - left + 6, 58), (left - 6, 58)]
    draw.polygon(hem, fill=(110 + 2 * number, 40, 150))
    return picture


def write_dataset(folder: Path) -> tuple[DatasetManifest, Path]:
    """Write the archive of a dataset; return its manifest and path."""
    archive = folder / "images.zip"
    images: list[DatasetImage] = []
    with zipfile.ZipFile(archive, "w") as opened:
        for number in range(_NUM_PICTURES):
            encoded = io.BytesIO()
            draw_garment(number).save(encoded, "PNG")
            name = f"{number:04d}.png"
            opened.writestr(name, encoded.getvalue())
            images.append(
                DatasetImage(
                    index=number,
                    name=name,
                    source=f"uploads/{name}",
                    sha256=hashlib.sha256(encoded.getvalue()).hexdigest(),
                    width=SIDE_PX,
                    height=SIDE_PX,
                    bucket=(SIDE_PX, SIDE_PX),
                    caption=f"{TRIGGER}, number {number}",
                    is_held_out=number < _NUM_HELD_OUT,
                )
            )
    manifest = DatasetManifest(
        transforms=[],
        captioning=Captioning(trigger_word=TRIGGER),
        resolutions=[SIDE_PX],
        archive=archive.name,
        images=images,
    )
    return manifest.with_digest(), archive


@dataclass(frozen=True)
class FreshItem:
    """Implements `Item` without a cache: encodes pixels and caption whenever they are asked for.

    Its pixels are in memory, as in diffusers' script: no file is read in a step.
    """

    image: DatasetImage
    pixels: Tensor
    components: FluxComponents
    encoder: PromptEncoder

    @property
    def latents(self) -> Tensor:
        with torch.no_grad():
            return encode_mode(self.components.vae, self.pixels)

    @property
    def prompt(self) -> PromptEmbeddings:
        with torch.no_grad():
            return self.encoder.encode(self.image.caption)


def without_cache(
    dataset: CachedDataset, archive: Path, components: FluxComponents, num_tokens: int
) -> CachedDataset:
    """Return the dataset with items that are encoded in every step."""
    encoder = PromptEncoder(components, max_tokens=num_tokens, num_remembered=0)
    items = [
        FreshItem(
            item.image,
            picture_pixels(components, read_picture(archive, item.image)),
            components,
            encoder,
        )
        for item in dataset.items
    ]
    return CachedDataset(items, dataset.held_out, dataset.empty_prompt, dataset.digest)
