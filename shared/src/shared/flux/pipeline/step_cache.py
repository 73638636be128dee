"""The first-block cache of a transformer around the denoise loop."""

from contextlib import AbstractContextManager
from typing import Any


def forget_steps(transformer: Any) -> None:
    """Before a run: what the cache keeps of the last one belongs to another picture."""
    if transformer.is_cache_enabled:
        transformer._reset_stateful_cache()  # noqa: SLF001 -- diffusers' pipelines call it too


def prompt_context(transformer: Any, name: str) -> AbstractContextManager[None]:
    """Around a call of the transformer: each prompt of a run has a cache of its own."""
    return transformer.cache_context(name)
