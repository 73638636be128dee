"""Metadata of files: read by other tools, and short enough for the records."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import torch

from shared.contracts.enums import EntityType
from shared.contracts.training import Hyperparameters
from shared.lora.inspection import inspect_lora
from training_worker.export.lora_file import write_lora
from training_worker.export.metadata import TrainedFrom, file_metadata
from training_worker.loop.config import LoopConfig

_SHA = "e" * 64
_NAME = "single_transformer_blocks.0.attn.to_q"


def _origin(trigger: str = "zqx", **values: object) -> TrainedFrom:
    return TrainedFrom(
        training_id=UUID(int=7),
        stem="zqx",
        entity_type=EntityType.PRODUCT,
        base_model="swatch",
        base_digest="b" * 64,
        dataset_digest="d" * 64,
        num_images=12,
        resolution=64,
        config=LoopConfig(Hyperparameters(**values), trigger),
        optimizer_used="adamw",
        mixed_precision="no",
        step=200,
        started_at=datetime(2026, 11, 30, tzinfo=UTC),
        finished_at=datetime(2026, 11, 30, 1, tzinfo=UTC),
    )


def test_entries_of_the_run() -> None:
    found = file_metadata(_origin(rank=8, learning_rate=3e-3, guidance_scale=2.5, seed=5), _SHA)

    assert found["format"] == "pt"
    assert found["modelspec.architecture"] == "flux-1-dev/lora"
    assert found["modelspec.trigger_phrase"] == "zqx"
    assert found["modelspec.hash_sha256"] == f"0x{_SHA}"
    assert (found["ss_network_dim"], found["ss_network_alpha"]) == ("8", "8.0")
    assert (found["ss_learning_rate"], found["ss_guidance_scale"]) == ("0.003", "2.5")
    assert (found["ss_seed"], found["ss_steps"], found["ss_num_train_images"]) == ("5", "200", "12")
    assert found["sshs_model_hash"] == _SHA
    assert json.loads(found["ss_tag_frequency"]) == {"1_zqx": {"zqx": 12}}
    assert found["sartiq.training_id"] == str(UUID(int=7))
    assert json.loads(found["sartiq.config"])["rank"] == 8
    assert {"ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_args"} <= {*found}


@pytest.mark.parametrize("trigger", ["zqx", "靴", "x" * 500, 'a "b"\n{}', "nul\0 and \ud800"])
def test_records_keep_every_short_entry(tmp_path: Path, trigger: str) -> None:
    origin = _origin(trigger, rank=2, sample_prompts=["a long prompt " * 100])
    weights = {
        f"{_NAME}.lora_A.weight": torch.ones(2, 4),
        f"{_NAME}.lora_B.weight": torch.ones(4, 2),
    }
    written = write_lora(tmp_path / "a", weights, lambda sha: file_metadata(origin, sha))

    kept = inspect_lora(written.path).metadata
    whole = file_metadata(origin, kept["sshs_model_hash"])
    dropped = {*whole} - {*kept}

    assert "sartiq.config" in dropped
    assert dropped <= {"sartiq.config", "ss_tag_frequency"}
    assert list(kept) == list(whole)[: len(kept)]
    assert len(whole) <= 64


def test_what_is_empty_is_left_out() -> None:
    assert "modelspec.trigger_phrase" not in file_metadata(_origin(""), _SHA)
    assert file_metadata(replace(_origin(), step=3), _SHA)["ss_steps"] == "3"
