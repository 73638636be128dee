"""The fourth stage, from start to end."""

import logging

import torch

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import load_split
from training_worker.swatch.diffusers_calls import load_pipeline
from training_worker.swatch.editing.contact_sheet import write_edit_sheet
from training_worker.swatch.editing.evaluate import Editor, evaluate_editor
from training_worker.swatch.editing.model_card import write_editor_card
from training_worker.swatch.editing.training import export_editor, train_editing

logger = logging.getLogger(__name__)


def make_editor(config: SwatchConfig) -> None:
    """Train, export and evaluate the editor, and write its sheet and model card."""
    torch.set_num_threads(config.num_threads)
    swatch = load_pipeline(config.model_dir)
    transformer, seconds = train_editing(swatch, load_split(config.dataset_dir, "train"), config)
    export_editor(transformer, config)
    scores = evaluate_editor(config)
    logger.info("%s", scores.model_dump_json(indent=2))
    test = load_split(config.dataset_dir, "t10k")
    write_edit_sheet(Editor(config), test, config.kontext_sheet_path)
    write_editor_card(scores, seconds, config)
