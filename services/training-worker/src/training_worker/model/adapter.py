"""LoRA layers in a frozen model, by peft."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn

from shared.errors import InvalidInputError
from shared.flux.lora.targets import Layers, linear_layers

_ADAPTER = "default"


class Adapter:
    """LoRA pairs of one rank on some linear layers; alpha equals the rank.

    The pairs are float32 whatever the model's number format: small updates vanish in bfloat16.

    Args:
        module: the frozen model, which is changed in place.
        targets: names of its layers.
        rank: rank of each pair.
        generator: the source of the first weights. B begins with zeros: no effect.

    Raises:
        InvalidInputError: the rank exceeds a side of a layer.
    """

    def __init__(
        self, module: nn.Module, targets: Sequence[str], rank: int, generator: torch.Generator
    ) -> None:
        check_rank(rank, targets, linear_layers(module))
        config = LoraConfig(
            r=rank, lora_alpha=rank, target_modules=list(targets), init_lora_weights=False
        )
        with cast(Any, torch.random).fork_rng():  # peft draws weights, which are replaced
            inject_adapter_in_model(config, module, _ADAPTER)
        self.targets = tuple(targets)
        self._layers = {name: cast(Any, module.get_submodule(name)) for name in targets}
        assert self._num_pairs(module) == len(targets)
        self.parameters: Mapping[str, nn.Parameter] = dict(self._own_parameters())
        self._initialise(generator)

    def set_weight(self, weight: float) -> None:
        """Set the strength at which the pairs act; 0: not at all."""
        for layer in self._layers.values():
            layer.set_scale(_ADAPTER, weight)

    def _own_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, layer in self._layers.items():
            for side in ("lora_A", "lora_B"):
                linear: nn.Linear = getattr(layer, side)[_ADAPTER]
                weight = cast(nn.Parameter, linear.float().weight)
                weight.requires_grad_()
                yield f"{name}.{side}.weight", weight

    def _initialise(self, generator: torch.Generator) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(_first_value(name, parameter.shape, generator))

    @staticmethod
    def _num_pairs(module: nn.Module) -> int:
        return sum(isinstance(layer, LoraLayer) for layer in module.modules())


def check_rank(rank: int, targets: Sequence[str], layers: Layers) -> None:
    """Refuse a rank over the smallest side of the trained layers: it could not be reached.

    Raises:
        InvalidInputError: names `rank`.
    """
    sides = {name: min(layers[name].in_features, layers[name].out_features) for name in targets}
    name, side = min(sides.items(), key=lambda item: item[1])
    if not 1 <= rank <= side:
        raise InvalidInputError(
            f"rank: {rank} does not fit the base model, whose layer {name} has {side} features;"
            f" give 1 to {side}"
        )


def _first_value(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return the start of a matrix, drawn on the CPU: A uniform as peft draws it, B zeros."""
    value = torch.zeros(shape)
    if ".lora_A." in name:
        nn.init.kaiming_uniform_(value, a=math.sqrt(5), generator=generator)
    return value
