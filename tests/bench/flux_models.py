"""FLUX.1-dev's architecture with random weights, prepared by the worker's own profiles."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import checkout  # noqa: F401 -- makes our packages importable
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from torch import Tensor

from inference_worker.profiles.hardware import detect_hardware, fastest_attention
from inference_worker.profiles.plan import FASTEST, PROFILES, ExecutionPlan
from inference_worker.profiles.preparation import prepare_part
from inference_worker.settings import ProfileKind


@dataclass(frozen=True)
class Scale:
    """The sizes of a benchmark: the real ones, or ones that any machine can compute."""

    side_px: int
    num_steps: int
    num_text_tokens: int
    num_repeats: int
    transformer: dict[str, Any]
    vae: dict[str, Any]


_FULL_TRANSFORMER = {
    "patch_size": 1,
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
    "axes_dims_rope": (16, 56, 56),
}
_TINY_TRANSFORMER = _FULL_TRANSFORMER | {
    "num_layers": 2,
    "num_single_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 4,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": (4, 6, 6),
}
_FULL_VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 16,
    "norm_num_groups": 32,
    "sample_size": 1024,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
_TINY_VAE = _FULL_VAE | {
    "block_out_channels": (8, 8, 16, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 64,
}
FULL = Scale(1024, 28, 512, 5, _FULL_TRANSFORMER, _FULL_VAE)
TINY = Scale(64, 4, 24, 2, _TINY_TRANSFORMER, _TINY_VAE)


def random_model(
    model_class: Any, config: dict[str, Any], device: torch.device, dtype: torch.dtype
) -> Any:
    """Build a model with random weights on its device, from a configuration alone."""
    torch.manual_seed(0)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return model_class(**config).eval()
    finally:
        torch.set_default_dtype(previous)


class Bench:
    """Models of one architecture on one device, built anew for each figure.

    Args:
        scale: the sizes.
        device: the device that computes.
        backend: the backend of torch.compile.
    """

    def __init__(self, scale: Scale, device: torch.device, backend: str) -> None:
        self.scale = scale
        self.device = device
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self._hardware = detect_hardware(device)
        self._backend = backend
        self._vae: Any = random_model(AutoencoderKL, scale.vae, device, self.dtype)

    def plan(self, kind: ProfileKind) -> ExecutionPlan:
        """Return the profile's plan as the worker resolves it, without fp8 on a CPU."""
        plan = replace(PROFILES[kind], compile_backend=self._backend)
        if plan.attention == FASTEST:
            plan = replace(plan, attention=fastest_attention(self._hardware, self.dtype))
        return plan if self.device.type == "cuda" else replace(plan, uses_fp8=False)

    def pipeline(
        self, plan: ExecutionPlan | None, add_lora_slots: Callable[[Any], object] = lambda _: None
    ) -> Any:
        """Build a FluxPipeline whose transformer is prepared by a plan, or unprepared for None."""
        torch.compiler.reset()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        transformer: Any = random_model(
            FluxTransformer2DModel, self.scale.transformer, self.device, self.dtype
        )
        vae = self._vae
        if plan is not None:
            prepare_part(
                "transformer", transformer, plan, self.device, add_lora_slots=add_lora_slots
            )
            prepare_part("vae", vae, plan, self.device)
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
        parts = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
        pipeline: Any = FluxPipeline(scheduler=scheduler, vae=vae, transformer=transformer, **parts)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def run(self, pipeline: Any, *, batch: int = 1, seed: int = 0) -> list[Any]:
        """Return the pictures of one call."""
        generator = torch.Generator("cpu").manual_seed(seed)
        config = self.scale.transformer
        prompt_embeds = self._noise(
            generator, batch, self.scale.num_text_tokens, "joint_attention_dim"
        )
        pooled_prompt_embeds = self._noise(generator, batch, None, "pooled_projection_dim")
        assert config["guidance_embeds"]
        with torch.inference_mode():
            return pipeline(
                prompt_embeds=prompt_embeds,
                pooled_prompt_embeds=pooled_prompt_embeds,
                width=self.scale.side_px,
                height=self.scale.side_px,
                num_inference_steps=self.scale.num_steps,
                guidance_scale=3.5,
                generator=generator,
            ).images

    def seconds(self, pipeline: Any, *, batch: int = 1) -> float:
        """Return the median seconds of a call, after two warm-up calls."""
        samples: list[float] = []
        for number in range(2 + self.scale.num_repeats):
            begun_s = time.perf_counter()
            self.run(pipeline, batch=batch)  # ends with pixels on the host: no work is pending
            if number >= 2:
                samples.append(time.perf_counter() - begun_s)
        return statistics.median(samples)

    def _noise(
        self, generator: torch.Generator, batch: int, tokens: int | None, width: str
    ) -> Tensor:
        middle = () if tokens is None else (tokens,)
        shape = (batch, *middle, self.scale.transformer[width])
        return torch.randn(shape, generator=generator).to(self.device, self.dtype)
