"""How the files of a task were made: enough to make them again, pixel by pixel."""

from typing import Any

from shared.contracts.enums import ProviderType
from shared.contracts.message import Message


class LoraProvenance(Message):
    """One LoRA that acted."""

    field: str
    """The request field that named it: `subject_model_path`."""
    sha256: str
    weight: float


class ModelProvenance(Message):
    """One model beside the engine's: it decided where pixels change, or made a picture larger."""

    finds: str
    """What it looked for: `subjects`, `persons`; an upscaler, for `pixels`."""
    name: str
    """Its name in rembg, or its file's; never a path."""
    sha256: str
    """Of its file; of several, one after the other."""


class FileProvenance(Message):
    """One file that was made."""

    key: str
    """Its object, which the API serves by this path."""
    sha256: str
    seed: int | None = None


class Provenance(Message):
    """What only the worker of an attempt knows. What does not apply is none or empty."""

    engine: str
    """The kind of model, `flux.1`, or of whatever stands in its place: `image_adjuster`,
    `background_fix` and `background_remove` compute, and have neither a model nor a seed."""
    model: str
    """The model's own name, for people; never a path; empty where nothing was generated."""
    model_digest: str | None = None
    """A fingerprint of its files: weights that were trained apart differ in it."""
    profile: str | None = None
    """How the engine trades speed for likeness."""
    plan: str | None = None
    """What was done to the model for it, as far as that moves pixels: compiled, fp8, tiles …"""
    device: str | None = None
    """`cuda`, `mps`, `cpu`: on another kind the last bits of a pixel may differ."""
    dtype: str | None = None
    """Number format of weights and activations."""
    sampler: str | None = None
    steps: int | None = None
    guidance: float | None = None
    """Distilled guidance, as it was used or, by models without guidance embeddings, left out."""
    settings: dict[str, float] = {}
    """The worker's settings that pixels depend on besides."""
    upscaler: str | None = None
    """What made a picture larger before it was refined."""
    loras: list[LoraProvenance] = []
    models: list[ModelProvenance] = []
    """Those that looked at the pictures of an operation without a generative model, and what a
    REFINE was upscaled with."""
    versions: dict[str, str] = {}
    """Of the software, by distribution."""
    files: list[FileProvenance] = []


class ProvenanceRecord(Message):
    """The worker's part, beside what its attempt was asked for.

    The task's own row may say something else by then: it can be changed while the task runs.
    """

    provider_type: ProviderType
    provider_config: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    """The task type's request fields by their REST names, `config` among them."""
    made: Provenance
