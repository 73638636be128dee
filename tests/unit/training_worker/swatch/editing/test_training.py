import copy
import json

import pytest
import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import Split
from training_worker.swatch.diffusers_calls import load_pipeline, read_text
from training_worker.swatch.editing.flow import edit_pictures
from training_worker.swatch.editing.pairs import draw_edit_batch, fill_pair_bank
from training_worker.swatch.editing.training import edit_loss, export_editor, train_editing

pytestmark = pytest.mark.models


@pytest.mark.long
def test_training_lowers_the_loss_and_touches_the_transformer_alone(
    swatch: FluxPipeline, split: Split, config: SwatchConfig
) -> None:
    bank = fill_pair_bank(split, swatch.vae, config)
    batch = draw_edit_batch(bank, config, seed=1)
    text = read_text(swatch, batch.instructions)
    parts = ("vae", "text_encoder", "text_encoder_2")
    frozen = {name: copy.deepcopy(getattr(swatch, name).state_dict()) for name in parts}
    with torch.no_grad():
        before = edit_loss(swatch.transformer, batch, text)

    transformer, _ = train_editing(swatch, split, config)

    with torch.no_grad():
        assert edit_loss(transformer, batch, text) < before
    for name, state in frozen.items():
        now = getattr(swatch, name).state_dict()
        assert all(torch.equal(now[key], value) for key, value in state.items())


def test_exported_folder_is_a_kontext_pipeline_that_runs(
    swatch: FluxPipeline, config: SwatchConfig
) -> None:
    export_editor(swatch.transformer, config)
    index = json.loads((config.kontext_model_dir / "model_index.json").read_text())
    assert index["_class_name"] == "FluxKontextPipeline"
    exported = load_pipeline(config.kontext_model_dir)
    picture = edit_pictures(exported, ["make it red"], [torch.zeros(1, 3, 64, 64)], num_steps=1)
    assert picture.shape == (1, 3, 64, 64)
