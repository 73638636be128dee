"""Application of LoRAs to a module: any number by hooks, or copied into preallocated slots.

Both add to the output of a linear layer in a forward hook, so that the layer itself, quantised or
not, stays unchanged.
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
"""Pairs by layer, and their weight, for each LoRA."""


class Mixer(Protocol):
    """Applies LoRAs to the layers of one module."""

    def check(self, pairs: Pairs, targets: Targets, field: str) -> None:
        """Check that pairs that fit the model can be applied by this mixer.

        Raises:
            InvalidInputError: they cannot; names the field and the limit.
        """
        ...

    def mix(self, mix: Mix) -> None:
        """Apply exactly these LoRAs; with none, the module is unchanged."""
        ...


class HookMixer:
    """Implements `Mixer` for LoRAs of any rank, by hooks. Not for compiled modules.

    Args:
        layers: the module's.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._hooks: list[RemovableHandle] = []

    def check(self, pairs: Pairs, targets: Targets, field: str) -> None:
        """Accept every rank."""

    def mix(self, mix: Mix) -> None:
        """Apply exactly these LoRAs; without any, remove all hooks."""
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
            # Group offloading moves the module's weights but not a LoRA's, and some layers of T5
            # have a higher precision than the others.
            down, up = pair.down.to(inputs), pair.up.to(inputs)
            output = output + weight * functional.linear(functional.linear(inputs, down), up)
        return output


@dataclass(frozen=True)
class SlotPlan:
    """The slots of a module that will be compiled.

    Attributes:
        num_slots: LoRAs at once.
        target_rank: greatest rank of a pair.
        layers: a regular expression of the names of layers that LoRAs may change.
    """

    num_slots: int = 4
    target_rank: int = 32
    layers: str = ".*"


class SlotMixer:
    """Implements `Mixer` with preallocated memory: a swap of LoRAs needs no new compilation.

    Create it after the module's projections are fused, and before the module is compiled. The slots
    of a layer are columns of two matrices, so that all LoRAs together cost two products; weights
    are multiplied into `up` when a LoRA is copied in, and unused slots are zero.

    Args:
        layers: the module's.
        plan: number, size and layers of the slots.
        targets: of the module; fused projections need the rank of each of their parts.
        dtype: of the slots.
        reserve: frees so many bytes.
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
        # All other layers were fused, and compute nothing.
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
        """The memory of all slots, used or not."""
        return sum(
            matrix.numel() * matrix.element_size()
            for layer in self._layers.values()
            for matrix in _slots(layer)
        )

    def check(self, pairs: Pairs, targets: Targets, field: str) -> None:
        """Check that there are slots of sufficient rank for every pair."""
        ranks: Counter[str] = Counter()
        for name, pair in pairs.items():
            ranks[targets[name].layer] += pair.rank
            if targets[name].layer not in self._layers:
                raise InvalidInputError(
                    f"{field}: changes {name}, for which this worker has no slots; it takes LoRAs "
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
                    f" this worker has slots for {self._widths[layer]}"
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
            # Both: an overflow in the one would survive zeros in the other.
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
