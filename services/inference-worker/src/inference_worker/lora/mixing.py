"""How LoRAs act on a module: as many as there are, or copied into slots that it was compiled with.

Both add to the output of a linear layer from a forward hook, so that the layer itself, whatever it
is made of, stays as it was.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from shared.errors import InvalidInputError
from shared.flux.lora.reading import Pair, Pairs
from shared.flux.lora.targets import Layers, Targets

Mix = Sequence[tuple[Pairs, float]]
"""Pairs by layer, and how strongly they act."""


class Mixer(Protocol):
    """Puts LoRAs into effect on the layers of one module."""

    def check(self, pairs: Pairs, targets: Targets, field: str) -> None:
        """Whether the pairs can be put into effect here, beside fitting the model.

        Raises:
            InvalidInputError: names the field and what would be right.
        """
        ...

    def mix(self, mix: Mix) -> None:
        """Put exactly these LoRAs into effect; none leaves the module as it was."""
        ...


class HookMixer:
    """Implements `Mixer` for any LoRAs: hooks come and go. Not for compiled modules.

    Args:
        layers: the module's.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._hooks: list[RemovableHandle] = []

    def check(self, pairs: Pairs, targets: Targets, field: str) -> None:
        """Every rank is possible."""

    def mix(self, mix: Mix) -> None:
        """Put exactly these LoRAs into effect; without any there are no hooks."""
        for hook in self._hooks:
            hook.remove()
        by_layer: dict[str, list[tuple[Pair, float]]] = {}
        for pairs, weight in mix:
            for name, pair in pairs.items():
                by_layer.setdefault(name, []).append((pair, weight))
        self._hooks = []
        for name, pairs in by_layer.items():
            self._hooks.append(self._layers[name].register_forward_hook(_Addition(pairs)))


class _Addition:
    """Adds weighted pairs to a layer's output."""

    def __init__(self, pairs: Sequence[tuple[Pair, float]]) -> None:
        self._pairs = pairs

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        inputs: Tensor = args[0]  # [..., in]
        for pair, weight in self._pairs:
            # Where an offloaded module's own weights come and go, a LoRA's stay behind; T5 has
            # layers of more precision than its others.
            down, up = pair.down.to(inputs), pair.up.to(inputs)
            output = output + weight * functional.linear(functional.linear(inputs, down), up)
        return output


@dataclass(frozen=True)
class SlotPlan:
    """What a module that will be compiled keeps ready for LoRAs.

    Attributes:
        num_slots: LoRAs at once.
        target_rank: of one pair, at most.
        layers: a regular expression; the layers with such names can be changed.
    """

    num_slots: int = 4
    target_rank: int = 32
    layers: str = ".*"


class SlotMixer:
    """Implements `Mixer` with memory that was set aside: nothing is compiled anew for a swap.

    Build it before the module is compiled, and after its projections are fused. The slots of a
    layer lie side by side in two matrices, so that all LoRAs together cost two products; weights
    are multiplied into `up` when a LoRA is copied in, and what is unused is zero.

    Args:
        layers: the module's.
        plan: how many slots, how large, and where.
        targets: of the module; fused projections need the rank of each of their parts.
        dtype: of the slots.
        reserve: makes room for so many bytes.
    """

    def __init__(
        self,
        layers: Layers,
        plan: SlotPlan,
        targets: Targets,
        dtype: torch.dtype,
        reserve: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._plan = plan
        # Others than these are what was fused, and compute nothing.
        computing = {target.layer for target in targets.values()}
        self._layers = {name: layers[name] for name in computing if re.fullmatch(plan.layers, name)}
        num_parts = dict.fromkeys(self._layers, 1)
        for target in targets.values():
            if target.layer in num_parts and target.first_row:
                num_parts[target.layer] += 1
        self._widths = {name: plan.target_rank * parts for name, parts in num_parts.items()}
        numbers = sum(
            plan.num_slots * self._widths[name] * (layer.in_features + layer.out_features)
            for name, layer in self._layers.items()
        )
        reserve(numbers * dtype.itemsize)
        for name, layer in self._layers.items():
            rank = plan.num_slots * self._widths[name]
            options: Any = {"device": layer.weight.device, "dtype": dtype}
            layer.register_buffer(
                "lora_down", torch.zeros(rank, layer.in_features, **options), persistent=False
            )
            layer.register_buffer(
                "lora_up", torch.zeros(layer.out_features, rank, **options), persistent=False
            )
            layer.register_forward_hook(_add_slots)

    @property
    def size_bytes(self) -> int:
        """Of all slots, used or not."""
        return sum(
            matrix.numel() * matrix.element_size()
            for layer in self._layers.values()
            for matrix in _slots(layer)
        )

    def check(self, pairs: Pairs, targets: Targets, field: str) -> None:
        """Whether there are slots for every pair, wide enough."""
        ranks: Counter[str] = Counter()
        for name, pair in pairs.items():
            ranks[targets[name].layer] += pair.rank
            if targets[name].layer not in self._layers:
                raise InvalidInputError(
                    f"{field}: changes {name}, which this worker keeps no room for; it takes LoRAs "
                    f"of the layers {self._plan.layers!r}"
                )
            if pair.rank > self._plan.target_rank:
                raise InvalidInputError(
                    f"{field}: has rank {pair.rank} at {name}; this worker takes LoRAs up to rank "
                    f"{self._plan.target_rank} (SARTIQ_INFERENCE_LORA_TARGET_RANK)"
                )
        for layer, rank in ranks.items():
            if rank > self._widths[layer]:
                raise InvalidInputError(
                    f"{field}: changes {layer} twice, whole and in parts, with ranks {rank} in all;"
                    f" there is room for {self._widths[layer]}"
                )

    @torch.no_grad()
    def mix(self, mix: Mix) -> None:
        """Copy exactly these LoRAs into the slots."""
        if len(mix) > self._plan.num_slots:
            raise InvalidInputError(
                f"{len(mix)} LoRAs at once; this worker mixes up to {self._plan.num_slots} "
                "(SARTIQ_INFERENCE_LORA_SLOTS)"
            )
        for name, layer in self._layers.items():
            down, up = _slots(layer)
            # Both: what overflows in the one is not made good by zeros in the other.
            down.zero_()
            up.zero_()
            for slot, (pairs, weight) in enumerate(mix):
                pair = pairs.get(name)
                if pair is None:
                    continue
                begin = slot * self._widths[name]
                own = slice(begin, begin + pair.rank)
                down[own].copy_(pair.down)
                up[:, own].copy_(pair.up.float() * weight)


def _slots(layer: nn.Module) -> tuple[Tensor, Tensor]:
    return layer.get_buffer("lora_down"), layer.get_buffer("lora_up")


def _add_slots(layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
    down, up = _slots(layer)
    return output + functional.linear(functional.linear(args[0], down), up)
