"""PEFT's configuration in a LoRA file: the scale that it gives each pair.

PEFT uses layer names in it as regular expressions. Untrusted expressions are never run: plain names
are compared as strings, everything else is refused.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import cast

from shared.lora.errors import LoraFileError, shown
from shared.lora.layers import LoraPair

_PARTS = ("transformer.", "text_encoder_2.", "text_encoder.")
_MODEL_ROOT = re.compile(
    r"^(?:base_model\.model\.|model\.|diffusion_model\.|transformer\.|text_encoder(?:_2)?\.)+"
)
_MAX_STEPS = 16
"""Maximal number of components of a layer's name that are compared; no model is nested deeper."""

_ALPHAS = ("lora_alpha", "network_alpha", "linear_alpha", "alpha")
_RANKS = ("r", "lora_rank", "rank", "network_dim")
"""Fields by PEFT's name, and by the names of other trainers."""

_PLAIN = re.compile(r"\^?[\w-]+(?:\\?\.[\w-]+)*\$?")
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that also change the base model, so that the pairs alone are not sufficient."""
_OTHER_MODELS = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "layer_replication",
    "alora_invocation_tokens",
    "arrow_config",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "fan_in_fan_out",
)
"""Settings with which a layer's output is not the sum of the base layer's and the pair's."""


def _module_in_model(module: str) -> str:
    """Return the name that patterns are compared with: the layer's within its part of the model."""
    return _MODEL_ROOT.sub("", module)


class PeftConfig:
    """The PEFT configuration of a LoRA file.

    Args:
        note: its key in the header's metadata.
        entries: the configuration; as in diffusers, keys may begin with the part of the model.

    Raises:
        LoraFileError: the configuration is not supported; the message says why.
    """

    def __init__(self, note: str, entries: Mapping[str, object]) -> None:
        self._note = note
        self._parts = {part: self._part(part, entries) for part in (*_PARTS, "")}

    def scale(self, pair: LoraPair) -> float | None:
        """Return a pair's scale: alpha / rank, or alpha / √rank (rsLoRA); none without an alpha.

        Raises:
            LoraFileError: the rank in the configuration is not the pair's.
        """
        name = next((part for part in _PARTS if _is_of(part, pair.module)), "transformer.")
        module = _module_in_model(pair.module)
        for part in (self._parts[name], self._parts[""]):
            scale = part.scale(module, pair) if part else None
            if scale is not None:
                return scale
        return None

    def check_names(self) -> None:
        """Check that each alpha by name matched a pair; to be called after `scale` of all pairs.

        Raises:
            LoraFileError: one matched no pair, and differs from the general alpha.
        """
        for part in self._parts.values():
            if part:
                part.check_names()

    def _part(self, part: str, entries: Mapping[str, object]) -> "_Part | None":
        own = {
            key.removeprefix(part): value
            for key, value in entries.items()
            if key.startswith(part) and (part or not key.startswith(_PARTS))
        }
        return _Part(self._note, own) if own else None


def _is_of(part: str, module: str) -> bool:
    return module.startswith((part, f"base_model.model.{part}"))


