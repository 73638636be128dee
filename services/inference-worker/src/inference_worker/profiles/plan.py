"""Plans for preparing a model before it runs; the profiles are three of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from inference_worker.settings import OffloadKind, ProfileKind

NATIVE = "native"
"""Torch's own attention, which runs on all hardware."""
FASTEST = "fastest"
"""The fastest attention of the hardware; `hardware.fastest_attention` resolves it."""

_SMALL_TILE_PX = 512


@dataclass(frozen=True)
class ExecutionPlan:
    """Optimisations of a model's parts.

    Attributes:
        fuses_qkv: computes queries, keys and values in one product.
        compiles: compiles the repeated blocks, once for each class of block.
        compile_backend: the backend of torch.compile.
        uses_fp8: computes the blocks' linear layers in float8, scaled by row.
        attention: diffusers' name of the attention backend, or `FASTEST` before it is resolved.
        cache_threshold: the first-block cache skips the other blocks of a step where the first
            one's output changed less than this, relative to its mean; 0: off.
        vae_tile_px: the VAE works in tiles of this side where a picture is larger; 0: never.
        offload: the place of weights that are not in use.
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
        """True where LoRAs need preallocated slots: hooks cannot be added to compiled blocks."""
        return self.compiles

    @property
    def pixel_traits(self) -> str:
        """The part of this plan that changes pixels, if only by rounding."""
        traits = (
            f"{'fused' if self.fuses_qkv else 'split'}-qkv",
            f"compiled-{self.compile_backend}" if self.compiles else "eager",
            "fp8" if self.uses_fp8 else "full",
            self.attention,
            f"cache-{self.cache_threshold:g}",
            f"tile-{self.vae_tile_px}",
        )
        return "+".join(traits)


PROFILES: Mapping[ProfileKind, ExecutionPlan] = MappingProxyType(
    {
        ProfileKind.QUALITY: ExecutionPlan(),
        ProfileKind.BALANCED: ExecutionPlan(fuses_qkv=True, compiles=True),
        ProfileKind.FAST: ExecutionPlan(
            fuses_qkv=True, compiles=True, uses_fp8=True, attention=FASTEST
        ),
    }
)


def next_level(plan: ExecutionPlan) -> ExecutionPlan | None:
    """Return the next plan that takes less memory: smaller tiles, then offloading; or None.

    Pixels of pictures that were not tiled before may change a little; offloading changes none.
    """
    if plan.vae_tile_px == 0 or plan.vae_tile_px > _SMALL_TILE_PX:
        return replace(plan, vae_tile_px=_SMALL_TILE_PX)
    if plan.offload is OffloadKind.NONE:
        return replace(plan, offload=OffloadKind.GROUP)
    return None
