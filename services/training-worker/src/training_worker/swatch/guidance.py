"""Third stage: distillation of classifier-free guidance, so that a step needs only one pass.

The student learns the predictions of its teacher with guidance (Meng et al., "On Distillation of
Guided Diffusion Models", CVPR 2023, first stage, at one fixed scale).
"""

import copy

import torch
from torch import Tensor

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.loop import Trainer, step_seed
from training_worker.swatch.text import TextTokenizers
from training_worker.swatch.transformer import LatentBank, NoisedBatch, SwatchModel, draw_batch


@torch.no_grad()
def guided_velocity(
    teacher: SwatchModel, batch: NoisedBatch, tokenizers: TextTokenizers, scale: float
) -> Tensor:
    """Return the teacher's prediction with classifier-free guidance at `scale`: [B, 16, 64]."""
    ids = tokenizers.tokenize(batch.captions, batch.text_tokens)
    no_ids = tokenizers.tokenize([""] * len(batch.captions), batch.text_tokens)
    with_caption = teacher(batch.latents, batch.sigma, *ids)
    without = teacher(batch.latents, batch.sigma, *no_ids)
    # Rounds unlike the true CFG of `shared.flux`, which rounds as diffusers does: the published
    # weights were trained with this one.
    return torch.lerp(without, with_caption, scale)


def distil_guidance(
    teacher: SwatchModel, bank: LatentBank, tokenizers: TextTokenizers, config: SwatchConfig
) -> tuple[SwatchModel, float]:
    """Train a copy of the teacher, and return it with the training time in seconds."""
    student = copy.deepcopy(teacher)
    teacher.eval()
    guidance = config.guidance
    trainer = Trainer(student, guidance.stage, config.work_dir / "guidance.pt")

    def compute_loss(step: int) -> Tensor:
        seed = step_seed(config.seed + 2, step)
        batch = draw_batch(bank, config.transformer, guidance.stage.batch_size, seed)
        ids = tokenizers.tokenize(batch.captions, batch.text_tokens)
        predicted = student(batch.latents, batch.sigma, *ids)
        target = guided_velocity(teacher, batch, tokenizers, guidance.scale)
        return (predicted - target).square().mean()

    trainer.fit(compute_loss)
    return student, trainer.seconds
