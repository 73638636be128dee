"""First block: text becomes embeddings that the transformer attends to."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import structlog
from torch import Tensor

from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.conditioning import PromptEmbeddings, text_ids

_log = structlog.stdlib.get_logger(__name__)

MAX_T5_TOKENS = 512
"""Longest prompt of FLUX.1 [dev]."""


def tokenize(
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    max_length: int | None = None,
    padding: str = "max_length",
) -> Tensor:
    """Return the token ids of prompts, [N, T].

    Args:
        tokenizer: CLIP's or T5's.
        prompts: the texts.
        max_length: longer prompts are cut to so many tokens; None: to what the tokenizer states.
        padding: `max_length`, or `longest` for a tokenizer whose encoder ignores padding.
    """
    tokens = tokenizer(
        list(prompts),
        padding=padding,
        max_length=max_length,
        truncation=True,
        return_tensors="pt",
    )
    return tokens.input_ids


def encode_tokens(clip: Any, t5: Any, clip_ids: Tensor, t5_ids: Tensor) -> PromptEmbeddings:
    """Run both text encoders.

    Args:
        clip: CLIP's text encoder.
        t5: T5's encoder.
        clip_ids: [N, T] of CLIP's tokenizer.
        t5_ids: [N, T] of T5's tokenizer.
    """
    pooled: Tensor = clip(clip_ids, output_hidden_states=False).pooler_output
    embeds: Tensor = t5(t5_ids, output_hidden_states=False)[0]
    return PromptEmbeddings(embeds, pooled, text_ids(embeds))


@dataclass(frozen=True)
class _EncodedPrompt:
    embeddings: PromptEmbeddings
    num_tokens: int
    """T5's tokens of the whole prompt, truncated ones included."""


class PromptEncoder:
    """Encodes prompts, and remembers the last ones: refinement encodes the same one per tile.

    Args:
        components: tokenizers and encoders.
        max_tokens: longest prompt for T5; 0: what its tokenizer states, 512 at most.
        num_remembered: prompts kept, each about 4 MB with FLUX.1.
    """

    def __init__(
        self, components: FluxComponents, *, max_tokens: int = 0, num_remembered: int = 16
    ) -> None:
        self._components = components
        stated = int(components.t5_tokenizer.model_max_length)
        self._max_tokens = max_tokens or min(stated, MAX_T5_TOKENS)
        self._num_remembered = num_remembered
        self._remembered: OrderedDict[tuple[str, Hashable], _EncodedPrompt] = OrderedDict()
        self._lock = Lock()

    def encode(self, prompt: str, variant: Hashable = ()) -> PromptEmbeddings:
        """Encode one prompt; one over the token limit is truncated, which is logged.

        Args:
            prompt: the text.
            variant: what else the embeddings depend on: the LoRAs on the encoder.
        """
        key = (prompt, variant)
        with self._lock:
            if known := self._remembered.get(key):
                self._remembered.move_to_end(key)
                return known.embeddings
        encoded = self._encode(prompt)
        with self._lock:
            self._remembered[key] = encoded
            if len(self._remembered) > self._num_remembered:
                self._remembered.popitem(last=False)
        return encoded.embeddings

    def truncation_warning(self, prompt: str) -> str | None:
        """Return a sentence on what a remembered prompt lost; None where nothing was truncated.

        May be called from any thread.
        """
        with self._lock:
            found = (known for (text, _), known in self._remembered.items() if text == prompt)
            num_tokens = next((known.num_tokens for known in found), 0)
        if num_tokens <= self._max_tokens:
            return None
        return (
            f"The prompt was cut: it has {num_tokens} tokens, and the model reads the first"
            f" {self._max_tokens}. Shorten it, or begin with what matters most."
        )

    def _encode(self, prompt: str) -> _EncodedPrompt:
        parts = self._components
        num_tokens = len(parts.t5_tokenizer(prompt, verbose=False).input_ids)
        if num_tokens > self._max_tokens:
            _log.warning("prompt_cut", num_tokens=num_tokens, max_tokens=self._max_tokens)
        clip_ids = tokenize(
            parts.clip_tokenizer, [prompt], max_length=parts.clip_tokenizer.model_max_length
        )
        t5_ids = tokenize(parts.t5_tokenizer, [prompt], max_length=self._max_tokens)
        embeddings = encode_tokens(
            parts.clip, parts.t5, clip_ids.to(parts.device), t5_ids.to(parts.device)
        )
        return _EncodedPrompt(embeddings.to(parts.dtype), num_tokens)
