"""The forward and backward passes of one step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shared.contracts.training import Hyperparameters
from shared.flux.pipeline.conditioning import PromptEmbeddings
from training_worker.dataset.items import CachedDataset, Item
from training_worker.dataset.order import BatchOrder
from training_worker.loop.log_lines import Say
from training_worker.loop.loss import batch_prompts, velocity_loss
from training_worker.loop.memory import MemoryLevels
from training_worker.loop.randomness import Draws, draw, seed_default_generator, step_seed
from training_worker.loop.trainable import TrainableModel

_LATENTS_PER_TOKEN = 4


class Passes:
    """Computes the gradients of any step: they depend on the weights and the step alone.

    Args:
        model: with the weights to train.
        dataset: encoded.
        values: batch, accumulation, dropout, clipping and seed.
        say: takes a line for the training's log.
    """

    def __init__(
        self, model: TrainableModel, dataset: CachedDataset, values: Hyperparameters, say: Say
    ) -> None:
        self._model = model
        self._dataset = dataset
        self._values = values
        self._parameters = list(model.parameters.values())
        self._order = BatchOrder(dataset.items, values.batch_size, values.seed)
        self._memory = MemoryLevels(model, values.batch_size, say)

    def gradients(self, step: int) -> tuple[float, float]:
        """Leave a step's clipped gradients in the parameters.

        Returns:
            The step's loss, and the gradient's norm before clipping.

        Raises:
            ResourceError: memory ran out for the second time.
        """
        return self._memory.run(lambda: self._gradients(step))

    def _gradients(self, step: int) -> tuple[float, float]:
        for parameter in self._parameters:
            parameter.grad = None
        num = self._values.gradient_accumulation
        losses = [self._backward(step * num + micro) for micro in range(num)]
        norm = nn.utils.clip_grad_norm_(self._parameters, self._values.max_grad_norm)
        # One transfer from the device, which waits for the step's work.
        figures = torch.stack([torch.stack(losses).sum(), norm.float()]).cpu()
        return figures[0].item(), figures[1].item()

    def _backward(self, position: int) -> Tensor:
        """Add the gradients of a micro-batch; return its share of the step's loss."""
        items = [self._dataset.items[index] for index in self._order.batch(position)]
        latents = [item.latents for item in items]
        seed = step_seed(self._values.seed, position)
        draws = self._draw(seed, torch.Size([len(items), *latents[0].shape[1:]]))
        prompts = self._prompts(items, draws)
        shares: list[Tensor] = []
        for first in range(0, len(items), self._memory.items_per_pass):
            part = slice(first, first + self._memory.items_per_pass)
            seed_default_generator(seed, self._model.device)
            loss = velocity_loss(
                self._model,
                torch.cat(latents[part]),
                batch_prompts(prompts[part]),
                sigmas=draws.sigmas[part],
                noise=draws.noise[part],
            )
            loss = loss * (len(items[part]) / (len(items) * self._values.gradient_accumulation))
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            shares.append(loss.detach())
        return torch.stack(shares).sum()

    def _draw(self, seed: int, shape: torch.Size) -> Draws:
        shift = self._model.shift(shape[2] * shape[3] // _LATENTS_PER_TOKEN)
        return draw(seed, shape, shift=shift, dropout=self._values.caption_dropout)

    def _prompts(self, items: Sequence[Item], draws: Draws) -> list[PromptEmbeddings]:
        return [
            self._dataset.empty_prompt if is_dropped else item.prompt
            for item, is_dropped in zip(items, draws.drops_caption, strict=True)
        ]
