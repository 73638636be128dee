"""The model card of the exported folder."""

from importlib.metadata import version
from pathlib import Path

from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from pydantic import BaseModel, ConfigDict
from torch import nn

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.evaluate import REFINE_STEPS, REFINE_STRENGTH, Scores

_TEMPLATE = Path(__file__).with_name("model_card.md")
_COMPONENTS = ("transformer", "vae", "text_encoder", "text_encoder_2")


class TrainingTime(BaseModel):
    """Training time of the three stages, in seconds."""

    model_config = ConfigDict(frozen=True)

    autoencoder_s: float
    transformer_s: float
    guidance_s: float
    hardware: str


def write_model_card(
    pipeline: FluxPipeline, scores: Scores, time: TrainingTime, config: SwatchConfig
) -> None:
    """Fill in the template, and write README.md beside the weights."""
    parameters = {name: _count_parameters(getattr(pipeline, name)) for name in _COMPONENTS}
    classes = " · ".join(
        f"{name} {share:.0%}" for name, share in scores.class_accuracy_by_name.items()
    )
    card = _TEMPLATE.read_text(encoding="utf-8").format(
        config=config,
        scores=scores,
        time=time,
        parameters=parameters,
        total_parameters=sum(parameters.values()),
        classes=classes,
        autoencoder_min=time.autoencoder_s / 60,
        transformer_min=time.transformer_s / 60,
        guidance_min=time.guidance_s / 60,
        refine_strength=REFINE_STRENGTH,
        refine_steps=REFINE_STEPS,
        diffusers_version=version("diffusers"),
        transformers_version=version("transformers"),
        shift_factor=pipeline.vae.config.shift_factor,
        scaling_factor=pipeline.vae.config.scaling_factor,
    )
    (config.model_dir / "README.md").write_text(card, encoding="utf-8")


def _count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
