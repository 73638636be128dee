"""Provenance of a task's files: the data needed to reproduce them pixel by pixel."""

from typing import Any

from shared.contracts.enums import ProviderType
from shared.contracts.message import Message


class LoraProvenance(Message):
    """A LoRA that was applied."""

    field: str
    """The request field that named it, for example `subject_model_path`."""
    sha256: str
    weight: float


class ModelProvenance(Message):
    """An auxiliary model: a detector, a segmentation model or an upscaler."""

    finds: str
    """The target of its detection: `subjects`, `persons`; of an upscaler `pixels`."""
    name: str
    """Its name in rembg, or its file name; never a path."""
    sha256: str
    """Digest of its file; of several files, their concatenation."""


class FileProvenance(Message):
    """An output file."""

    key: str
    """Its object key, which is also its path in the API."""
    sha256: str
    seed: int | None = None


class Provenance(Message):
    """Provenance as the worker reports it. Fields that do not apply are none or empty."""

    engine: str
    """The engine: a model family such as `flux.1`, or `image_adjuster`, `background_fix` and
    `background_remove`, which have neither a generative model nor a seed. Of work by an outside
    provider the provider's name, such as `fal`."""
    model: str
    """Display name of the model, or a provider's id of the model or app; never a path. Empty if
    nothing was generated."""
    model_digest: str | None = None
    """Fingerprint of the model's files. Different weights have different fingerprints."""
    profile: str | None = None
    """Profile of the engine: its trade-off between speed and fidelity."""
    plan: str | None = None
    """The profile's changes to the model that affect pixels: compiled, fp8, tiles …"""
    device: str | None = None
    """`cuda`, `mps` or `cpu`. Results on another kind of device may differ in the last bits."""
    dtype: str | None = None
    """Number format of weights and activations."""
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    """Distilled guidance as set. Models without guidance embeddings ignore it."""
    settings: dict[str, float] = {}
    """Other settings of the worker that affect pixels."""
    upscaler: str | None = None
    """The upscaler that enlarged a picture before it was refined."""
    loras: list[LoraProvenance] = []
    models: list[ModelProvenance] = []
    """Models of operations without a generative model, and the upscaler of a REFINE."""
    versions: dict[str, str] = {}
    """Versions of the software, by distribution."""
    ignored: list[str] = []
    """Fields of the request that have no place at a provider: `prompt`, `config.resolution`."""
    files: list[FileProvenance] = []


class ProvenanceRecord(Message):
    """The worker's provenance, together with the request of the attempt.

    The request is recorded because the task's row can be changed while the task runs.
    """

    provider_type: ProviderType
    provider_config: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    """The task type's request fields by their REST names, including `config`."""
    made: Provenance
