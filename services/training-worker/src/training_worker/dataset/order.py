"""The order of a training's items: a pure function of seed and position."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch

from shared.flux.pipeline.prepare import cpu_generator
from training_worker.dataset.items import Item


class BatchOrder:
    """An endless sequence of batches, epoch after epoch.

    An epoch has every item once, in an order of its own. Batches never mix buckets; a bucket whose
    size is no multiple of the batch gives one short batch.

    Args:
        items: trained on; at least one.
        batch_size: items of a batch.
        seed: of the training.
    """

    def __init__(self, items: Sequence[Item], batch_size: int, seed: int) -> None:
        self._buckets = [tuple(item.image.bucket) for item in items]
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = lru_cache(maxsize=1)(self._shuffled)
        self.batches_per_epoch = len(self._shuffled(0))

    def batch(self, position: int) -> Sequence[int]:
        """Return the indices of a batch's items.

        Args:
            position: number of batches before it.
        """
        epoch, index = divmod(position, self.batches_per_epoch)
        return self._epoch(epoch)[index]

    def _shuffled(self, epoch: int) -> list[list[int]]:
        generator = cpu_generator(_epoch_seed(self._seed, epoch))
        batches = list(self._batches(_permutation(len(self._buckets), generator)))
        return [batches[place] for place in _permutation(len(batches), generator)]

    def _batches(self, order: Sequence[int]) -> Iterator[list[int]]:
        open_batches: dict[tuple[int, ...], list[int]] = {}
        for index in order:
            batch = open_batches.setdefault(self._buckets[index], [])
            batch.append(index)
            if len(batch) == self._batch_size:
                yield open_batches.pop(self._buckets[index])
        yield from open_batches.values()


def _permutation(num: int, generator: torch.Generator) -> list[int]:
    return [int(place) for place in torch.randperm(num, generator=generator)]


def _epoch_seed(seed: int, epoch: int) -> int:
    digest = hashlib.sha256(f"{seed}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
