"""Training of swatch's transformer to edit by instruction, and its export."""

import json
import shutil
import time

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor

from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.encode import encode_tokens
from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import Split
from training_worker.swatch.diffusers_calls import save_transformer
from training_worker.swatch.editing.flow import predict_edit
from training_worker.swatch.editing.pairs import EditBatch, draw_edit_batch, fill_pair_bank
from training_worker.swatch.loop import Trainer, step_seed
from training_worker.swatch.text import TextTokenizers

PIPELINE_CLASS = "FluxKontextPipeline"


def edit_loss(
    transformer: FluxTransformer2DModel, batch: EditBatch, prompt: PromptEmbeddings
) -> Tensor:
    """Return the mean squared error of the velocity, over the generated picture's tokens only."""
    velocity = predict_edit(transformer, batch.latents, batch.sigma, batch.contexts, prompt)
    return (velocity - batch.velocity).square().mean()


def train_editing(
    swatch: FluxPipeline, split: Split, config: SwatchConfig
) -> tuple[FluxTransformer2DModel, float]:
    """Fine-tune swatch's transformer, and return it with the processor time in seconds."""
    tokenizers = TextTokenizers(clip=swatch.tokenizer, t5=swatch.tokenizer_2)
    started = time.process_time()
    bank = fill_pair_bank(split, swatch.vae, config)
    encoding_s = time.process_time() - started
    transformer = swatch.transformer
    trainer = Trainer(transformer, config.kontext.stage, config.work_dir / "kontext.pt")

    @torch.no_grad()
    def encode(batch: EditBatch) -> PromptEmbeddings:
        ids = tokenizers.tokenize(batch.instructions, batch.text_tokens)
        return encode_tokens(swatch.text_encoder, swatch.text_encoder_2, *ids)

    def compute_loss(step: int) -> Tensor:
        batch = draw_edit_batch(bank, config, step_seed(config.seed + 3, step))
        return edit_loss(transformer, batch, encode(batch))

    trainer.fit(compute_loss)
    return transformer, encoding_s + trainer.seconds


def export_editor(transformer: FluxTransformer2DModel, config: SwatchConfig) -> None:
    """Replace the folder: the transformer in bfloat16, all else copied from swatch."""
    folder = config.kontext_model_dir
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        config.model_dir, folder, ignore=shutil.ignore_patterns("transformer", "README.md")
    )
    index_path = folder / "model_index.json"
    index = json.loads(index_path.read_text(encoding="utf-8"))
    index["_class_name"] = PIPELINE_CLASS
    index_path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    save_transformer(transformer, folder / "transformer")
    # Swatch's config, since diffusers also writes the folder that the model was loaded from.
    shutil.copy(config.model_dir / "transformer/config.json", folder / "transformer")
