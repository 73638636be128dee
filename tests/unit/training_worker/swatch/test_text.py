import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_worker.swatch.captions import vocabulary
from training_worker.swatch.config import TransformerConfig
from training_worker.swatch.text import TextTokenizers

pytestmark = pytest.mark.models

tokenizers = TextTokenizers.build(TransformerConfig())


@given(st.text(max_size=300))
def test_any_prompt_tokenizes(prompt: str) -> None:
    clip_ids, t5_ids = tokenizers.tokenize([prompt], 64)
    assert clip_ids.shape[1] <= 64
    assert t5_ids.shape == (1, 64)
    assert clip_ids.max() < len(tokenizers.clip)
    assert t5_ids.max() < len(tokenizers.t5)
    # CLIP pools the end token, which must occur exactly once before the padding.
    assert (clip_ids == tokenizers.clip.eos_token_id).sum() == 1


@pytest.mark.parametrize("word", [word for word in vocabulary() if word.isalpha()])
def test_caption_words_are_single_tokens(word: str) -> None:
    assert len(tokenizers.clip.tokenize(word)) == 1
    assert len(tokenizers.t5.tokenize(word)) == 1
    assert len(tokenizers.t5.tokenize(word.title())) == 1


def test_clip_ignores_case() -> None:
    upper, lower = (tokenizers.clip(text).input_ids for text in ("A Red Dress", "a red dress"))
    assert upper == lower
