"""The protocol of an engine: generate pictures, and edit them.

Engines block and are not thread-safe: each gets one thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from PIL import Image

from shared.cancellation import CancelFlag
from shared.contracts.editing import EditingInputs
from shared.contracts.generation import GenerationInputs
from shared.contracts.refinement import RefineInputs

StepCallback = Callable[[int, int], None]
"""Called after each denoise step with the number of finished steps and of all steps."""


def ignore_step(done: int, steps: int) -> None:
    """Do nothing: the callback of a run without progress reports."""


@dataclass(frozen=True)
class Edit:
    """An image-to-image edit of one picture.

    Attributes:
        prompt: a description of the picture.
        strength: 0 keeps the picture, 1 replaces it.
        num_steps: denoise steps of the whole schedule; the edit runs its last `strength` part.
        seed: the same picture, edit and seed give the same pixels.
    """

    prompt: str
    strength: float
    num_steps: int
    seed: int


@dataclass(frozen=True)
class LoraUse:
    """One LoRA of a request, on this machine.

    Attributes:
        field: the request field that named it, for messages: `subject_model_path`.
        sha256: the digest of its bytes.
        path: a safetensors file, admitted as a LoRA when it was uploaded.
        weight: its strength; 0 has no effect.
    """

    field: str
    sha256: str
    path: Path
    weight: float


@dataclass(frozen=True)
class EngineFacts:
    """The engine's part of a provenance record, under the record's field names.

    Of a remote editor, those are none that do not apply.

    Attributes:
        engine: the model's family.
        model: the model's own name; never a path.
        model_digest: digest of its weights.
        profile: the profile of speed and fidelity.
        plan: the optimisations that change pixels.
        device: `cuda`, `mps` or `cpu`.
        dtype: `bfloat16` …
        sampler: the scheduler's class.
        steps: denoise steps of the whole schedule.
        guidance: distilled guidance.
        settings: the worker's further settings that change pixels, by name.
        warnings: parts of the request that had no effect; no part of provenance.
    """

    engine: str
    model: str
    model_digest: str | None
    profile: str | None
    plan: str | None
    device: str | None
    dtype: str | None
    sampler: str | None
    steps: int | None
    guidance: float | None
    settings: dict[str, float] = field(default_factory=dict[str, float])
    warnings: list[str] = field(default_factory=list[str])


class ImageEngine(Protocol):
    """An engine. Its methods raise `Cancelled` between two steps."""

    @property
    def model_id(self) -> str:
        """The identity of weights, number format and settings: all that changes an edit."""
        ...

    @property
    def edit_side_px(self) -> int:
        """The best longer side of pictures for `edit`, in pixels."""
        ...

    @property
    def multiple_of(self) -> int:
        """The divisor of both sides of pictures for `edit`, in pixels."""
        ...

    @property
    def edit_batch(self) -> int:
        """The number of pictures that `edit` takes at once, beside one."""
        ...

    @property
    def max_references(self) -> int | None:
        """The most references that `instruct` takes; None: it follows no instructions."""
        ...

    def facts(self, inputs: GenerationInputs | EditingInputs | RefineInputs) -> EngineFacts:
        """Return the facts of a task with these inputs. May be called from any thread."""
        ...

    def warm_up(self) -> None:
        """Load and run the model once, so that the first request does not wait for it."""
        ...

    def generate(
        self,
        inputs: GenerationInputs,
        reference: Image.Image | None,
        loras: Sequence[LoraUse],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Generate `inputs.config.num_images` pictures of exactly the requested size.

        Args:
            inputs: prompt, size, seed and the rest.
            reference: the picture under `inputs.reference_image_url`, if there is one.
            loras: mixed by their weights.
            on_step: called after each step, on the calling thread.
            cancel: checked before each step.

        Raises:
            InvalidInputError: this model cannot do it; names the field.
            Cancelled: the flag was set.
        """
        ...

    def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Change a picture as the prompt says, in `inputs.config.num_images` versions.

        Args:
            inputs: prompt, size, seed and the rest.
            base: RGB, or RGBA whose transparent parts are inpainted.
            references: RGB pictures that the prompt refers to.
            on_step: called after each step, on the calling thread.
            cancel: checked before each step.

        Raises:
            InvalidInputError: this model cannot do it; names the field.
            Cancelled: the flag was set.
        """
        ...

    def edit(
        self,
        images: Sequence[Image.Image],
        edits: Sequence[Edit],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Edit one RGB picture, or `edit_batch` pictures of one size, in one run.

        Never another number: a compiled model then has two shapes, and the result of a picture does
        not depend on the number of others.

        Args:
            images: RGB, of one size; the results have it too.
            edits: one for each; they differ only in their seeds.
            on_step: called after each step, on the calling thread.
            cancel: checked before each step.

        Raises:
            Cancelled: the flag was set.
        """
        ...
