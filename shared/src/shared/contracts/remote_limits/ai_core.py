"""Limits of language models."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.contracts.enums import AiProvider
from shared.contracts.options import Bounds
from shared.contracts.remote_limits.request import (
    MAPPED,
    PROVIDER_CONFIG,
    RemoteFault,
    RemoteRequest,
)
from shared.contracts.reply_schema import anthropic_schema_fault, is_schema, schema_fault

LLM_CONFIG_KEYS = frozenset({"output_schema"})
"""Keys of `config` that every provider of LLM_INTERACTION takes."""
MOST_PICTURES = 20
_SCHEMA = ("config", "output_schema")
_MOST_TOKENS = Bounds(1, 128_000, is_whole=True)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}", re.ASCII)
_GEMINI_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
"""The name is a part of the path at Gemini."""
_MOST_ANTHROPIC_HEAT = 1


def ai_core_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request to a language model of one of the four vendors."""
    vendor = request.options.get("ai_provider")
    yield from llm_faults(request)
    yield from _option_faults(request.options)
    schema = request.config.get("output_schema")
    is_anthropic = vendor == AiProvider.ANTHROPIC
    if is_anthropic and is_schema(schema) and (fault := anthropic_schema_fault(schema)):
        yield RemoteFault(_SCHEMA, fault)


def llm_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request that no language model can serve."""
    pictures = request.fields.get("input_images")
    count = len(pictures) if isinstance(pictures, list) else 0  # pyright: ignore[reportUnknownArgumentType] -- JSON
    if count > MOST_PICTURES:
        message = f"has {count} images; at most {MOST_PICTURES} are supported"
        yield RemoteFault(("input_images",), message)
    schema = request.config.get("output_schema")
    if schema is not None and schema != MAPPED and (fault := schema_fault(schema)):
        yield RemoteFault(_SCHEMA, fault)


def _option_faults(options: Mapping[str, Any]) -> Iterator[RemoteFault]:
    vendor, model = options.get("ai_provider"), options.get("model")
    pattern = _GEMINI_MODEL if vendor == AiProvider.GEMINI else _MODEL
    if model is not None and not pattern.fullmatch(str(model)):
        marks = ". _ -" if pattern is _GEMINI_MODEL else ". _ - : / @"
        message = f"is no name of a model of {vendor}: letters and digits first, then also {marks}"
        yield RemoteFault((PROVIDER_CONFIG, "model"), message)
    heat = options.get("temperature")
    is_hot = isinstance(heat, int | float) and heat > _MOST_ANTHROPIC_HEAT
    if vendor == AiProvider.ANTHROPIC and is_hot:
        message = f"must be at most {_MOST_ANTHROPIC_HEAT} for anthropic"
        yield RemoteFault((PROVIDER_CONFIG, "temperature"), message)
    tokens = options.get("max_tokens")
    if tokens is not None and (fault := _MOST_TOKENS.fault(tokens)):
        yield RemoteFault((PROVIDER_CONFIG, "max_tokens"), fault)
