"""Export of the trained components as a diffusers folder in bfloat16, for FluxPipeline."""

import shutil

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.diffusers_calls import save_pipeline
from training_worker.swatch.text import TextTokenizers
from training_worker.swatch.transformer import SwatchModel


def export_pipeline(
    vae: AutoencoderKL, model: SwatchModel, tokenizers: TextTokenizers, config: SwatchConfig
) -> None:
    """Replace the folder by an export of the components."""
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=config.transformer.timestep_shift),
        vae=vae,
        text_encoder=model.text.clip,
        tokenizer=tokenizers.clip,
        text_encoder_2=model.text.t5,
        tokenizer_2=tokenizers.t5,
        transformer=model.transformer,
    )
    shutil.rmtree(config.model_dir, ignore_errors=True)
    save_pipeline(pipeline, config.model_dir)
