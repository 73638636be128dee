"""The metadata of a trained LoRA's file, by the names that other tools read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata as installed
from uuid import UUID

from shared.contracts.enums import EntityType
from shared.contracts.untrusted import cleaned
from training_worker.export.layouts import DIFFUSERS, Layout
from training_worker.loop.config import LoopConfig

_MAX_NOTE_CHARS = 1024
"""Name and value of an entry that the LoRA store's records keep."""
_ARCHITECTURE = "flux-1-dev/lora"
_BASE_VERSION = "flux1"
_NETWORK_MODULE = "networks.lora_flux"


@dataclass(frozen=True)
class TrainedFrom:
    """The origin of a LoRA, as its file states it.

    Attributes:
        training_id: the training.
        stem: the file's name without suffix.
        entity_type: the kind of entity.
        base_model: name of the base model; never a path.
        base_digest: of the base model's weights.
        dataset_digest: of the dataset.
        num_images: trained on.
        resolution: greatest training resolution, in pixels.
        config: of the loop.
        optimizer_used: the optimizer; `adamw8bit` is another one where there is no CUDA.
        mixed_precision: `bf16`, `fp16` or `no`.
        step: number of steps that were trained.
        started_at: of the whole training.
        finished_at: of the whole training.
    """

    training_id: UUID
    stem: str
    entity_type: EntityType
    base_model: str
    base_digest: str
    dataset_digest: str
    num_images: int
    resolution: int
    config: LoopConfig
    optimizer_used: str
    mixed_precision: str
    step: int
    started_at: datetime
    finished_at: datetime


def file_metadata(
    origin: TrainedFrom, tensors_sha256: str, layout: Layout = DIFFUSERS
) -> dict[str, str]:
    """Return the metadata of a file.

    Args:
        origin: of the LoRA.
        tensors_sha256: of all bytes behind the header.
        layout: of the file.

    Returns:
        By name; entries that are too long for the LoRA store's records come last.
    """
    found = {
        "format": "pt",
        **_modelspec(origin, tensors_sha256, layout),
        **_kohya(origin, tensors_sha256),
        **_own(origin),
    }
    entries = {name: value for name, value in cleaned(found).items() if value}
    return dict(sorted(entries.items(), key=_is_long))


def _is_long(entry: tuple[str, str]) -> bool:
    name, value = entry
    return len(name) + len(value) > _MAX_NOTE_CHARS


def _modelspec(origin: TrainedFrom, tensors_sha256: str, layout: Layout) -> dict[str, str]:
    """Return the entries of the Stability AI model specification, 1.0.1."""
    trigger = origin.config.trigger_word
    values = {
        "sai_model_spec": "1.0.1",
        "architecture": _ARCHITECTURE,
        "implementation": layout.implementation,
        "title": origin.stem,
        "resolution": f"{origin.resolution}x{origin.resolution}",
        "date": _seconds(origin.finished_at),
        "trigger_phrase": trigger,
        "usage_hint": f"Write {trigger!r} in the prompt; weight 1 is as trained.",
        "description": f"LoRA of a {origin.entity_type.value.lower()} on {origin.base_model}",
        "hash_sha256": f"0x{tensors_sha256}",
    }
    return {f"modelspec.{name}": value for name, value in values.items()}


def _kohya(origin: TrainedFrom, tensors_sha256: str) -> dict[str, str]:
    """Return the entries that kohya's scripts introduced, which most viewers read."""
    config, values = origin.config, origin.config.values
    trigger = config.trigger_word
    own: Mapping[str, object] = {
        "v2": False,
        "network_module": _NETWORK_MODULE,
        "network_dim": values.rank,
        "network_alpha": float(values.rank),
        "network_args": "{}",
        "base_model_version": _BASE_VERSION,
        "output_name": origin.stem,
        "sd_model_name": origin.base_model,
        "learning_rate": values.learning_rate,
        "optimizer": origin.optimizer_used,
        "lr_scheduler": "constant_with_warmup" if config.warmup_steps else "constant",
        "lr_warmup_steps": config.warmup_steps,
        "steps": origin.step,
        "max_train_steps": values.steps,
        "num_train_images": origin.num_images,
        "resolution": f"({origin.resolution}, {origin.resolution})",
        "seed": values.seed,
        "mixed_precision": origin.mixed_precision,
        "total_batch_size": values.batch_size,
        "gradient_accumulation_steps": values.gradient_accumulation,
        "guidance_scale": values.guidance_scale,
        "bypass_guidance_embedding": values.bypass_guidance_embedding,
        "caption_dropout_rate": values.caption_dropout,
        "training_started_at": origin.started_at.timestamp(),
        "training_finished_at": origin.finished_at.timestamp(),
        "training_comment": f"trigger word: {trigger}",
        # Viewers look for trigger words here.
        "tag_frequency": _compact({f"1_{trigger}": {trigger: origin.num_images}}),
    }
    return {
        **{f"ss_{name}": str(value) for name, value in own.items()},
        "sshs_model_hash": tensors_sha256,
    }


def _own(origin: TrainedFrom) -> dict[str, str]:
    return {
        "sartiq.training_id": str(origin.training_id),
        "sartiq.dataset_digest": origin.dataset_digest,
        "sartiq.base_digest": origin.base_digest,
        "sartiq.version": installed.version("sartiq-training-worker"),
        "sartiq.config": _compact(origin.config.values.model_dump(mode="json")),
    }


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _seconds(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
