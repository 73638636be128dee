"""Eviction of parts by the budget, except those in use."""

import pytest
from torch import nn

from shared.errors import ResourceError
from shared.flux.model_cache.part_cache import CachedPart, PartCache, module_bytes

_SIDE = 64
_BYTES = _SIDE * _SIDE * 4


class _Loads:
    """Parts of equal size, with a count of loads."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def part(self, name: str) -> CachedPart:
        def load() -> nn.Module:
            self.names.append(name)
            return nn.Linear(_SIDE, _SIDE, bias=False)

        return CachedPart(key=name, name=name, expected_bytes=_BYTES, load=load)


def test_a_part_is_loaded_once() -> None:
    loads, cache = _Loads(), PartCache(lambda: 2 * _BYTES)
    assert cache.get(loads.part("a")) is cache.get(loads.part("a"))
    assert loads.names == ["a"]
    assert cache.used_bytes == _BYTES


def test_the_least_recently_used_leaves_first() -> None:
    gone: list[str] = []
    loads, cache = _Loads(), PartCache(lambda: 2 * _BYTES, on_evict=gone.append)
    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(loads.part(name))
        assert cache.used_bytes <= 2 * _BYTES
    assert gone == ["b", "c"]
    assert loads.names == ["a", "b", "c", "b"]


def test_parts_in_use_stay_and_the_reason_is_named() -> None:
    loads, cache = _Loads(), PartCache(lambda: 2 * _BYTES)
    with cache.hold():
        first = cache.get(loads.part("a"))
        with cache.hold():
            cache.get(loads.part("b"))
            with pytest.raises(ResourceError, match=r"c needs .*SARTIQ_INFERENCE_MEMORY_BYTES"):
                cache.get(loads.part("c"))
        cache.get(loads.part("c"))
        assert cache.get(loads.part("a")) is first
    assert loads.names == ["a", "b", "c"]


def test_a_part_larger_than_the_budget_is_refused_before_it_is_loaded() -> None:
    loads, cache = _Loads(), PartCache(lambda: _BYTES - 1)
    with pytest.raises(ResourceError, match="a needs"):
        cache.get(loads.part("a"))
    assert loads.names == []


def test_a_part_that_grew_counts_as_it_is() -> None:
    loads, cache = _Loads(), PartCache(lambda: 3 * _BYTES)
    grown = cache.get(loads.part("a"))
    cache.get(loads.part("b"))
    grown.add_module("adapter", nn.Linear(_SIDE, _SIDE, bias=False))
    assert cache.used_bytes == 3 * _BYTES
    cache.get(loads.part("c"))
    assert loads.names == ["a", "b", "c"]
    assert cache.used_bytes == 2 * _BYTES


def test_shared_storage_counts_once() -> None:
    tied = nn.Linear(_SIDE, _SIDE, bias=False)
    both = nn.Sequential(tied, nn.Linear(_SIDE, _SIDE, bias=False))
    both[1].weight = tied.weight
    assert module_bytes(both) == _BYTES


def test_a_pinned_part_stays() -> None:
    loads, cache = _Loads(), PartCache(lambda: 2 * _BYTES)
    pinned = cache.get(loads.part("a"))
    cache.pin("a")
    for name in ("b", "c"):
        cache.get(loads.part(name))
    cache.clear()
    assert cache.get(loads.part("a")) is pinned
    assert loads.names == ["a", "b", "c"]
