"""The training loop. Saves, samples, figures and progress are callbacks."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import structlog
import torch
from torch import Tensor

from shared.cancellation import NEVER, CancelFlag, stop_if
from shared.contracts.error_text import one_line
from shared.contracts.training import OptimizerKind
from shared.errors import InvalidInputError
from training_worker.dataset.items import CachedDataset, Item
from training_worker.loop.average import AveragedWeights
from training_worker.loop.callbacks import Callback, Model, StepResult
from training_worker.loop.config import LoopConfig
from training_worker.loop.log_lines import Say, say_nothing
from training_worker.loop.loss import velocity_loss
from training_worker.loop.optimizers import choose_optimizer, optimizer_for
from training_worker.loop.passes import Passes
from training_worker.loop.schedule import learning_rate_factor
from training_worker.loop.trainable import TrainableModel

_log = structlog.stdlib.get_logger(__name__)


class Trainer:
    """A training, from its first step or from a restored state. Implements `callbacks.Trainer`.

    Args:
        model: with the weights to train.
        dataset: encoded.
        config: hyperparameters.
        say: takes a line for the training's log.

    Raises:
        InvalidInputError: the optimizer is unknown.
        ResourceError: its package is not installed.
    """

    def __init__(
        self,
        model: TrainableModel,
        dataset: CachedDataset,
        config: LoopConfig,
        *,
        say: Say = say_nothing,
    ) -> None:
        self.model: Model = model
        self.dataset = dataset
        self.config = config
        self.step = 0
        self.saved_step: int | None = None
        self.callback_states: dict[str, Any] = {}
        """The states that callbacks take over, by their `state_key`."""
        self.average = AveragedWeights(model.parameters, config.values.ema_decay)
        self.use_optimizer(optimizer_for(config.values.optimizer, model.device))
        self._trainable = model
        self._passes = Passes(model, dataset, config.values, say)

    def use_optimizer(self, kind: OptimizerKind) -> None:
        """Start an optimizer anew: the one that a restored state was written with."""
        parameters = list(self.model.parameters.values())
        chosen = choose_optimizer(kind, parameters, self.config.values)
        self.optimizer = chosen.optimizer
        self.optimizer_used = chosen.name
        self._learning_rate = chosen.learning_rate

    def fit(self, callbacks: Sequence[Callback] = (), cancel: CancelFlag = NEVER) -> None:
        """Run the remaining steps.

        Raises:
            Cancelled: the flag was set; callbacks have had their turn.
            InvalidInputError: loss or gradient are no numbers any more.
            ResourceError: memory ran out for the second time.
        """
        try:
            self._begin(callbacks)
            while self.step < self.config.values.steps:
                stop_if(cancel)
                result = self._train_step()
                for callback in callbacks:
                    callback.on_step(self, result)
            for callback in callbacks:
                callback.on_end(self)
        except BaseException as error:
            self._stop(callbacks, error)
            raise

    def _train_step(self) -> StepResult:
        started = time.perf_counter()
        warmup = learning_rate_factor(self.step, self.config.warmup_steps)
        learning_rate = self._learning_rate * warmup
        loss, norm = self._passes.gradients(self.step)
        self._check_finite(loss, norm, learning_rate)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()  # pyright: ignore[reportUnknownMemberType]
        self.step += 1
        self.average.update(self.step)
        seconds = time.perf_counter() - started
        return StepResult(self.step, loss, norm, learning_rate, seconds)

    @torch.no_grad()
    def measure(self, item: Item, sigma: float, noise: Tensor) -> float:
        """Return an item's loss at one noise level and noise."""
        sigmas = torch.tensor([sigma])
        loss = velocity_loss(self._trainable, item.latents, item.prompt, sigmas=sigmas, noise=noise)
        return loss.item()

    def averaged(self) -> AbstractContextManager[None]:
        """Put the averaged weights into the model while the block runs."""
        return self.average.applied()

    def averaged_weights(self) -> Mapping[str, Tensor]:
        """Return the averaged weights, or the raw ones where there is no average."""
        return self.average.weights

    def _begin(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            if callback.state_key in self.callback_states:
                callback.restore(self.callback_states[callback.state_key])
        for callback in callbacks:
            callback.on_begin(self)

    def _stop(self, callbacks: Sequence[Callback], error: BaseException) -> None:
        for callback in callbacks:
            try:
                callback.on_stop(self, error)
            except Exception as another:  # noqa: BLE001 -- the first error is the one to report
                _log.warning("callback_failed_at_stop", error=one_line(another))

    def _check_finite(self, loss: float, norm: float, learning_rate: float) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            return
        saved = "none" if self.saved_step is None else f"that of step {self.saved_step}"
        raise InvalidInputError(
            f"the training diverged at step {self.step + 1}: loss {loss:g}, gradient {norm:g} at a"
            f" learning rate of {learning_rate:g}. The last good save is {saved}. Give a lower"
            " learning_rate"
        )
