"""Evaluation of the exported model, with its contact sheet.

Run it alone on an existing folder: python -m training_worker.swatch.evaluate
"""

import itertools
import logging
import time
from collections.abc import Sequence
from statistics import fmean

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import functional

from shared.flux.pipeline.autoencoder import decode_pixels, encode_pixels
from training_worker.swatch.autoencoder import draw_colours
from training_worker.swatch.captions import simple_prompt
from training_worker.swatch.colouring import HUES, Colour, colour_pictures, crop_randomly
from training_worker.swatch.config import IMAGE_SIZE_PX, SwatchConfig
from training_worker.swatch.contact_sheet import write_contact_sheet
from training_worker.swatch.data import CLASS_NAMES, Split, load_split
from training_worker.swatch.diffusers_calls import (
    call_pipeline,
    image_to_image,
    load_pipeline,
    seeded,
)
from training_worker.swatch.scores import NearestGarments, nearest_hue, similarity

logger = logging.getLogger(__name__)

REFINE_STRENGTH = 0.35
REFINE_STEPS = 20
_ENLARGED_PX = 192
_TILE_SIZES_PX = (64, 96, 128, 192)
_BATCH = 50
_DEMO_PROMPT = "fashion model wearing elegant dress"


class Scores(BaseModel):
    """The scores of the model card; shares from 0 to 1."""

    model_config = ConfigDict(frozen=True)

    class_accuracy: float
    """Share of right classes among 200 prompted pictures, by 5-NN."""
    class_accuracy_by_name: dict[str, float]
    """The same by class."""
    class_ceiling: float
    """The same among 200 real test pictures, coloured the same way: the upper bound of 5-NN."""
    colour_accuracy: float
    """Share of right hues among 60 prompts over six colours."""
    demo_accuracy: float
    """Share of dresses among ten pictures of the API reference's prompt."""
    garment_ssim: float
    """SSIM of the autoencoder's reconstruction of unseen whole garments."""
    crop_ssim: float
    """SSIM of the autoencoder's reconstruction of unseen crops, zoomed 1 to 3 times."""
    refine_ssim: float
    """SSIM of crops of enlarged generated pictures to themselves after img2img."""
    refine_above_threshold: float
    """Share of those crops at or above 0.6."""
    seconds_to_load: float
    seconds_per_image: float
    """For a single 64×64 picture at the recommended steps."""


class Sampler:
    """Generator of the pictures to score."""

    def __init__(self, config: SwatchConfig) -> None:
        started = time.perf_counter()
        self.pipeline = load_pipeline(config.model_dir)
        self.seconds_to_load = time.perf_counter() - started
        self.num_inference_steps = config.num_inference_steps
        self._common = {
            "height": IMAGE_SIZE_PX,
            "width": IMAGE_SIZE_PX,
            "guidance_scale": 1.0,
            "max_sequence_length": config.transformer.max_text_tokens,
        }

    def generate(self, prompts: Sequence[str], *, seed: int = 0) -> Tensor:
        """Generate [B, 3, 64, 64], values -1 to 1; picture i has the seed `seed` + i."""
        batches = [
            call_pipeline(
                self.pipeline,
                prompts[start : start + _BATCH],
                range(seed + start, seed + len(prompts))[:_BATCH],
                num_inference_steps=self.num_inference_steps,
                **self._common,
            )
            for start in range(0, len(prompts), _BATCH)
        ]
        return torch.cat(batches)

    def refine(self, tiles: Tensor, prompts: Sequence[str]) -> Tensor:
        """Edit tiles by img2img at low strength, as in tiled refinement."""
        return call_pipeline(
            image_to_image(self.pipeline),
            prompts,
            range(len(prompts)),
            image=(tiles + 1) / 2,
            strength=REFINE_STRENGTH,
            num_inference_steps=REFINE_STEPS,
            **self._common,
        )


def score_classes(sampler: Sampler, classifier: NearestGarments) -> dict[str, float]:
    """Return the share of right classes for each of the ten, over twenty pictures each."""
    shares: dict[str, float] = {}
    for label, name in enumerate(CLASS_NAMES):
        shades = itertools.islice(itertools.cycle(Colour), 20)
        images = sampler.generate(
            [simple_prompt(shade, name) for shade in shades], seed=1000 * label
        )
        shares[name] = (classifier.classify(images) == label).float().mean().item()
    return shares


