"""Evaluation of the exported editor on test pictures, compared with swatch's img2img.

Run it alone on an existing folder: python -m training_worker.swatch.editing.evaluate
"""

import itertools
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from shared.flux.pipeline.autoencoder import decode_pixels, encode_pixels
from training_worker.swatch.captions import simple_prompt
from training_worker.swatch.colouring import HUES, Colour, colour_pictures
from training_worker.swatch.config import IMAGE_SIZE_PX, SwatchConfig
from training_worker.swatch.data import CLASS_NAMES, Split, load_split
from training_worker.swatch.diffusers_calls import (
    call_pipeline,
    image_to_image,
    load_pipeline,
    seeded,
)
from training_worker.swatch.editing.flow import edit_pictures
from training_worker.swatch.editing.instructions import (
    draw_borrowing,
    draw_keeping,
    draw_recolouring,
)
from training_worker.swatch.scores import (
    ink_correlation,
    nearest_hue,
    shape_overlap,
    similarity,
)

logger = logging.getLogger(__name__)

IMG2IMG_STRENGTH = 0.75
UNSEEN_TEMPLATES = (
    "could you have this one in {colour} for me",
    "{colour} would look nicer",
    "i would rather like {colour}",
    "now the {colour} one",
)
"""Wordings that are not in the training templates."""

_NUM_EDITS = 240
_BATCH = 40


class EditMeasure(BaseModel):
    """Scores of one kind of instruction over all test edits; shares from 0 to 1."""

    model_config = ConfigDict(frozen=True)

    colour: float
    """Share of edits whose nearest hue is the target."""
    shape: float
    """Mean IoU of the garment's silhouette with the base's."""
    ink: float
    """Mean correlation of the garment's grey values with the base's, for folds and patterns."""


class EditScores(BaseModel):
    """The scores of the model card."""

    model_config = ConfigDict(frozen=True)

    num_edits: int
    words: EditMeasure
    unseen_words: EditMeasure
    reference: EditMeasure
    words_beside_reference: EditMeasure
    """With a reference of another colour; the words name the target."""
    kept_ssim: float
    """Mean SSIM to the base if the instruction is to keep it."""
    keep_loses_to_reference: float
    """Share of edits that should keep the base but took the hue of a reference."""
    ceiling: EditMeasure
    """The true edited picture, encoded and decoded: the upper bound."""
    img2img: EditMeasure
    """Swatch by img2img, with class and colour in the prompt."""
    chance: EditMeasure
    """Another test garment of the same class in a random hue."""
    seconds_per_edit: float
    """Processor time of one edit without a reference."""


@dataclass(frozen=True)
class EditSet:
    """Test edits of garments to a target hue."""

    class_names: list[str]
    wanted: list[Colour]
    bases: Tensor
    """[B, 3, 64, 64], values -1 to 1, in any other colour."""
    truths: Tensor
    """The bases' garments in the wanted colour."""
    references: Tensor
    """Other garments in the wanted colour."""
    bystanders: Tensor
    """Other garments in another hue."""


def draw_edit_set(test: Split, num: int, seed: int) -> EditSet:
    """Colour the first test pictures as bases, and the next ones as references."""
    generator, rng = seeded(seed), random.Random(seed)  # noqa: S311
    wanted = list(itertools.islice(itertools.cycle(HUES), num))
    before = [rng.choice([other for other in Colour if other is not hue]) for hue in wanted]
    aside = [rng.choice([other for other in HUES if other is not hue]) for hue in wanted]
    own, others = test.pictures[:num], test.pictures[num : 2 * num]
    return EditSet(
        class_names=[CLASS_NAMES[label] for label in map(int, test.labels[:num])],
        wanted=wanted,
        bases=colour_pictures(own, before, generator),
        truths=colour_pictures(own, wanted, generator),
        references=colour_pictures(others, wanted, generator),
        bystanders=colour_pictures(others, aside, generator),
    )


class Editor:
    """Editor of the pictures to score."""

    def __init__(self, config: SwatchConfig) -> None:
        self.pipeline: FluxPipeline = load_pipeline(config.kontext_model_dir)
        self.num_steps = config.num_inference_steps

    def edit(self, instructions: Sequence[str], *contexts: Tensor, seed: int = 0) -> Tensor:
        """Return the edits [B, 3, 64, 64], values -1 to 1.

        Args:
            instructions: one per picture.
            contexts: the bases, then perhaps the references; each [B, 3, 64, 64].
            seed: picture i has the seed `seed` + i.
        """
        return torch.cat(
            [
                edit_pictures(
                    self.pipeline,
                    instructions[start : start + _BATCH],
                    [images[start : start + _BATCH] for images in contexts],
                    num_steps=self.num_steps,
                    seed=seed + start,
                )
                for start in range(0, len(instructions), _BATCH)
            ]
        )


