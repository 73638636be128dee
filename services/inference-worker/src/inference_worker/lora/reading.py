"""Reads a LoRA file: pairs of matrices by the module they change, their alphas multiplied in."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference_worker.lora.key_formats import (
    CLIP,
    TRANSFORMER,
    Tensors,
    is_kohya,
    plain_names,
    to_model_names,
    unused,
)
from inference_worker.pipelines.engine import LoraUse
from shared.contracts.wording import in_one_line
from shared.errors import InvalidInputError

_log = structlog.stdlib.get_logger(__name__)

_open = cast(Any, safe_open)

_ALPHA = ".alpha"
_UPS = (
    ".lora_up.weight",
    ".lora_B.weight",
    ".lora.up.weight",
    "_lora.up.weight",
    ".lora_linear_layer.up.weight",
)
_CONFIG = "lora_adapter_metadata"
"""Where diffusers notes PEFT's configuration in a file."""
_MAGNITUDE = re.compile(r"\.dora_scale|\.lora_magnitude_vector")
"""Of a DoRA: what each column of a changed matrix is scaled to."""
_FLOAT8 = frozenset({torch.float8_e4m3fn, torch.float8_e5m2})
_NUM_SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """What is added to a linear layer's matrix: `up @ down`."""

    down: Tensor  # [R, in]
    up: Tensor  # [out, R], times alpha / rank

    @property
    def rank(self) -> int:
        """R."""
        return self.down.shape[0]

    @property
    def size_bytes(self) -> int:
        """Of both matrices."""
        return sum(t.numel() * t.element_size() for t in (self.down, self.up))


Pairs = Mapping[str, Pair]
"""By the changed module's name."""


@dataclass(frozen=True)
class LoraParts:
    """A file's pairs, by the part of the model they change."""

    transformer: Pairs
    clip: Pairs


def read_lora(lora: LoraUse) -> LoraParts:
    """Read a file into the CPU's memory, whichever trainer wrote it.

    What of it has no effect here is logged.

    Raises:
        InvalidInputError: names the request field; the file is no LoRA of FLUX.
    """
    tensors, config = _load(lora)
    if magnitudes := [name for name in tensors if _MAGNITUDE.search(name)]:
        raise InvalidInputError(
            f"{lora.field}: is a DoRA, which acts wrongly without its {magnitudes[0]!r}; LoRAs are"
            " needed"
        )
    left_out = unused(tensors)
    tensors = plain_names({n: tensor for n, tensor in tensors.items() if n not in left_out})
    try:
        _multiply_alphas_in(tensors, config)
        transformer, clip = to_model_names(tensors)
        parts = LoraParts(_paired(transformer), _paired(clip))
    except Exception as error:
        message = f"{lora.field}: is no LoRA of a FLUX model: {in_one_line(error)}"
        raise InvalidInputError(message) from error
    if left_out:
        _log.warning(
            "lora_tensors_without_effect",
            sha256=lora.sha256,
            num_tensors=len(left_out),
            examples=sorted(left_out)[:_NUM_SHOWN],
        )
    if not parts.transformer and not parts.clip:
        raise InvalidInputError(
            f"{lora.field}: nothing in it changes a FLUX transformer or its CLIP text encoder; "
            f"it has {', '.join(sorted(left_out)[:_NUM_SHOWN])}"
        )
    return parts


def _load(lora: LoraUse) -> tuple[Tensors, dict[str, Any]]:
    try:
        with _open(lora.path, framework="pt") as file:
            tensors: Tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            notes: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        message = f"{lora.field}: its file cannot be read: {in_one_line(error)}"
        raise InvalidInputError(message) from error
    # Nothing multiplies float8 matrices on a CPU.
    tensors = {
        name: tensor.to(torch.bfloat16) if tensor.dtype in _FLOAT8 else tensor
        for name, tensor in tensors.items()
    }
    try:
        config: object = json.loads(notes.get(_CONFIG, "{}"))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        _log.warning("lora_config_unreadable", sha256=lora.sha256)
        return tensors, {}
    return tensors, cast("dict[str, Any]", config)


def _multiply_alphas_in(tensors: Tensors, config: Mapping[str, Any]) -> None:
    """Scale every `up` by alpha / rank: not all of diffusers' converters do.

    Alphas stand beside their pair (kohya) or in PEFT's configuration; without any the scale is 1.
    """
    alphas = [name for name in tensors if name.endswith(_ALPHA)]
    for name in alphas:
        alpha = float(tensors.pop(name).flatten()[0])
        module = name.removesuffix(_ALPHA)
        for up in (module + suffix for suffix in _UPS if module + suffix in tensors):
            _scale(tensors, up, alpha / tensors[up].shape[1])
    if is_kohya(tensors):
        # A converter of diffusers wants an alpha for every pair, and scales by it.
        for up in [name for name in tensors if name.endswith(_UPS[0])]:
            tensors[up.removesuffix(_UPS[0]) + _ALPHA] = torch.tensor(float(tensors[up].shape[1]))
    elif config and not alphas:
        scales = {part: _Scales(part, config) for part in (TRANSFORMER, CLIP, "")}
        for up in [name for name in tensors if name.endswith(_UPS)]:
            part = next(part for part in scales if up.startswith(part))
            module = up.removeprefix(part).removesuffix(_UPS[1])
            _scale(tensors, up, scales[part].of(module, tensors[up].shape[1]))


def _scale(tensors: Tensors, name: str, factor: float) -> None:
    if factor != 1:
        tensors[name] = tensors[name].float() * factor


class _Scales:
    """What PEFT's configuration in a file says of one part of the model.

    Args:
        part: the prefix of its entries.
        config: all of them.
    """

    def __init__(self, part: str, config: Mapping[str, Any]) -> None:
        own = {k.removeprefix(part): value for k, value in config.items() if k.startswith(part)}
        self._alpha: float | None = own.get("lora_alpha")
        # PEFT takes regular expressions; out of an untrusted file names alone are safe to match.
        patterns: Mapping[str, float] = own.get("alpha_pattern") or {}
        self._patterns = {name.removeprefix("^"): alpha for name, alpha in patterns.items()}
        self._is_stabilised = bool(own.get("use_rslora"))

    def of(self, module: str, rank: int) -> float:
        """The scale of a module's pair: alpha / rank, or alpha / √rank (rsLoRA)."""
        if self._alpha is None:
            return 1
        names = module.split(".")
        endings = (".".join(names[first:]) for first in range(len(names)))
        alpha = next((self._patterns[e] for e in endings if e in self._patterns), self._alpha)
        return float(alpha) / (rank**0.5 if self._is_stabilised else rank)


def _paired(tensors: Tensors) -> Pairs:
    pairs: dict[str, Pair] = {}
    for name, down in tensors.items():
        module, half, _ = name.rpartition(".lora_A.weight")
        if not half:
            continue
        up = tensors[f"{module}.lora_B.weight"]
        if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:
            raise ValueError(f"{module} has no pair of matrices of one rank")
        pairs[module] = Pair(down, up)
    lost = len(tensors) - 2 * len(pairs)
    if lost:
        raise ValueError(f"{lost} of its tensors are named like no LoRA's")
    return pairs
