"""What is done to a model before it runs. The profiles are the three plans that people choose from.

Needs nothing but the standard library: settings and `tests/bench/gpu_flux.py` read it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

NATIVE = "native"
"""Torch's own attention, which is everywhere."""
FASTEST = "fastest"
"""The fastest attention that the hardware has; `hardware.fastest_attention` gives its name."""

_SMALL_TILE_PX = 512


class ProfileKind(StrEnum):
    """What speed is worth."""

    QUALITY = "quality"
    BALANCED = "balanced"
    FAST = "fast"


class OffloadKind(StrEnum):
    """Where weights wait for their turn."""

    NONE = "none"
    GROUP = "group"


@dataclass(frozen=True)
class Plan:
    """What is done to the parts of a model.

    Attributes:
        fuses_qkv: one product for queries, keys and values.
        compiles: the repeated blocks are compiled, once for each kind of block.
        compile_backend: what torch.compile compiles with.
        uses_fp8: products of the blocks' linear layers in float8, scaled by row.
        attention: diffusers' name of the attention backend, or `FASTEST` before it is resolved.
        cache_threshold: the first-block cache skips the other blocks of a step where the first
            one's output changed less than this, relative to its mean; 0: off.
        vae_tile_px: the VAE works in tiles of this side where a picture is larger; 0: never.
        offload: whether weights stay on the device.
    """

    fuses_qkv: bool = False
    compiles: bool = False
    compile_backend: str = "inductor"
    uses_fp8: bool = False
    attention: str = NATIVE
    cache_threshold: float = 0.0
    vae_tile_px: int = 1024
    offload: OffloadKind = OffloadKind.NONE

    @property
    def has_lora_slots(self) -> bool:
        """Whether LoRAs need memory set aside: compiled blocks do not take layers that come."""
        return self.compiles

    @property
    def pixel_traits(self) -> str:
        """Everything of this plan that moves pixels, be it by rounding alone."""
        traits = (
            f"{'fused' if self.fuses_qkv else 'split'}-qkv",
            f"compiled-{self.compile_backend}" if self.compiles else "eager",
            "fp8" if self.uses_fp8 else "full",
            self.attention,
            f"cache-{self.cache_threshold:g}",
            f"tile-{self.vae_tile_px}",
        )
        return "+".join(traits)


PROFILES: Mapping[ProfileKind, Plan] = MappingProxyType(
    {
        ProfileKind.QUALITY: Plan(),
        ProfileKind.BALANCED: Plan(fuses_qkv=True, compiles=True),
        ProfileKind.FAST: Plan(fuses_qkv=True, compiles=True, uses_fp8=True, attention=FASTEST),
    }
)


def next_level(plan: Plan) -> Plan | None:
    """The next plan that takes less memory: smaller tiles, then offloaded weights; none: no more.

    Pixels of pictures that were not tiled before may move a little; offloading moves none.
    """
    if plan.vae_tile_px == 0 or plan.vae_tile_px > _SMALL_TILE_PX:
        return replace(plan, vae_tile_px=_SMALL_TILE_PX)
    if plan.offload is OffloadKind.NONE:
        return replace(plan, offload=OffloadKind.GROUP)
    return None
