"""Layer patterns of a file's configuration match the same layers as in PEFT."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from peft.utils.other import get_pattern_key

from shared.lora.layers import LoraPair
from shared.lora.peft_config import PeftConfig

_STEPS = st.sampled_from(["attn", "to_q", "to_k", "0", "1", "single_transformer_blocks", "q"])
_NAMES = st.lists(_STEPS, min_size=1, max_size=4).map(".".join)


@st.composite
def _patterns(draw: Any) -> str:
    name = draw(_NAMES)
    if draw(st.booleans()):
        name = re.escape(name)
    return draw(st.sampled_from(["", "^"])) + name + draw(st.sampled_from(["", "$"]))


@given(_NAMES, st.dictionaries(_patterns(), st.integers(1, 64), max_size=6), st.integers(1, 64))
def test_alphas_by_name_are_pefts(name: str, patterns: dict[str, int], alpha: int) -> None:
    expected = patterns.get(get_pattern_key(patterns.keys(), name), alpha)
    module = f"transformer.{name}"
    pair = LoraPair(module, "a", "b", None, 4, 64, 64, is_linear=True)
    config = PeftConfig(
        "note",
        {"transformer.lora_alpha": alpha, "alpha_pattern": {}}
        | {"transformer.alpha_pattern": patterns},
    )
    assert config.scale(pair) == expected / 4
