"""The linear layers of a model that LoRA pairs change, and the check that the pairs fit."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from shared.errors import InvalidInputError
from shared.flux.lora.reading import Pair, Pairs

_FUSED = {
    "to_qkv": ("to_q", "to_k", "to_v"),
    "to_added_qkv": ("add_q_proj", "add_k_proj", "add_v_proj"),
}
"""Fused projections of diffusers, and the projections whose rows they hold, in order."""

_OLD_CLIP_ROOT = "text_model."
"""The prefix of CLIP's layers in older transformers, and so in most LoRA files."""


Layers = Mapping[str, nn.Linear]
"""The linear layers of a module, by name."""


@dataclass(frozen=True)
class Target:
    """The rows of a linear layer that one module of a LoRA changes.

    Attributes:
        layer: the name of the layer that computes them.
        first_row: the first of them; over 0 in fused projections alone.
        in_features: width of the layer's input.
        out_features: number of rows.
    """

    layer: str
    first_row: int
    in_features: int
    out_features: int


Targets = Mapping[str, Target]


def linear_layers(module: nn.Module) -> Layers:
    """Return every linear layer of a module."""
    modules = cast("Iterable[tuple[str, nn.Module]]", module.named_modules())  # pyright: ignore[reportUnknownMemberType] -- torch leaves it out
    return {name: layer for name, layer in modules if isinstance(layer, nn.Linear)}


def find_targets(layers: Layers) -> Targets:
    """Return the target of each linear layer; the parts of a fused one keep their old names."""
    targets: dict[str, Target] = {}
    fused: dict[str, Target] = {}
    for name, layer in layers.items():
        targets[name] = Target(name, 0, layer.in_features, layer.out_features)
        parent, _, last = name.rpartition(".")
        parts = _FUSED.get(last, ())
        for index, part in enumerate(parts):
            num_rows = layer.out_features // len(parts)
            fused[f"{parent}.{part}"] = Target(name, index * num_rows, layer.in_features, num_rows)
    # A projection that was fused may still exist; it computes nothing any more.
    return targets | fused


def check_fit(pairs: Pairs, module: nn.Module, targets: Targets, field: str) -> Pairs:
    """Return the pairs by this model's layer names.

    Args:
        pairs: of a file.
        module: the model.
        targets: of the model.
        field: the request field that named the file, for messages.

    Raises:
        InvalidInputError: a pair does not fit this model; names the field and the pair.
    """
    fitting: dict[str, Pair] = {}
    for named, pair in pairs.items():
        name = _own_name(named, targets)
        fault = _fault(name, pair, module, targets)
        if fault:
            raise InvalidInputError(f"{field}: made for another model: {fault}")
        fitting[name] = pair
    return fitting


def _own_name(name: str, targets: Targets) -> str:
    shorter = name.removeprefix(_OLD_CLIP_ROOT)
    spellings = (name, shorter, f"{_OLD_CLIP_ROOT}{shorter}")
    return next((spelling for spelling in spellings if spelling in targets), name)


def _fault(name: str, pair: Pair, module: nn.Module, targets: Targets) -> str:
    target = targets.get(name)
    if target is None:
        return _missing(name, module)
    takes, gives = pair.down.shape[1], pair.up.shape[0]
    if takes != target.in_features:
        return f"{name} takes {takes} features, this model's has {target.in_features}"
    if gives != target.out_features:
        return f"{name} gives {gives} features, this model's has {target.out_features}"
    return ""


def _missing(name: str, module: nn.Module) -> str:
    """Describe a missing layer: the model has fewer blocks, or none of that name."""
    here: nn.Module = module
    path = name.split(".")
    for depth, step in enumerate(path):
        if isinstance(here, nn.ModuleList) and step.isdecimal() and int(step) >= len(here):
            return f"changes {'.'.join(path[: depth + 1])}, this model has {len(here)}"
        child = dict(here.named_children()).get(step)
        if child is None:
            return f"changes {name}, which this model does not have"
        here = child
    return f"changes {name}, which is no linear layer here"


def place(pairs: Pairs, targets: Targets, layers: Layers) -> Pairs:
    """Return one pair for each layer; pairs of a fused projection's parts are joined, exactly.

    Args:
        pairs: by this model's names, as `check_fit` returns them.
        targets: of the model.
        layers: of the model.
    """
    by_layer: dict[str, list[tuple[Target, Pair]]] = defaultdict(list)
    for name, pair in pairs.items():
        by_layer[targets[name].layer].append((targets[name], pair))
    return {layer: _joined(parts, layers[layer].out_features) for layer, parts in by_layer.items()}


def _joined(parts: Iterable[tuple[Target, Pair]], num_rows: int) -> Pair:
    parts = list(parts)
    (target, pair), *others = parts
    if not others and target.out_features == num_rows:
        return pair
    down = torch.cat([pair.down for _, pair in parts])
    up = pair.up.new_zeros(num_rows, down.shape[0])
    column = 0
    for target, pair in parts:
        rows = slice(target.first_row, target.first_row + target.out_features)
        up[rows, column : column + pair.rank] = pair.up
        column += pair.rank
    return Pair(down, up)
