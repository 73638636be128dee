"""The configuration of a training's loop, fixed when the training was created."""

import hashlib
import json
from dataclasses import dataclass

from shared.contracts.training import Hyperparameters

_MAX_WARMUP_STEPS = 100


@dataclass(frozen=True)
class LoopConfig:
    """Values that decide the weights of a training, beside its dataset and its base model.

    Attributes:
        values: hyperparameters of the request and the operator.
        trigger_word: replaces `[trigger]` in prompts.
    """

    values: Hyperparameters
    trigger_word: str

    @property
    def warmup_steps(self) -> int:
        """Steps of the linear warm-up: a tenth of all steps, at most 100, unless set."""
        if self.values.warmup_steps is not None:
            return self.values.warmup_steps
        return min(_MAX_WARMUP_STEPS, self.values.steps // 10)

    @property
    def sample_prompts(self) -> list[str]:
        """The prompts of samples with the trigger word in its places."""
        given = self.values.sample_prompts or ["[trigger]"]
        return [prompt.replace("[trigger]", self.trigger_word) for prompt in given]

    @property
    def digest(self) -> str:
        """A digest of all that decides the weights: equal digests train equally.

        Samples, saves and records do not change weights, and are left out.
        """
        watched = {"sample_every", "sample_steps", "sample_prompts", "max_samples", "tensorboard"}
        saves = {"save_every", "max_step_saves_to_keep"}
        values = self.values.model_dump(mode="json", exclude=watched | saves)
        encoded = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(encoded.encode()).hexdigest()