def measure(images: Tensor, edits: EditSet) -> EditMeasure:
    """Score pictures [B, 3, 64, 64] as edits of the set."""
    hues = [nearest_hue(image) for image in images]
    return EditMeasure(
        colour=fmean(hue is wanted for hue, wanted in zip(hues, edits.wanted, strict=True)),
        shape=shape_overlap(images, edits.bases).mean().item(),
        ink=ink_correlation(images, edits.bases).mean().item(),
    )


def mean_similarity(ours: Tensor, theirs: Tensor) -> float:
    """Return the mean SSIM of pictures [B, 3, H, W]."""
    return fmean(similarity(left, right) for left, right in zip(ours, theirs, strict=True))


def same_hue(ours: Tensor, theirs: Tensor) -> float:
    """Return the share of pairs of pictures [B, 3, H, W] with the same nearest hue."""
    return fmean(
        nearest_hue(left) is nearest_hue(right) for left, right in zip(ours, theirs, strict=True)
    )


def edit_by_img2img(edits: EditSet, config: SwatchConfig) -> Tensor:
    """Edit the bases by swatch's img2img, with class and colour in the prompt."""
    prompts = [
        simple_prompt(hue, name) for hue, name in zip(edits.wanted, edits.class_names, strict=True)
    ]
    pipeline = image_to_image(load_pipeline(config.model_dir))
    return call_pipeline(
        pipeline,
        prompts,
        range(len(prompts)),
        image=(edits.bases + 1) / 2,
        strength=IMG2IMG_STRENGTH,
        # Scaled, so that as many steps remain as an edit has.
        num_inference_steps=round(config.num_inference_steps / IMG2IMG_STRENGTH),
        height=IMAGE_SIZE_PX,
        width=IMAGE_SIZE_PX,
        guidance_scale=1.0,
        max_sequence_length=config.transformer.max_text_tokens,
    )


def draw_others(test: Split, num: int, seed: int) -> Tensor:
    """Draw, for each of the first pictures, another of its class in a random hue."""
    rng = random.Random(seed)  # noqa: S311
    of_class = [test.of_class(label) for label in range(len(CLASS_NAMES))]
    others = [
        rng.choice([other for other in of_class[label] if other >= num])
        for label in map(int, test.labels[:num])
    ]
    hues = [rng.choice(HUES) for _ in range(num)]
    return colour_pictures(test.pictures[others], hues, seeded(seed))


@torch.no_grad()
def evaluate_editor(config: SwatchConfig, *, num_edits: int = _NUM_EDITS) -> EditScores:
    """Score the exported folder."""
    test = load_split(config.dataset_dir, "t10k")
    edits = draw_edit_set(test, num_edits, seed=0)
    editor = Editor(config)
    rng = random.Random(0)  # noqa: S311
    targets = list(zip(edits.class_names, edits.wanted, strict=True))
    words = [draw_recolouring(name, hue, rng) for name, hue in targets]
    unseen = [rng.choice(UNSEEN_TEMPLATES).format(colour=hue.value) for hue in edits.wanted]
    borrow = [draw_borrowing(name, rng) for name in edits.class_names]
    keep = [draw_keeping(name, rng) for name in edits.class_names]
    vae = editor.pipeline.vae
    return EditScores(
        num_edits=num_edits,
        words=measure(editor.edit(words, edits.bases), edits),
        unseen_words=measure(editor.edit(unseen, edits.bases), edits),
        reference=measure(editor.edit(borrow, edits.bases, edits.references), edits),
        words_beside_reference=measure(editor.edit(words, edits.bases, edits.bystanders), edits),
        kept_ssim=mean_similarity(editor.edit(keep, edits.bases), edits.bases),
        keep_loses_to_reference=same_hue(
            editor.edit(keep, edits.bases, edits.bystanders), edits.bystanders
        ),
        ceiling=measure(decode_pixels(vae, encode_pixels(vae, edits.truths).mean), edits),
        img2img=measure(edit_by_img2img(edits, config), edits),
        chance=measure(draw_others(test, num_edits, seed=1), edits),
        seconds_per_edit=time_one_edit(editor, edits),
    )


def time_one_edit(editor: Editor, edits: EditSet) -> float:
    """Return the processor seconds of one edit without a reference, the fastest of five."""
    seconds: list[float] = []
    for _ in range(5):
        started = time.process_time()
        editor.edit(["make it red"], edits.bases[:1])
        seconds.append(time.process_time() - started)
    return min(seconds)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(SwatchConfig().num_threads)
    logger.info("%s", evaluate_editor(SwatchConfig()).model_dump_json(indent=2))
