"""The configuration of the swatch recipe."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

IMAGE_SIZE_PX = 64
"""Side of the square pictures: 28 pixels of Fashion-MNIST, plus margins of 2, times 2."""


class StageConfig(BaseModel):
    """The configuration of one run of the training loop."""

    model_config = ConfigDict(frozen=True)

    num_steps: int
    """Optimiser steps."""
    batch_size: int
    """Pictures per step."""
    learning_rate: float
    """Peak learning rate; it rises over the warm-up and falls along a cosine."""
    matrix_learning_rate: float | None = None
    """Peak learning rate of Muon for the matrices of transformer blocks; None: use AdamW."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """Weight decay of either optimiser."""
    max_grad_norm: float = 1.0
    """Norm to which gradients are clipped."""
    ema_decay: float = 0.998
    """Decay of the averaged weights (EMA), which are exported."""
    checkpoint_every_steps: int = 200
    """Steps between resumable checkpoints."""
    log_every_steps: int = 50
    """Steps between progress messages."""


class AutoencoderConfig(BaseModel):
    """Shape and loss of the AutoencoderKL."""

    model_config = ConfigDict(frozen=True)

    block_channels: tuple[int, ...] = (16, 32, 48, 64)
    """Channels of each resolution; three downsamplings give FLUX's factor 8."""
    latent_channels: int = 16
    """Latent channels, as in FLUX."""
    norm_groups: int = 2
    """Groups of group normalisation; many small ones would erase the colour of flat pictures."""
    edge_weight: float = 0.5
    """Weight of the difference between neighbouring pixels, which keeps edges sharp."""
    kl_weight: float = 5e-4
    """Weight of the KL divergence per latent value; small, to favour reconstruction."""
    crop_share: float = 0.4
    """Share of a batch that shows zoomed crops, for tiled refinement."""
    free_colour_share: float = 0.1
    """Share of a batch in any colour on any background, for pictures of users."""
    stage: StageConfig = StageConfig(num_steps=4500, batch_size=8, learning_rate=8e-4)
    """The training run."""


class TransformerConfig(BaseModel):
    """Shape of the FluxTransformer2DModel and its two text encoders, and their training."""

    model_config = ConfigDict(frozen=True)

    num_double_blocks: int = 1
    """Blocks with separate weights for text and picture."""
    num_single_blocks: int = 3
    """Blocks with shared weights."""
    num_heads: int = 5
    """Attention heads."""
    rope_axes: tuple[int, int, int] = (8, 12, 12)
    """Rotary dimensions per axis; their sum is the size of a head."""
    clip_width: int = 64
    """Width of the CLIP text encoder, whose pooled output conditions the modulation."""
    t5_width: int = 96
    """Width of the T5 encoder, whose tokens enter the attention."""
    text_layers: int = 2
    """Layers of each text encoder."""
    max_text_tokens: int = 64
    """Maximum tokens of a text; also `max_sequence_length` at inference."""
    short_text_tokens: int = 24
    """Padded length in most batches: every caption fits, and a step takes half the time."""
    short_text_share: float = 0.9
    """Share of steps with the short padding; the rest use the long one."""
    crop_share: float = 0.15
    """Share of zoomed crops among the latents."""
    timestep_shift: float = 1.5
    """Shift of the noise levels towards the noisy end, in training and in the scheduler."""
    stage: StageConfig = StageConfig(
        num_steps=2600, batch_size=64, learning_rate=1.5e-3, matrix_learning_rate=4e-3
    )
    """The training run."""


class GuidanceConfig(BaseModel):
    """Distillation of classifier-free guidance, as for FLUX.1 [dev]."""

    model_config = ConfigDict(frozen=True)

    scale: float = 4.0
    """Guidance scale; 1 is no guidance."""
    stage: StageConfig = StageConfig(
        num_steps=400,
        batch_size=64,
        learning_rate=5e-4,
        matrix_learning_rate=1e-3,
        ema_decay=0.99,
    )
    """The training run."""


class KontextConfig(BaseModel):
    """Instruction editing: the transformer is fine-tuned with pictures in its context."""

    model_config = ConfigDict(frozen=True)

    num_garments: int = 6000
    """Training garments; each is encoded in two colours."""
    shades_per_colour: int = 8
    """Shades of a colour word. A reference shows exactly the shade of the target."""
    reference_share: float = 0.5
    """Share of steps with a reference picture beside the base."""
    borrow_share: float = 0.6
    """Share of the edits with a reference that take its colour; in the others the text decides."""
    keep_share: float = 0.1
    """Share of edits that keep the base unchanged."""
    short_text_tokens: int = 40
    """Padded length in most batches: every instruction fits."""
    short_text_share: float = 0.8
    """Share of steps with the short padding; the rest use the long one."""
    stage: StageConfig = StageConfig(
        num_steps=600,
        batch_size=32,
        learning_rate=1e-3,
        matrix_learning_rate=3e-3,
        warmup_steps=40,
        ema_decay=0.98,
    )
    """The training run."""


class SwatchConfig(BaseModel):
    """The whole recipe; the defaults produce the committed model."""

    model_config = ConfigDict(frozen=True)

    dataset_dir: Path = Path("/usr/share/datasets/fashion-mnist")
    """Folder of the files of the Debian package `dataset-fashion-mnist`."""
    work_dir: Path = Path(".sartiq/swatch")
    """Folder of resumable checkpoints, ignored by git."""
    model_dir: Path = Path("shared/src/shared/flux/models/swatch")
    """The exported diffusers folder."""
    contact_sheet_path: Path = Path("docs/images/swatch.png")
    """The picture of colours and garments for the documentation."""
    kontext_model_dir: Path = Path("shared/src/shared/flux/models/swatch-kontext")
    """The diffusers folder of the fourth stage."""
    kontext_sheet_path: Path = Path("docs/images/swatch-kontext.png")
    """The picture of bases, references and edits for the documentation."""
    seed: int = 20260
    """Seed of every random choice."""
    num_threads: int = 1
    """Threads of torch."""
    num_inference_steps: int = 8
    """Recommended denoise steps, used in the evaluation."""
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    """First stage."""
    transformer: TransformerConfig = TransformerConfig()
    """Second stage."""
    guidance: GuidanceConfig = GuidanceConfig()
    """Third stage."""
    kontext: KontextConfig = KontextConfig()
    """Fourth stage."""
