"""First block: text becomes what the transformer attends to."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import structlog
import torch
from torch import Tensor

from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.conditioning import PromptEmbeddings

_log = structlog.stdlib.get_logger(__name__)

_MAX_T5_TOKENS = 512


@dataclass(frozen=True)
class _Encoded:
    embeddings: PromptEmbeddings
    num_tokens: int
    """Of the prompt for T5, those that were cut too."""


class PromptEncoder:
    """Encodes prompts, and remembers the last ones: refining asks for the same one per tile.

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
        self._max_tokens = max_tokens or min(stated, _MAX_T5_TOKENS)
        self._num_remembered = num_remembered
        self._remembered: OrderedDict[tuple[str, Hashable], _Encoded] = OrderedDict()
        self._lock = Lock()

    def encode(self, prompt: str, variant: Hashable = ()) -> PromptEmbeddings:
        """Embed one prompt; a longer one than the encoder reads is cut, which is logged.

        Args:
            prompt: the text.
            variant: what else the embeddings depend on: the LoRAs on the encoder.
        """
        key = (prompt, variant)
        with self._lock:
            if known := self._remembered.get(key):
                self._remembered.move_to_end(key)
                return known.embeddings
        encoded = self._embed(prompt)
        with self._lock:
            self._remembered[key] = encoded
            if len(self._remembered) > self._num_remembered:
                self._remembered.popitem(last=False)
        return encoded.embeddings

    def cut(self, prompt: str) -> str | None:
        """What a remembered prompt lost, in a sentence; none where it was read whole.

        May be asked from any thread.
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

    def _embed(self, prompt: str) -> _Encoded:
        parts = self._components
        num_tokens = len(parts.t5_tokenizer(prompt, verbose=False).input_ids)
        if num_tokens > self._max_tokens:
            _log.warning("prompt_cut", num_tokens=num_tokens, max_tokens=self._max_tokens)
        clip_ids = self._tokenize(
            parts.clip_tokenizer, prompt, parts.clip_tokenizer.model_max_length
        )
        t5_ids = self._tokenize(parts.t5_tokenizer, prompt, self._max_tokens)
        gist: Tensor = parts.clip(clip_ids, output_hidden_states=False).pooler_output
        words: Tensor = parts.t5(t5_ids, output_hidden_states=False)[0]
        embeddings = PromptEmbeddings(
            words=words.to(parts.dtype),
            gist=gist.to(parts.dtype),
            word_ids=torch.zeros(words.shape[1], 3, device=parts.device, dtype=parts.dtype),
        )
        return _Encoded(embeddings, num_tokens)

    def _tokenize(self, tokenizer: Any, prompt: str, max_length: int) -> Tensor:
        tokens = tokenizer(
            [prompt],
            padding="max_length",
            max_length=max_length,
            truncation=True,
            return_tensors="pt",
        )
        return tokens.input_ids.to(self._components.device)  # [1, T]
