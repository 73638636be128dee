"""The first-block cache of a transformer, around the denoise loop."""

from contextlib import AbstractContextManager
from typing import Any


def forget_steps(transformer: Any) -> None:
    """Empty the cache before a run: its content belongs to another picture."""
    if transformer.is_cache_enabled:
        transformer._reset_stateful_cache()  # noqa: SLF001 -- diffusers' pipelines call it too


def prompt_context(transformer: Any, name: str) -> AbstractContextManager[None]:
    """Return a context for calls of the transformer: each prompt of a run has its own cache."""
    return transformer.cache_context(name)
