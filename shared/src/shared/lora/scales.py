"""How strongly a LoRA file says that its pairs act: alpha / rank, wherever it states alpha.

It stands beside a pair (kohya's scripts, OneTrainer), in PEFT's configuration or in a note of the
header; without any the scale is 1. Loaders differ where a file contradicts itself: it is refused.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import BinaryIO, cast

from shared.lora.errors import LoraFileError, shown
from shared.lora.header import Header
from shared.lora.layers import LoraPair
from shared.lora.peft_config import PeftConfig, module_in_model
from shared.lora.values import is_zero, read_number

_ALPHAS = ("lora_alpha", "ss_network_alpha", "network_alpha", "linear_alpha", "alpha")
_RANKS = ("lora_rank", "rank", "ss_network_dim", "network_dim")
_CONFIGS = ("lora_adapter_metadata", "adapter_config", "peft_config", "lora_config")
"""Where diffusers and others put PEFT's configuration into a file."""
_MAX_CONFIG_CHARS = 1024 * 1024
_MAX_NUMBER_CHARS = 64
_NOT_SAID = frozenset({"", "None", "null"})


def read_scales(file: BinaryIO, header: Header, pairs: Iterable[LoraPair]) -> dict[str, float]:
    """Return what every pair's product is multiplied by, by module.

    Raises:
        LoraFileError: what the file says of it is not plain, or contradicts itself.
    """
    pairs = list(pairs)
    stated = {pair.module: _beside(file, header, pair) for pair in pairs if pair.alpha}
    others = [pair for pair in pairs if not pair.alpha]
    from_notes = _from_notes(header.metadata, others) if others else {}
    if stated:
        for pair in others:
            if from_notes[pair.module] != 1:
                raise LoraFileError(
                    f"states an alpha beside some pairs, none beside that of {shown(pair.module)}, "
                    "and another one in its header; write an alpha beside every pair, or beside "
                    "none"
                )
    return stated | from_notes


def _beside(file: BinaryIO, header: Header, pair: LoraPair) -> float:
    assert pair.alpha is not None
    alpha = read_number(file, header, pair.alpha)
    if alpha == 0 and is_zero(file, header, pair.up):
        return 1.0  # of a layer that was not trained
    if alpha == 0 or not math.isfinite(alpha):
        raise LoraFileError(
            f"has {alpha:g} in {shown(pair.alpha)}, which some loaders take for no effect and some "
            "for full; write the rank, or what was meant"
        )
    return alpha / pair.rank


def _from_notes(notes: Mapping[str, str], pairs: list[LoraPair]) -> dict[str, float]:
    config = _config(notes)
    if config is not None:
        return {pair.module: config.scale(module_in_model(pair.module), pair) for pair in pairs}
    alpha = _stated(notes, _ALPHAS)
    rank = _stated(notes, _RANKS)
    if alpha is None:
        return dict.fromkeys((pair.module for pair in pairs), 1.0)
    for pair in pairs:
        if rank is not None and rank != pair.rank:
            raise LoraFileError(
                f"says in its header that pairs have rank {rank:g} and alpha {alpha:g}, and the "
                f"pair of {shown(pair.module)} has rank {pair.rank}; write an alpha beside every "
                "pair"
            )
    return {pair.module: alpha / pair.rank for pair in pairs}


def _config(notes: Mapping[str, str]) -> PeftConfig | None:
    for note in _CONFIGS:
        if note in notes:
            if len(notes[note]) > _MAX_CONFIG_CHARS:
                raise LoraFileError(
                    f"has {len(notes[note])} characters of {note} in its header; at most "
                    f"{_MAX_CONFIG_CHARS} may be"
                )
            try:
                config: object = json.loads(notes[note])
            except (ValueError, RecursionError) as error:
                raise LoraFileError(f"has a {note} in its header that is not JSON") from error
            if not isinstance(config, dict):
                raise LoraFileError(f"has a {note} in its header that is no JSON object")
            if config:
                return PeftConfig(note, cast("dict[str, object]", config))
    return None


def _stated(notes: Mapping[str, str], names: Iterable[str]) -> float | None:
    """The one number that notes of these names state."""
    found: dict[str, float] = {}
    for name in names:
        text = notes.get(name, "").strip()
        if text in _NOT_SAID:
            continue
        try:
            found[name] = float(text if len(text) <= _MAX_NUMBER_CHARS else "long")
        except ValueError as error:
            if name == "alpha":
                continue  # may be anything, such as a state of release
            raise LoraFileError(
                f"has {shown(text)} as {name} in its header, which is no number; write an alpha "
                "beside every pair"
            ) from error
    for name, number in found.items():
        if not math.isfinite(number) or number == 0:
            raise LoraFileError(
                f"has {number:g} as {name} in its header; write what every pair is scaled by"
            )
    if len(set(found.values())) > 1:
        stated = ", ".join(f"{name} {number:g}" for name, number in found.items())
        raise LoraFileError(f"contradicts itself in its header ({stated}); keep one of them")
    return next(iter(found.values()), None)
