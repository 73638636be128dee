"""Scales of a LoRA's pairs: alpha / rank.

An alpha can be a tensor next to the pair (kohya's scripts, OneTrainer), in PEFT's configuration, or
in the header's metadata. Several must agree: loaders differ in how they resolve contradictions, so
contradictory files are refused. Without any alpha the scale is 1.
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
"""Metadata keys under which diffusers and others store PEFT's configuration."""
_MAX_CONFIG_CHARS = 1024 * 1024
_MAX_NUMBER_CHARS = 64
_ROUNDED = 2**-8
"""Relative tolerance between alphas: one of them may be rounded to bfloat16."""
_NOT_SAID = frozenset({"", "None", "null"})


def read_scales(file: BinaryIO, header: Header, pairs: Iterable[LoraPair]) -> dict[str, float]:
    """Return the scale of each pair's product, by module.

    Raises:
        LoraFileError: an alpha is invalid, or alphas contradict each other.
    """
    pairs = list(pairs)
    configs = _configs(header.metadata)
    # With an alpha tensor for each pair, kohya's scripts write "Dynamic" into the metadata.
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
            known = {}  # an untrained layer
        scales[pair.module] = _agreed(pair, known)
    if not all(pair.alpha for pair in pairs):
        for config in configs.values():
            config.check_names()
    _check_mixed(pairs, scales)
    return scales


def _agreed(pair: LoraPair, known: Mapping[str, float]) -> float:
    """Return the scale that all sources agree on, or 1 if there is none."""
    for place, scale in known.items():
        if scale == 0 or not math.isfinite(scale):
            raise LoraFileError(
                f"has {scale:g} in {shown(place)}, which some loaders take for no effect and some "
                "for full effect; write the alpha that it was trained with, or the rank"
            )
        if not math.isclose(scale, next(iter(known.values())), rel_tol=_ROUNDED):
            stated = ", ".join(f"{scale:g} by {shown(place)}" for place, scale in known.items())
            raise LoraFileError(
                f"contradicts itself: the pair of {shown(pair.module)} is scaled by {stated}; keep "
                "the one that it was trained with"
            )
    return [1.0, *known.values()][-1]  # the alpha tensor, if there is one


def _check_mixed(pairs: Iterable[LoraPair], scales: Mapping[str, float]) -> None:
    others = [pair for pair in pairs if not pair.alpha]
    if len(others) == len(scales):
        return
    for pair in others:
        if scales[pair.module] != 1:
            raise LoraFileError(
                f"has alpha tensors for some pairs, none for that of {shown(pair.module)}, and "
                "another alpha in its header; write an alpha tensor for every pair, or for none"
            )


@dataclass(frozen=True)
class _Noted:
    """The alpha of all pairs in the metadata, and their rank if it is stated."""

    alpha: float
    rank: float | None

    def scale(self, pair: LoraPair) -> float:
        if self.rank is not None and self.rank != pair.rank:
            raise LoraFileError(
                f"says in its header that pairs have rank {self.rank:g} and alpha {self.alpha:g}, "
                f"but the pair of {shown(pair.module)} has rank {pair.rank}; write an alpha tensor "
                "for every pair"
            )
        return self.alpha / pair.rank


def _noted(notes: Mapping[str, str]) -> _Noted | None:
    alpha = _stated(notes, _ALPHAS)
    return None if alpha is None else _Noted(alpha, _stated(notes, _RANKS))


def _configs(notes: Mapping[str, str]) -> dict[str, PeftConfig]:
    """Return the PEFT configurations, by their metadata keys."""
    found: dict[str, PeftConfig] = {}
    for note in _CONFIGS:
        if note in notes:
            if len(notes[note]) > _MAX_CONFIG_CHARS:
                raise LoraFileError(
                    f"has {len(notes[note])} characters of {note} in its header; at most "
                    f"{_MAX_CONFIG_CHARS} are allowed"
                )
            try:
                config: object = json.loads(notes[note])
            except (ValueError, RecursionError) as error:
                raise LoraFileError(f"has a {note} in its header that is not JSON") from error
            if not isinstance(config, dict):
                raise LoraFileError(f"has a {note} in its header that is not a JSON object")
            found[note] = PeftConfig(note, cast("dict[str, object]", config))
    return found


def _stated(notes: Mapping[str, str], names: Iterable[str]) -> float | None:
    """Return the number that these metadata keys have in common; none if no key is set."""
    found: dict[str, float] = {}
    for name in names:
        text = notes.get(name, "").strip()
        if text in _NOT_SAID:
            continue
        try:
            found[name] = float(text if len(text) <= _MAX_NUMBER_CHARS else "long")
        except ValueError as error:
            if name == "alpha":
                continue  # also used for other things, such as a release state
            raise LoraFileError(
                f"has {shown(text)} as {name} in its header, which is not a number; write an alpha "
                "tensor for every pair"
            ) from error
    for name, number in found.items():
        if not math.isfinite(number) or number == 0:
            raise LoraFileError(
                f"has {number:g} as {name} in its header; write the alpha that it was trained with"
            )
    if len(set(found.values())) > 1:
        stated = ", ".join(f"{name} {number:g}" for name, number in found.items())
        raise LoraFileError(f"contradicts itself in its header ({stated}); keep one of them")
    return next(iter(found.values()), None)
