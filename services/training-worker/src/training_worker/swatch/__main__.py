"""Training of the swatch model on Fashion-MNIST.

Run `python -m training_worker.swatch` from the root. An interrupted run resumes from its last
checkpoint; delete `.sartiq/swatch` to start over.
"""

import logging
import platform
import sys
from pathlib import Path

import torch

from training_worker.swatch.autoencoder import train_autoencoder
from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import load_split
from training_worker.swatch.diffusers_calls import load_pipeline
from training_worker.swatch.editing.stage import make_editor
from training_worker.swatch.evaluate import evaluate
from training_worker.swatch.export import export_pipeline
from training_worker.swatch.guidance import distil_guidance
from training_worker.swatch.model_card import TrainingTime, write_model_card
from training_worker.swatch.running import run_recipe
from training_worker.swatch.text import TextTokenizers
from training_worker.swatch.transformer import fill_bank, train_transformer

logger = logging.getLogger("training_worker.swatch")


def train(config: SwatchConfig) -> None:
    """Run the recipe from start to end."""
    torch.set_num_threads(config.num_threads)
    split = load_split(config.dataset_dir, "train")
    tokenizers = TextTokenizers.build(config.transformer)

    vae, autoencoder_s = train_autoencoder(split, config)
    bank = fill_bank(split, vae, config)
    teacher, transformer_s = train_transformer(bank, tokenizers, config)
    model, guidance_s = distil_guidance(teacher, bank, tokenizers, config)

    export_pipeline(vae, model, tokenizers, config)
    scores = evaluate(config)
    logger.info("%s", scores.model_dump_json(indent=2))
    time = TrainingTime(
        autoencoder_s=autoencoder_s,
        transformer_s=transformer_s,
        guidance_s=guidance_s,
        hardware=processor_name(),
    )
    write_model_card(load_pipeline(config.model_dir), scores, time, config)
    make_editor(config)


def processor_name() -> str:
    """Return the name of the processor, or else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(run_recipe(train))
