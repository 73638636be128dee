"""Sample pictures: made by the code of GENERATION, stored with their provenance inside."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from PIL import Image
from torch import nn

from shared.cancellation import NEVER, CancelFlag
from shared.contracts.provenance import Provenance
from shared.flux.families.flux import FLUX
from shared.flux.guidance import DEFAULT_GUIDANCE_SCALE
from shared.flux.pipeline.conditioning import Conditioning
from shared.flux.pipeline.model import FluxModel
from shared.flux.text_to_image import condition, text_to_image
from shared.software import software_versions
from training_worker.loop.callbacks import Model

_SOFTWARE = ("sartiq-training-worker", "torch", "diffusers", "transformers", "peft", "pillow")


class SampleMaker:
    """Makes pictures with a model in training, as a worker generates them with its LoRA.

    Args:
        model: in training; its weights are those of the moment.
        side_px: width and height; a multiple of the model's.
        num_steps: denoise steps.
    """

    def __init__(self, model: Model, *, side_px: int, num_steps: int) -> None:
        self._model = model
        self._pipeline = FluxModel(model.components)
        self._side_px = side_px
        self._num_steps = num_steps
        self._encoded: dict[str, Conditioning] = {}

    @torch.no_grad()
    def prepare(self, prompts: Iterable[str]) -> None:
        """Encode prompts, so that the text encoders are not needed again."""
        for prompt in prompts:
            if prompt not in self._encoded:
                self._encoded[prompt] = condition(self._pipeline, prompt)

    # Not in inference mode, whose tensors could not be trained on where a module keeps one.
    @torch.no_grad()
    def make(self, prompt: str, seed: int, cancel: CancelFlag = NEVER) -> Image.Image:
        """Return the picture of a prompt.

        Raises:
            Cancelled: the flag was set before a denoise step.
            InvalidInputError: the model gives NaN or infinity.
        """
        self.prepare([prompt])
        with _evaluating(cast("nn.Module", self._model.components.transformer)):
            return text_to_image(
                self._pipeline,
                self._encoded[prompt],
                (self._side_px, self._side_px),
                num_steps=self._num_steps,
                seed=seed,
                cancel=cancel,
            )

    def record(self, seed: int, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the provenance of a picture, with further facts; without its prompt."""
        provenance = Provenance(
            engine=FLUX.name,
            model=self._model.name,
            model_digest=self._model.digest,
            device=self._model.device.type,
            dtype=str(self._model.dtype).removeprefix("torch."),
            sampler=FLUX.sampler,
            steps=self._num_steps,
            guidance=DEFAULT_GUIDANCE_SCALE,
            versions=software_versions(_SOFTWARE),
        )
        return {**provenance.model_dump(mode="json", exclude={"files"}), "seed": seed, **facts}


@contextmanager
def _evaluating(module: nn.Module) -> Generator[None]:
    """Switch dropout off while the block runs."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
