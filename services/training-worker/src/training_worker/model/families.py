"""Families of base models, each with what its training needs to know. A new family is a new row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from shared.flux.families.family import Family
from shared.flux.families.flux import FLUX
from shared.flux.flow_matching import resolution_shift
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.encode import MAX_T5_TOKENS
from training_worker.model.errors import base_model_error

_ATTENTION = ("attn.to_q", "attn.to_k", "attn.to_v")
_DOUBLE = (
    *_ATTENTION,
    "attn.to_out.0",
    "attn.add_q_proj",
    "attn.add_k_proj",
    "attn.add_v_proj",
    "attn.to_add_out",
    "ff.net.0.proj",
    "ff.net.2",
    "ff_context.net.0.proj",
    "ff_context.net.2",
)
_SINGLE = (*_ATTENTION, "proj_mlp", "proj_out")


@dataclass(frozen=True)
class TrainingFamily:
    """A family of base models.

    Attributes:
        family: its parts, as they are loaded for any purpose.
        layers: the trained linear layers of a block, by the name of the blocks' list. They are
            looked for within the blocks: FLUX's last layer is also called `proj_out`.
        max_text_tokens: longest caption, where its tokenizer states no less.
    """

    family: Family
    layers: Mapping[str, Sequence[str]]
    max_text_tokens: int

    def targets(self, backbone: nn.Module) -> list[str]:
        """Return the names of the trained layers of a model, in the model's order."""
        return list(self._targets(backbone))

    def _targets(self, backbone: nn.Module) -> Iterator[str]:
        for blocks, layers in self.layers.items():
            for index in range(len(list(backbone.get_submodule(blocks).children()))):
                yield from (f"{blocks}.{index}.{layer}" for layer in layers)

    def text_tokens(self, components: FluxComponents) -> int:
        """Return the length of encoded captions."""
        return min(int(components.t5_tokenizer.model_max_length), self.max_text_tokens)

    def shift(self, components: FluxComponents, num_tokens: int) -> float:
        """Return the shift of noise levels: by the picture's tokens, unless the model's is fixed.

        Args:
            components: the model.
            num_tokens: of one picture.
        """
        config: Any = components.new_scheduler().config
        return resolution_shift(num_tokens) if config.use_dynamic_shifting else float(config.shift)


FLUX_TRAINING = TrainingFamily(
    family=FLUX,
    layers={"transformer_blocks": _DOUBLE, "single_transformer_blocks": _SINGLE},
    max_text_tokens=MAX_T5_TOKENS,
)

FAMILIES = (FLUX_TRAINING,)


def training_family(family: Family) -> TrainingFamily:
    """Return how a family is trained.

    Raises:
        ModelLoadError: trainings of this family are not built.
    """
    for known in FAMILIES:
        if known.family is family:
            return known
    names = ", ".join(known.family.name for known in FAMILIES)
    raise base_model_error(f"a {family.name} model cannot be trained; {names} can")
