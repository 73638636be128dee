"""How this worker runs its model. Which model that is, `shared.settings.ModelSettings` says."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.refinement import UpscalerKind
from shared.flux.kinds import DeviceKind, DtypeKind

_GIB = 1024**3


class EngineKind(StrEnum):
    """Which `ImageEngine` the worker loads."""

    FLUX = "flux"
    IDENTITY = "identity"


class ProfileKind(StrEnum):
    """What speed is worth."""

    QUALITY = "quality"
    BALANCED = "balanced"
    FAST = "fast"


class OffloadKind(StrEnum):
    """Where weights wait for their turn."""

    NONE = "none"
    GROUP = "group"


class EditorKind(StrEnum):
    """How the model edits tiles and faces."""

    STRENGTH = "strength"
    INSTRUCT = "instruct"


class InferenceSettings(BaseSettings):
    """The inference worker's own settings."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_INFERENCE_", frozen=True)

    engine: EngineKind = EngineKind.FLUX
    """`flux` runs the model; `identity` edits nothing and draws gradients, without torch."""
    device: DeviceKind = DeviceKind.AUTO
    """Where the model computes; auto: cuda, else mps, else cpu."""
    dtype: DtypeKind = DtypeKind.AUTO
    """Number format; auto: float32 on cpu, else bfloat16."""
    memory_bytes: int = Field(default=0, ge=0)
    """What models and LoRAs in memory may take; 0: 85 % of the card, or half of the machine."""
    profile: ProfileKind = ProfileKind.QUALITY
    """What speed is worth: `quality` runs the model as it is; `balanced` compiles it and keeps
    slots for LoRAs; `fast` also computes in float8 and with the fastest attention there is."""
    compile: bool | None = None
    """Compile the transformer's blocks at the first use of a size; none: as the profile says."""
    fuse_qkv: bool | None = None
    """Queries, keys and values from one product; none: as the profile says."""
    fp8: bool | None = None
    """The blocks' products in float8 (NVIDIA from Ada on, torchao); none: as the profile says."""
    attention: str = ""
    """`native`, `fastest` or one of diffusers' backends; empty: as the profile says."""
    cache_threshold: float = Field(default=0, ge=0, le=1)
    """How little the first block's output may change for a step to reuse the other blocks of the
    step before; 0: off. `python -m inference_worker.calibrate` measures what pictures bear."""
    vae_tile_px: int = Field(default=1024, ge=0, multiple_of=64)
    """The VAE works in tiles of this side on larger pictures; 0: always on the whole picture."""
    offload: OffloadKind = OffloadKind.NONE
    """`group`: weights wait in the machine's memory and come to the card block by block."""
    torch_threads: int = Field(default=0, ge=0)
    """CPU threads of torch; 0: torch chooses, one per core."""
    edit_px: int = Field(default=0, ge=0)
    """Longer side at which refinement edits a tile, in pixels; 0: the model's longest side."""
    edit_batch: int = Field(default=0, ge=0, le=16)
    """Tiles that the model edits in one run, where so many of one size wait; 0: four on a GPU, one
    on a CPU."""
    editor: EditorKind = EditorKind.STRENGTH
    """How refinement and the face fixer edit: `strength`, image to image; `instruct`, by the
    instruction model where there is one. Garments' details are edited by instruction wherever there
    is a model that looks at references."""
    upscaler: UpscalerKind = UpscalerKind.LANCZOS
    """How a REFINE makes a picture larger where its request does not say: `lanczos`, or
    `real_esrgan`, a network that draws finer detail, but takes minutes for a large picture."""
    metrics_dir: Path | None = None
    """Folder with the networks that judge edits: `alexnet*` and `vgg16*` as torchvision has them,
    .pth or .safetensors; `lpips_alex*` and `dists*`, their heads, where the packages `lpips` and
    `DISTS_pytorch` are not installed. What is not there, packaged networks do."""
    max_text_tokens: int = Field(default=0, ge=0)
    """Longest prompt of the T5 encoder, in tokens; 0: what the model's tokenizer states."""
    guidance_scale: float = Field(default=3.5, ge=0)
    """Distilled guidance where a request names none; for models with guidance embeddings."""
    true_cfg_scale: float = Field(default=2.0, gt=1)
    """Weight of a negative prompt: the step follows negative + scale × (positive − negative)."""
    identity_step_s: float = Field(default=0, ge=0)
    """Seconds that a step of the identity engine takes, to play a slow model in tests."""
    max_input_pixels: int = Field(default=89_478_485, ge=1)
    """Largest input picture, width × height; the default is Pillow's own limit."""
    max_output_pixels: int = Field(default=67_108_864, ge=1)
    """Largest refined picture, width × height; the default is 8192 × 8192."""
    cpu_threads: int = Field(default=2, ge=1)
    """Threads that resize, check and encode pictures while the engine computes."""
    lora_cache_dir: Path = Path.home() / ".cache" / "sartiq" / "loras"
    """Where LoRA files lie between requests; processes that share it keep folders of their own."""
    lora_disk_bytes: int = Field(default=20 * _GIB, ge=1)
    """LoRA files on disk at most; the least recently used go, never one in use."""
    lora_memory_bytes: int = Field(default=4 * _GIB, ge=1)
    """Loaded LoRAs beside a transformer at most, and again beside a text encoder; a request's own
    must fit."""
    lora_slots: int = Field(default=4, ge=1, le=16)
    """LoRAs at once on a compiled model; each costs memory and time whether it is used or not."""
    lora_target_rank: int = Field(default=32, ge=1, le=512)
    """Greatest rank of a LoRA on a compiled model, and the size of each slot."""

    @property
    def edit_traits(self) -> list[str]:
        """What of these settings changes an edited tile, beside the model's own."""
        return [self.editor.value, str(self.metrics_dir or "")]
