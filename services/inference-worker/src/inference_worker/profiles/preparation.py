"""Preparation of a model's parts by a plan, once they are loaded."""

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
    """Prepare a part for running, in place.

    Args:
        name: its subfolder: `transformer`, `vae` or a text encoder.
        module: on the device; on the CPU where the plan offloads.
        plan: the optimisations.
        device: the device that computes.
        add_lora_slots: see `prepare_transformer`.
    """
    # Modules that are changed in inference mode cannot be changed outside of it.
    with torch.inference_mode(mode=False), torch.no_grad():
        if name == "transformer":
            prepare_transformer(module, plan, add_lora_slots=add_lora_slots)
        if name == "vae":
            tile(module, plan.vae_tile_px)
        if plan.offload is OffloadKind.GROUP:
            offload_groups(module, device, is_leafwise=name == "vae")
    return module


def tile(vae: Any, side_px: int) -> None:
    """Process pictures over `side_px` in blended tiles; 0: always the whole picture."""
    if not side_px:
        vae.disable_tiling()
        return
    vae.enable_tiling()
    vae.tile_sample_min_size = side_px
    vae.tile_latent_min_size = side_px // 2 ** (len(vae.config.block_out_channels) - 1)


def offload_groups(module: Any, device: torch.device, *, is_leafwise: bool) -> None:
    """Keep weights on the CPU, and move them to the device group by group for computation.

    Args:
        module: its weights on the CPU.
        device: the device that computes.
        is_leafwise: groups are layers, for a VAE, which has two entry points; else groups are
            blocks, and a module without blocks at its top, like a text encoder, is one group.
    """
    apply_group_offloading(
        module,
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="leaf_level" if is_leafwise else "block_level",
        num_blocks_per_group=None if is_leafwise else 1,
        use_stream=device.type == "cuda",
    )