def score_ceiling(test: Split, classifier: NearestGarments) -> float:
    """Return the class score of 200 real pictures."""
    colours = list(itertools.islice(itertools.cycle(Colour), 200))
    images = colour_pictures(test.pictures[:200], colours, seeded(0))
    return (classifier.classify(images) == test.labels[:200]).float().mean().item()


def score_colours(sampler: Sampler) -> float:
    """Return the share of right hues over every pair of hue and class."""
    pairs = list(itertools.product(HUES, CLASS_NAMES))
    images = sampler.generate([simple_prompt(*pair) for pair in pairs], seed=50_000)
    return fmean(nearest_hue(image) is hue for image, (hue, _) in zip(images, pairs, strict=True))


def score_demo(sampler: Sampler, classifier: NearestGarments) -> float:
    """Return the share of dresses for the API reference's prompt."""
    images = sampler.generate([_DEMO_PROMPT] * 10, seed=60_000)
    return (classifier.classify(images) == CLASS_NAMES.index("dress")).float().mean().item()


@torch.no_grad()
def score_autoencoder(sampler: Sampler, test: Split) -> tuple[float, float]:
    """Return the mean SSIM of reconstructions of whole garments and of crops."""
    generator = seeded(0)
    garments = colour_pictures(test.pictures[:200], draw_colours(200, generator), generator)
    crops = crop_randomly(garments, generator)
    vae = sampler.pipeline.vae
    decoded = [decode_pixels(vae, encode_pixels(vae, images).mean) for images in (garments, crops)]
    return fmean(_similarities(garments, decoded[0])), fmean(_similarities(crops, decoded[1]))


def score_refinement(sampler: Sampler) -> tuple[float, float]:
    """Return the mean SSIM of tiles to their light edits, and the share at or above 0.6."""
    prompts = [simple_prompt(colour, name) for colour in HUES for name in CLASS_NAMES]
    images = sampler.generate(prompts, seed=70_000)
    enlarged = functional.interpolate(images, size=_ENLARGED_PX, mode="bicubic").clamp(-1, 1)
    generator = seeded(0)
    sizes = itertools.cycle(_TILE_SIZES_PX)
    tiles = torch.stack(
        [cut_tile(image, size, generator) for image, size in zip(enlarged, sizes, strict=False)]
    )
    values = _similarities(tiles, sampler.refine(tiles, prompts))
    return fmean(values), fmean(value >= 0.6 for value in values)


def cut_tile(image: Tensor, size_px: int, generator: torch.Generator) -> Tensor:
    """Cut a square at a random place of [3, H, W], and shrink it to the model's size."""
    top, left = map(int, torch.randint(image.shape[1] - size_px + 1, (2,), generator=generator))
    tile = image[None, :, top : top + size_px, left : left + size_px]
    return functional.interpolate(tile, size=IMAGE_SIZE_PX, mode="area")[0]


def _similarities(left: Tensor, right: Tensor) -> list[float]:
    return [similarity(ours, theirs) for ours, theirs in zip(left, right, strict=True)]


def time_one_image(sampler: Sampler) -> float:
    """Return the seconds for one picture, the fastest of five."""
    seconds: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        sampler.generate(["a red dress"])
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def evaluate(config: SwatchConfig) -> Scores:
    """Score the exported folder, and write its contact sheet."""
    sampler = Sampler(config)
    classifier = NearestGarments(load_split(config.dataset_dir, "train"))
    test = load_split(config.dataset_dir, "t10k")
    by_name = score_classes(sampler, classifier)
    garment_ssim, crop_ssim = score_autoencoder(sampler, test)
    refine_ssim, refine_above = score_refinement(sampler)
    scores = Scores(
        class_accuracy=fmean(by_name.values()),
        class_accuracy_by_name=by_name,
        class_ceiling=score_ceiling(test, classifier),
        colour_accuracy=score_colours(sampler),
        demo_accuracy=score_demo(sampler, classifier),
        garment_ssim=garment_ssim,
        crop_ssim=crop_ssim,
        refine_ssim=refine_ssim,
        refine_above_threshold=refine_above,
        seconds_to_load=sampler.seconds_to_load,
        seconds_per_image=time_one_image(sampler),
    )
    write_contact_sheet(sampler.generate, config.contact_sheet_path)
    return scores


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(SwatchConfig().num_threads)
    logger.info("%s", evaluate(SwatchConfig()).model_dump_json(indent=2))
