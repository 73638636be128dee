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
"""Called after each denoise step with the steps done and the steps in all."""


def ignore_step(done: int, steps: int) -> None:
    """Of a run whose progress nobody watches."""


@dataclass(frozen=True)
class Edit:
    """An image-to-image edit of one picture.

    Args:
        prompt: what the picture shows.
        strength: 0 leaves the picture alone, 1 replaces it.
        num_steps: denoise steps of the whole schedule; the edit runs its last `strength` part.
        seed: same picture, edit and seed give the same pixels.
    """

    prompt: str
    strength: float
    num_steps: int
    seed: int


@dataclass(frozen=True)
class LoraUse:
    """One LoRA of a request, on this machine.

    Args:
        field: the request field that named it, for messages: `subject_model_path`.
        sha256: the digest of its bytes.
        path: a safetensors file, admitted as a LoRA when it was uploaded.
        weight: how strongly it acts; 0 is as if it were not there.
    """

    field: str
    sha256: str
    path: Path
    weight: float


@dataclass(frozen=True)
class EngineFacts:
    """What an engine says of itself for a provenance record, whose fields these are.

    Args:
        engine: the model's family.
        model: the model's own name; never a path.
        model_digest: tells its weights from all others.
        profile: how speed is traded for likeness.
        plan: what was done to the model for it, as far as that moves pixels.
        device: `cuda`, `mps` or `cpu`.
        dtype: `bfloat16` …
        sampler: the scheduler's class.
        steps: denoise steps of the whole schedule.
        guidance: distilled guidance.
        settings: the worker's own settings that pixels depend on besides, by name.
        warnings: what of the task had no effect, for its record; of provenance it is no part.
    """

    engine: str
    model: str
    model_digest: str
    profile: str
    plan: str
    device: str
    dtype: str | None
    sampler: str | None
    steps: int
    guidance: float | None
    settings: dict[str, float] = field(default_factory=dict[str, float])
    warnings: list[str] = field(default_factory=list[str])


class ImageEngine(Protocol):
    """A model behind the worker. Its methods raise `Cancelled` between two steps."""

    @property
    def model_id(self) -> str:
        """Names everything on this side that changes an edit: weights, number format, settings."""
        ...

    @property
    def edit_side_px(self) -> int:
        """Longer side at which pictures are best given to `edit`."""
        ...

    @property
    def multiple_of(self) -> int:
        """Both sides of a picture given to `edit` are multiples of this."""
        ...

    @property
    def edit_batch(self) -> int:
        """Pictures that `edit` takes at once, where it is not one."""
        ...

    @property
    def max_references(self) -> int | None:
        """Pictures that `instruct` looks at beside the base; none: it follows no instructions."""
        ...

    def facts(self, inputs: GenerationInputs | EditingInputs | RefineInputs) -> EngineFacts:
        """How a task with these inputs is done. May be asked from any thread."""
        ...

    def warm_up(self) -> None:
        """Load and run what the first request would wait for."""
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
        """Make `inputs.config.num_images` pictures of exactly the size asked for.

        Args:
            inputs: prompt, size, seed and the rest.
            reference: the picture under `inputs.reference_image_url`, if there is one.
            loras: mixed by their weights.
            on_step: hears of progress, on the calling thread.
            cancel: looked at before each step.

        Raises:
            InvalidInputError: names the field that this model cannot do.
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
        """Change a picture as the prompt says; `inputs.config.num_images` answers.

        Args:
            inputs: prompt, size, seed and the rest.
            base: RGB, or RGBA whose transparent parts are to be painted anew.
            references: RGB pictures that show what is meant.
            on_step: hears of progress, on the calling thread.
            cancel: looked at before each step.

        Raises:
            InvalidInputError: names the field that this model cannot do.
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
        """Edit one RGB picture, or `edit_batch` of one size in one run; the answers have it too.

        Never another number: a compiled model then sees two shapes, and what comes of a picture
        does not depend on how many others there were.

        Args:
            images: of one size.
            edits: one for each; they differ in their seeds alone.
            on_step: hears of progress, on the calling thread.
            cancel: looked at before each step.
        """
        ...