class _Part:
    """The configuration of one part of the model."""

    def __init__(self, note: str, entries: Mapping[str, object]) -> None:
        self._note = note
        init = entries.get("init_lora_weights")
        if isinstance(init, str) and init.lower().startswith(_CHANGES_BASE):
            raise LoraFileError(
                f"was initialised with {shown(init)}, which also changes the base model; convert "
                "it to a plain LoRA first (PEFT: path_initial_model_for_weight_conversion)"
            )
        for name in _OTHER_MODELS:
            if entries.get(name):
                raise LoraFileError(
                    f"has {name} in the {note} of its header, which is not supported; train a "
                    "plain LoRA without it"
                )
        self._alpha = self._one(_ALPHAS, entries)
        self._alphas = self._patterns("alpha_pattern", entries)
        self._unmatched = {n for n, (_, alpha) in self._alphas.items() if alpha != self._alpha}
        self._is_called = False
        says_alpha = self._alpha is not None or self._alphas
        self._rank = self._one(_RANKS if says_alpha else _RANKS[:1], entries)
        self._ranks = self._patterns("rank_pattern", entries)
        self._is_stabilised = bool(entries.get("use_rslora"))
        if self._is_stabilised and not says_alpha:
            raise LoraFileError(
                f"has use_rslora in the {note} of its header without lora_alpha; add the "
                "lora_alpha that it was trained with"
            )

    def scale(self, module: str, pair: LoraPair) -> float | None:
        self._is_called = True
        rank = _first(self._ranks, _matching(self._ranks, module), self._rank)
        if rank is not None and rank != pair.rank:
            raise LoraFileError(
                f"has a wrong rank in the {self._note} of its header: for {shown(pair.module)} it "
                f"says rank {rank:g}, and it has {pair.rank}; correct the {self._note}"
            )
        matching = _matching(self._alphas, module)
        self._unmatched.difference_update(matching)
        alpha = _first(self._alphas, matching, self._alpha)
        if alpha is None:
            return None
        return alpha / (math.sqrt(pair.rank) if self._is_stabilised else pair.rank)

    def check_names(self) -> None:
        if self._is_called and self._unmatched:
            raise LoraFileError(
                f"has an alpha_pattern in the {self._note} of its header whose "
                f"{shown(min(self._unmatched))} matches no pair; name the layers like the tensors, "
                "or remove it"
            )

    def _patterns(self, field: str, entries: Mapping[str, object]) -> dict[str, tuple[int, float]]:
        """Return the numbers by plain name, each with its position: the first match counts."""
        found: object = entries.get(field) or cast("dict[str, object]", {})
        if not isinstance(found, dict):
            raise LoraFileError(
                f"has a {field} in its header that is not an object of numbers by name"
            )
        patterns: dict[str, tuple[int, float]] = {}
        for place, (name, value) in enumerate(cast("dict[str, object]", found).items()):
            if not _PLAIN.fullmatch(name):
                raise LoraFileError(
                    f"has the regular expression {shown(name)} as {field} in its header; "
                    "expressions are not run: name layers in full, such as "
                    "'transformer_blocks.0.attn.to_q', or by their last components, such as 'to_q'"
                )
            number = self._number(field, value)
            plain = name.removesuffix("$").replace("\\.", ".")
            if number is not None:
                patterns.setdefault(plain, (place, number))
        return patterns

    def _one(self, fields: Iterable[str], entries: Mapping[str, object]) -> float | None:
        """Return the number that these fields have in common; none if no field is set."""
        found = {field: self._number(field, entries.get(field)) for field in fields}
        known = {field: number for field, number in found.items() if number is not None}
        if len(set(known.values())) > 1:
            stated = ", ".join(f"{field} {number:g}" for field, number in known.items())
            raise LoraFileError(
                f"contradicts itself in the {self._note} of its header ({stated}); keep one of them"
            )
        return next(iter(known.values()), None)

    def _number(self, field: str, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LoraFileError(
                f"has a {field} in the {self._note} of its header that is not a number"
            )
        if abs(value) > 1e9 or not math.isfinite(value):
            raise LoraFileError(
                f"has {shown(str(value))} as {field} in its header; it must be from -1e9 to 1e9"
            )
        return float(value)


def _matching(patterns: Mapping[str, tuple[int, float]], module: str) -> list[str]:
    """Return the patterns that equal the module's name or its last components."""
    if not patterns:
        return []
    steps = module.split(".")[-_MAX_STEPS:]
    spellings = [".".join(steps[first:]) for first in range(len(steps))]
    return [name for name in (f"^{module}", *spellings) if name in patterns]


def _first(
    patterns: Mapping[str, tuple[int, float]], matching: Iterable[str], default: float | None
) -> float | None:
    """Return the number of the matching pattern that comes first in the file, or the default."""
    return min((patterns[name] for name in matching), default=(0, default))[1]
