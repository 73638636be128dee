"""Tokenizers with the vocabulary of the captions, and the two small text encoders.

Both tokenizers fall back to characters or bytes, so that any prompt tokenizes; unknown words have
no effect.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import cast

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.encode import encode_tokens, tokenize
from training_worker.swatch.captions import vocabulary
from training_worker.swatch.config import TransformerConfig

_CLIP_BOS, _CLIP_EOS, _CLIP_PAD = "<|startoftext|>", "<|endoftext|>", "<|pad|>"
_CLIP_SPECIAL = (_CLIP_BOS, _CLIP_EOS, _CLIP_PAD)
_T5_SPECIAL = ("<pad>", "</s>", "<unk>")
_PRINTABLE = tuple(chr(code) for code in range(33, 127))
_END_OF_WORD = "</w>"


def build_clip_tokenizer(max_tokens: int) -> CLIPTokenizer:
    """Learn byte-pair merges that turn each word of the captions into one token."""
    letters = [word for text in vocabulary() for word in re.findall("[a-z]+", text)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix=_END_OF_WORD))
    learner.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    learner.train_from_iterator(
        sorted(set(letters)),
        trainers.BpeTrainer(
            vocab_size=4096,
            initial_alphabet=alphabet,
            # Listed here, they get fixed ids; otherwise ids would follow the order of a hash table,
            # and ids decide which of two equally frequent pairs is merged first.
            special_tokens=[letter + _END_OF_WORD for letter in ascii_lowercase],
            end_of_word_suffix=_END_OF_WORD,
            show_progress=False,
        ),
    )
    learned = learner.get_vocab()
    # Every byte can also end a word, even if it does not in the captions.
    pieces = [*_CLIP_SPECIAL, *alphabet]
    pieces += [byte + _END_OF_WORD for byte in alphabet]
    pieces += sorted(set(learned) - set(pieces), key=learned.__getitem__)
    return CLIPTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=_merges_of(learner),  # pyright: ignore[reportArgumentType]
        pad_token=_CLIP_PAD,
        model_max_length=max_tokens,
    )


def _merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [cast(tuple[str, str], tuple(pair)) for pair in merges]


def build_t5_tokenizer(max_tokens: int) -> T5Tokenizer:
    """Build the tokenizer of the captions' words, plain and capitalised, and of characters."""
    words = vocabulary()
    pieces = [(piece, 0.0) for piece in _T5_SPECIAL]
    pieces += [("▁", -4.0), *((character, -12.0) for character in _PRINTABLE)]
    known = dict.fromkeys([*words, *(word.title() for word in words), *map(str.capitalize, words)])
    pieces += [(f"▁{word}", -6.0) for word in known]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=max_tokens)


@dataclass(frozen=True)
class TextTokenizers:
    """The two tokenizers of a FLUX pipeline."""

    clip: CLIPTokenizer
    t5: T5Tokenizer

    @classmethod
    def build(cls, config: TransformerConfig) -> "TextTokenizers":
        return cls(
            clip=build_clip_tokenizer(config.max_text_tokens),
            t5=build_t5_tokenizer(config.max_text_tokens),
        )

    def tokenize(self, captions: Sequence[str], t5_tokens: int) -> tuple[Tensor, Tensor]:
        """Return CLIP's ids [B, longest] and T5's ids [B, t5_tokens]."""
        # CLIP attends causally up to its end token, so padding has no effect and may be short.
        clip_ids = tokenize(self.clip, captions, padding="longest")
        return clip_ids, tokenize(self.t5, captions, max_length=t5_tokens)


def build_clip_encoder(config: TransformerConfig, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Build the encoder whose pooled output conditions the modulation."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.clip_width,
            intermediate_size=2 * config.clip_width,
            projection_dim=config.clip_width,
            num_hidden_layers=config.text_layers,
            num_attention_heads=4,
            max_position_embeddings=config.max_text_tokens,
            bos_token_id=_CLIP_SPECIAL.index(_CLIP_BOS),
            eos_token_id=_CLIP_SPECIAL.index(_CLIP_EOS),
            pad_token_id=_CLIP_SPECIAL.index(_CLIP_PAD),
        )
    )


def build_t5_encoder(config: TransformerConfig, tokenizer: T5Tokenizer) -> T5EncoderModel:
    """Build the encoder whose tokens enter the transformer's attention."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=config.t5_width,
            d_kv=config.t5_width // 4,
            d_ff=2 * config.t5_width,
            num_layers=config.text_layers,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
            use_cache=False,
        )
    )


class TextEncoders(nn.Module):
    """CLIP and T5, as FluxPipeline uses them."""

    def __init__(self, config: TransformerConfig, tokenizers: TextTokenizers) -> None:
        super().__init__()
        self.clip = build_clip_encoder(config, tokenizers.clip)
        self.t5 = build_t5_encoder(config, tokenizers.t5)

    def forward(self, clip_ids: Tensor, t5_ids: Tensor) -> PromptEmbeddings:
        """Return the embeddings of B captions."""
        return encode_tokens(self.clip, self.t5, clip_ids, t5_ids)
