"""The baseline: diffusers' `examples/dreambooth/train_dreambooth_lora_flux.py` as a plain loop.

One process, `--cache_latents`, `--weighting_scheme logit_normal`, a constant learning rate, custom
captions. Left out is what makes the script slower, not what it computes: accelerate, the data
loader, the progress bar and the trackers; and captions are encoded once. Without caches it encodes
pictures and captions in every step, as the script does. The calls are the script's own: the order
of a step, the look-up of noise levels, the loss.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxPipeline
from diffusers.optimization import get_scheduler
from diffusers.training_utils import (
    compute_density_for_timestep_sampling,
    compute_loss_weighting_for_sd3,
)
from peft import LoraConfig
from torch import Tensor

Batch = tuple[Tensor, list[str]]
"""Pixels, [B, 3, H, W] in -1…1, and their captions."""
Prompt = tuple[Tensor, Tensor, Tensor]
"""T5's hidden states, CLIP's pooled output, and the positions of text."""

GUIDANCE_SCALE = 1.0
_NO_MEAN, _NO_SHIFT, _MODE_SCALE = 0.0, 1.0, 1.29


class PlainTraining:
    """The script's state after its preparations, and its loop's body.

    Args:
        folder: the base model.
        targets: names of the trained layers.
        rank: of each pair; alpha is the same.
        learning_rate: constant.
        num_steps: of the learning rate's schedule.
    """

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        *,
        rank: int,
        learning_rate: float,
        num_steps: int,
    ) -> None:
        pipeline: Any = FluxPipeline.from_pretrained(folder, dtype=torch.float32)
        self.pipeline = pipeline
        self.transformer = pipeline.transformer
        self.scheduler = pipeline.scheduler
        for part in (pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
            part.requires_grad_(requires_grad=False)
        self.transformer.requires_grad_(requires_grad=False)
        self.transformer.add_adapter(
            LoraConfig(
                r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(targets)
            )
        )
        self.parameters = [each for each in self.transformer.parameters() if each.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [{"params": self.parameters, "lr": learning_rate}],
            betas=(0.9, 0.999),
            weight_decay=1e-4,
            eps=1e-8,
        )
        self.lr_scheduler = get_scheduler(
            "constant",
            optimizer=self.optimizer,
            num_warmup_steps=0,
            num_training_steps=num_steps,
            num_cycles=1,
            power=1.0,
        )
        self._num_steps = 0
        self.batches: Sequence[Batch] = ()
        self.latents_cache: list[Any] = []
        self.prompts_cache: list[Prompt] = []
        self.logs: dict[str, float] = {}

    def prepare(self, batches: Sequence[Batch], *, caches: bool = True) -> None:
        """Take batches, and encode them once unless every step is to encode its own."""
        self.batches = batches
        if caches:
            self.latents_cache = [self._posterior(pixels) for pixels, _ in batches]
            self.prompts_cache = [self.encode_prompt(captions) for _, captions in batches]

    @torch.no_grad()
    def encode_prompt(self, captions: list[str]) -> Prompt:
        """Encode captions by the script's own function, which has no checks of their length."""
        pipeline = self.pipeline
        clip_ids, t5_ids = (
            tokenizer(
                captions,
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_length=False,
                return_overflowing_tokens=False,
                return_tensors="pt",
            ).input_ids
            for tokenizer in (pipeline.tokenizer, pipeline.tokenizer_2)
        )
        pooled = pipeline.text_encoder(clip_ids, output_hidden_states=False).pooler_output
        embeds = pipeline.text_encoder_2(t5_ids)[0]
        return embeds, pooled, torch.zeros(embeds.shape[1], 3)

    def train(self, num_steps: int) -> None:
        """Train some steps; each call goes on in the order of the batches."""
        self.transformer.train()
        for _ in range(num_steps):
            self._step(self._num_steps % len(self.batches))
            self._num_steps += 1

    def _posterior(self, pixels: Tensor) -> Any:
        with torch.no_grad():
            return self.pipeline.vae.encode(pixels).latent_dist

    def _step(self, index: int) -> None:
        vae = self.pipeline.vae
        pixels, captions = self.batches[index]
        prompt = self.prompts_cache[index] if self.prompts_cache else self.encode_prompt(captions)
        latents = self.latents_cache[index] if self.latents_cache else self._posterior(pixels)
        model_input = latents.sample()
        model_input = (model_input - vae.config.shift_factor) * vae.config.scaling_factor
        model_input = model_input.to(dtype=torch.float32)
        noise = torch.randn_like(model_input)
        u = compute_density_for_timestep_sampling(
            weighting_scheme="logit_normal",
            batch_size=model_input.shape[0],
            logit_mean=_NO_MEAN,
            logit_std=_NO_SHIFT,
            mode_scale=_MODE_SCALE,
        )
        indices = (u * self.scheduler.config.num_train_timesteps).long()
        timesteps = self.scheduler.timesteps[indices].to(device=model_input.device)
        loss = self.loss(model_input, prompt, noise=noise, timesteps=timesteps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.transformer.parameters(), 1.0)
        self.optimizer.step()
        self.lr_scheduler.step()
        self.optimizer.zero_grad()
        self.logs = {"loss": loss.detach().item(), "lr": self.lr_scheduler.get_last_lr()[0]}

    def loss(
        self,
        model_input: Tensor,
        prompt: Prompt,
        *,
        noise: Tensor,
        timesteps: Tensor,
    ) -> Tensor:
        """Return the loss of scaled latents, [B, C, h, w], at timesteps of the schedule, [B]."""
        batch, channels, rows, columns = model_input.shape
        vae_scale_factor = 2 ** len(self.pipeline.vae.config.block_out_channels)
        prompt_embeds, pooled_prompt_embeds, text_ids = prompt
        image_ids = FluxPipeline._prepare_latent_image_ids(
            batch, rows // 2, columns // 2, model_input.device, torch.float32
        )
        sigmas = self._sigmas(timesteps, n_dim=model_input.ndim)
        noisy_model_input = (1.0 - sigmas) * model_input + sigmas * noise
        packed = FluxPipeline._pack_latents(noisy_model_input, batch, channels, rows, columns)
        guidance = None
        if self.transformer.config.guidance_embeds:
            guidance = torch.tensor([GUIDANCE_SCALE], device=model_input.device).expand(batch)
        model_pred = self.transformer(
            hidden_states=packed,
            timestep=timesteps / 1000,
            guidance=guidance,
            pooled_projections=pooled_prompt_embeds,
            encoder_hidden_states=prompt_embeds,
            txt_ids=text_ids,
            img_ids=image_ids,
            return_dict=False,
        )[0]
        model_pred = FluxPipeline._unpack_latents(
            model_pred,
            height=int(rows * vae_scale_factor / 2),
            width=int(columns * vae_scale_factor / 2),
            vae_scale_factor=vae_scale_factor // 2,
        )
        weighting = compute_loss_weighting_for_sd3(weighting_scheme="logit_normal", sigmas=sigmas)
        target = noise - model_input
        loss = torch.mean(
            (weighting.float() * (model_pred.float() - target.float()) ** 2).reshape(batch, -1), 1
        )
        return loss.mean()

    def _sigmas(self, timesteps: Tensor, *, n_dim: int) -> Tensor:
        found = [(self.scheduler.timesteps == each).nonzero().item() for each in timesteps]
        sigma = self.scheduler.sigmas[found].flatten()
        while len(sigma.shape) < n_dim:
            sigma = sigma.unsqueeze(-1)
        return sigma
