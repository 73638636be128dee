"""The model card of the exported editor."""

from importlib.metadata import version
from pathlib import Path

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.diffusers_calls import load_pipeline
from training_worker.swatch.editing.evaluate import IMG2IMG_STRENGTH, EditScores

_TEMPLATE = Path(__file__).with_name("model_card.md")


def write_editor_card(scores: EditScores, training_s: float, config: SwatchConfig) -> None:
    """Fill in the template, and write README.md beside the weights."""
    transformer = load_pipeline(config.kontext_model_dir).transformer
    card = _TEMPLATE.read_text(encoding="utf-8").format(
        config=config,
        kontext=config.kontext,
        scores=scores,
        training_min=training_s / 60,
        transformer_parameters=sum(parameter.numel() for parameter in transformer.parameters()),
        img2img_strength=IMG2IMG_STRENGTH,
        diffusers_version=version("diffusers"),
        transformers_version=version("transformers"),
    )
    (config.kontext_model_dir / "README.md").write_text(card, encoding="utf-8")
