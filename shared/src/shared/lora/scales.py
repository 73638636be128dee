"""How strongly a LoRA file says that its pairs act: alpha / rank, wherever it states alpha.

It stands beside a pair (kohya's scripts, OneTrainer), in PEFT's configuration or in a note of the
header, or in several of them that agree; without any the scale is 1. Loaders differ where a file
contradicts itself: it is refused.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from shared.lora.errors import LoraFileError, shown
from shared.lora.header import Header
from shared.lora.layers import LoraPair
from shared.lora.peft_config import PeftConfig
from shared.lora.values import is_zero, read_number

_ALPHAS = ("lora_alpha", "ss_network_alpha", "network_alpha", "linear_alpha", "alpha")
_RANKS = ("lora_rank", "rank", "ss_network_dim", "network_dim")
_CONFIGS = ("lora_adapter_metadata", "adapter_config", "peft_config", "lora_config")
"""Where diffusers and others put PEFT's configuration into a file."""
_MAX_CONFIG_CHARS = 1024 * 1024
_MAX_NUMBER_CHARS = 64
_ROUNDED = 2**-8
"""By how much, relatively, an alpha may differ from itself in bfloat16."""
_NOT_SAID = frozenset({"", "None", "null"})


def read_scales(file: BinaryIO, header: Header, pairs: Iterable[LoraPair]) -> dict[str, float]:
    """Return what every pair's product is multiplied by, by module.

    Raises:
        LoraFileError: what the file says of it is not plain, or contradicts itself.
    """
    pairs = list(pairs)
    configs = _configs(header.metadata)
    # kohya's scripts sum alphas beside pairs up in notes ("Dynamic"), which then say no more.
    noted = None if all(pair.alpha for pair in pairs) else _noted(header.metadata)
    scales: dict[str, float] = {}
    for pair in pairs:
        stated = {note: config.scale(pair) for note, config in configs.items()}
        if pair.alpha:
            stated[pair.alpha] = read_number(file, header, pair.alpha) / pair.rank
        elif noted is not None:
            stated["a note"] = noted.scale(pair)
        known = {place: scale for place, scale in stated.items() if scale is not None}
        if 0 in known.values() and is_zero(file, header, pair.up):
            known = {}  # of a layer that was not trained
        scales[pair.module] = _agreed(pair, known)
    if not all(pair.alpha for pair in pairs):
        for config in configs.values():
            config.check_names()
    _check_mixed(pairs, scales)
    return scales


def _agreed(pair: LoraPair, known: Mapping[str, float]) -> float:
    """The scale that every place states, of those that state one."""
    for place, scale in known.items():
        if scale == 0 or not math.isfinite(scale):
            raise LoraFileError(
                f"has {scale:g} in {shown(place)}, which some loaders take for no effect and some "
                "for full; write the rank, or what was meant"
            )
        if not math.isclose(scale, next(iter(known.values())), rel_tol=_ROUNDED):
            stated = ", ".join(f"{scale:g} by {shown(place)}" for place, scale in known.items())
            raise LoraFileError(
                f"contradicts itself: the pair of {shown(pair.module)} is scaled by {stated}; keep "
                "the one that it was trained with"
            )
    return [1.0, *known.values()][-1]  # nearest to the pair


def _check_mixed(pairs: Iterable[LoraPair], scales: Mapping[str, float]) -> None:
    others = [pair for pair in pairs if not pair.alpha]
    if len(others) == len(scales):
        return
    for pair in others:
        if scales[pair.module] != 1:
            raise LoraFileError(
                f"states an alpha beside some pairs, none beside that of {shown(pair.module)}, "
                "and another one in its header; write an alpha beside every pair, or beside none"
            )


@dataclass(frozen=True)
class _Noted:
    """The alpha of all pairs, and their rank if it is said."""

    alpha: float
    rank: float | None

    def scale(self, pair: LoraPair) -> float:
        if self.rank is not None and self.rank != pair.rank:
            raise LoraFileError(
                f"says in its header that pairs have rank {self.rank:g} and alpha {self.alpha:g}, "
                f"and the pair of {shown(pair.module)} has rank {pair.rank}; write an alpha beside "
                "every pair"
            )
        return self.alpha / pair.rank


def _noted(notes: Mapping[str, str]) -> _Noted | None:
    alpha = _stated(notes, _ALPHAS)
    return None if alpha is None else _Noted(alpha, _stated(notes, _RANKS))


def _configs(notes: Mapping[str, str]) -> dict[str, PeftConfig]:
    """The configurations, by the notes that they stand in."""
    found: dict[str, PeftConfig] = {}
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
            found[note] = PeftConfig(note, cast("dict[str, object]", config))
    return found


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
