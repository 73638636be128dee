"""The order of data: every item once an epoch, in batches of one bucket."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.datasets import DatasetImage
from training_worker.dataset.order import BatchOrder

pytestmark = pytest.mark.models

BUCKETS = ((64, 64), (64, 48), (48, 64))


@dataclass(frozen=True)
class _Item:
    image: DatasetImage


def items(buckets: list[tuple[int, int]]) -> list[_Item]:
    return [
        _Item(
            DatasetImage(
                index=index,
                name=f"{index}.png",
                source="",
                sha256="",
                width=1,
                height=1,
                bucket=bucket,
                caption="",
            )
        )
        for index, bucket in enumerate(buckets)
    ]


def epoch(order: BatchOrder, number: int) -> list[list[int]]:
    size = order.batches_per_epoch
    return [list(order.batch(number * size + index)) for index in range(size)]


@given(
    buckets=st.lists(st.sampled_from(BUCKETS), min_size=1, max_size=20),
    batch_size=st.integers(1, 6),
    seed=st.integers(0, 2**63 - 1),
    number=st.integers(0, 5),
)
def test_an_epoch_has_every_item_once_in_batches_of_one_bucket(
    buckets: list[tuple[int, int]], batch_size: int, seed: int, number: int
) -> None:
    batches = epoch(BatchOrder(items(buckets), batch_size, seed), number)
    assert sorted(index for batch in batches for index in batch) == list(range(len(buckets)))
    for batch in batches:
        assert len({buckets[index] for index in batch}) == 1
        assert len(batch) <= batch_size
    short = Counter(buckets[batch[0]] for batch in batches if len(batch) < batch_size)
    assert all(count == 1 for count in short.values())


def test_positions_can_be_read_in_any_order() -> None:
    first, second = (BatchOrder(items([BUCKETS[0]] * 7), 2, 5) for _ in range(2))
    forwards = [list(first.batch(position)) for position in range(12)]
    backwards = [list(second.batch(position)) for position in reversed(range(12))]
    assert forwards == backwards[::-1]


def test_epochs_and_seeds_differ() -> None:
    order, other = (BatchOrder(items([BUCKETS[0]] * 12), 1, seed) for seed in (1, 2))
    assert epoch(order, 0) != epoch(order, 1)
    assert epoch(order, 0) != epoch(other, 0)


def test_one_item_fills_no_batch_of_four() -> None:
    order = BatchOrder(items([BUCKETS[0]]), 4, 0)
    assert [list(order.batch(position)) for position in range(3)] == [[0], [0], [0]]
