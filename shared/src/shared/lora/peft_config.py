"""What PEFT's configuration in a LoRA file means for the strength of its pairs.

PEFT takes layers' names in it for regular expressions. Those of a stranger are never run: names are
compared as they are, and anything else is refused.
"""

import math
import re
from collections.abc import Mapping
from typing import cast

from shared.lora.errors import LoraFileError, shown
from shared.lora.layers import LoraPair

_PARTS = ("transformer.", "text_encoder_2.", "text_encoder.")
_MODEL_ROOT = re.compile(
    r"^(?:base_model\.model\.|model\.|diffusion_model\.|transformer\.|text_encoder(?:_2)?\.)+"
)
_MAX_STEPS = 16
"""Of a layer's name that are compared; no model nests deeper."""

_PLAIN = re.compile(r"\^?[\w-]+(?:\\?\.[\w-]+)*\$?")
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin a training that change the model itself, so that pairs alone are not the whole."""
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
"""Settings under which a layer's output is not its own plus the pair's."""


def module_in_model(module: str) -> str:
    """The name that patterns are compared with: the layer's within its part of the model."""
    return _MODEL_ROOT.sub("", module)


class PeftConfig:
    """The entries of a file's configuration.

    Args:
        note: where it stands in the header.
        entries: as diffusers writes them, with the part of the model before each, or without.

    Raises:
        LoraFileError: says what of it cannot be followed.
    """

    def __init__(self, note: str, entries: Mapping[str, object]) -> None:
        self._note = note
        self._parts = {part: self._part(part, entries) for part in (*_PARTS, "")}

    def scale(self, module: str, pair: LoraPair) -> float:
        """Return a pair's scale: alpha / rank, or alpha / √rank (rsLoRA).

        Args:
            module: the layer's name within its part.
            pair: of that layer.

        Raises:
            LoraFileError: the file's rank is not the pair's.
        """
        name = next((part for part in _PARTS if _is_of(part, pair.module)), "transformer.")
        part = self._parts[name] or self._parts[""]
        return part.scale(module, pair) if part else 1.0

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
    """What the configuration says of one part of the model."""

    def __init__(self, note: str, entries: Mapping[str, object]) -> None:
        self._note = note
        begun = entries.get("init_lora_weights")
        if isinstance(begun, str) and begun.lower().startswith(_CHANGES_BASE):
            raise LoraFileError(
                f"was begun with {shown(begun)}, which changes the model beside the pairs; convert "
                "it to a plain LoRA first (PEFT: path_initial_model_for_weight_conversion)"
            )
        for name in _OTHER_MODELS:
            if entries.get(name):
                raise LoraFileError(
                    f"has {name} in the {note} of its header, which is not applied here; train a "
                    "plain LoRA without it"
                )
        self._alpha = self._number("lora_alpha", entries.get("lora_alpha"))
        self._rank = self._number("r", entries.get("r"))
        self._alphas = self._patterns("alpha_pattern", entries)
        self._ranks = self._patterns("rank_pattern", entries)
        self._is_stabilised = bool(entries.get("use_rslora"))

    def scale(self, module: str, pair: LoraPair) -> float:
        rank = _matching(self._ranks, module, self._rank)
        if rank is not None and rank != pair.rank:
            raise LoraFileError(
                f"says in the {self._note} of its header that the pair of {shown(pair.module)} has "
                f"rank {rank:g}, and it has {pair.rank}; write the {self._note} as it was trained"
            )
        alpha = _matching(self._alphas, module, self._alpha)
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(pair.rank) if self._is_stabilised else pair.rank)

    def _patterns(self, field: str, entries: Mapping[str, object]) -> dict[str, tuple[int, float]]:
        """Plain names by how they are compared, each with its place: the first that fits counts."""
        found: object = entries.get(field) or cast("dict[str, object]", {})
        if not isinstance(found, dict):
            raise LoraFileError(f"has a {field} in its header that is no object of numbers by name")
        patterns: dict[str, tuple[int, float]] = {}
        for place, (name, value) in enumerate(cast("dict[str, object]", found).items()):
            if not _PLAIN.fullmatch(name):
                raise LoraFileError(
                    f"has the regular expression {shown(name)} as {field} in its header; "
                    "expressions are not run: name the layers in full, such as "
                    "'transformer_blocks.0.attn.to_q', or by their ending, such as 'to_q'"
                )
            number = self._number(field, value)
            plain = name.removesuffix("$").replace("\\.", ".")
            if number is not None:
                patterns.setdefault(plain, (place, number))
        return patterns

    def _number(self, field: str, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise LoraFileError(
                f"has in the {self._note} of its header a {field} that is no number"
            )
        if abs(value) > 1e9 or not math.isfinite(value):
            raise LoraFileError(
                f"has {shown(str(value))} as {field} in its header; it must be from -1e9 to 1e9"
            )
        return float(value)


def _matching(
    patterns: Mapping[str, tuple[int, float]], module: str, default: float | None
) -> float | None:
    """The number of the first pattern that is the module's name or an ending of it."""
    if not patterns:
        return default
    steps = module.split(".")[-_MAX_STEPS:]
    spellings = [".".join(steps[first:]) for first in range(len(steps))]
    found = [patterns[name] for name in (f"^{module}", *spellings) if name in patterns]
    return min(found)[1] if found else default
