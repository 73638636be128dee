"""What a plan does to each part of a model once it is loaded."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers.hooks.group_offloading import apply_group_offloading
from torch import nn

from inference_worker.profiles.plan import ExecutionPlan
from inference_worker.profiles.transformer import prepare_transformer
from inference_worker.settings import OffloadKind


def prepare_part(
    name: str,
    module: nn.Module,
    plan: ExecutionPlan,
    device: torch.device,
    *,
    add_lora_slots: Callable[[Any], object] = lambda _: None,
) -> nn.Module:
    """Make a part ready to run, in place.

    Args:
        name: its subfolder: `transformer`, `vae` or a text encoder.
        module: on the device; on the CPU where the plan offloads.
        plan: what to do.
        device: where it computes.
        add_lora_slots: see `prepare_transformer`.
    """
    # Modules that are changed within inference mode could not be changed outside of it any more.
    with torch.inference_mode(mode=False), torch.no_grad():
        if name == "transformer":
            prepare_transformer(module, plan, add_lora_slots=add_lora_slots)
        if name == "vae":
            tile(module, plan.vae_tile_px)
        if plan.offload is OffloadKind.GROUP:
            offload_groups(module, device, is_leafwise=name == "vae")
    return module


def tile(vae: Any, side_px: int) -> None:
    """Work on larger pictures tile by tile, blended where tiles overlap; 0: on all at once."""
    if not side_px:
        vae.disable_tiling()
        return
    vae.enable_tiling()
    vae.tile_sample_min_size = side_px
    vae.tile_latent_min_size = side_px // 2 ** (len(vae.config.block_out_channels) - 1)


def offload_groups(module: Any, device: torch.device, *, is_leafwise: bool) -> None:
    """Weights wait on the CPU, and come to the device group by group while others compute.

    Args:
        module: its weights on the CPU.
        device: where it computes.
        is_leafwise: groups are layers, for a VAE, which has two ways in; else they are blocks, and
            what has no blocks at its top, like a text encoder, comes as a whole.
    """
    apply_group_offloading(
        module,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level" if is_leafwise else "block_level",
        num_blocks_per_group=None if is_leafwise else 1,
        use_stream=device.type == "cuda",
    )
