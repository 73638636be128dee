"""Settings of this worker's engine; `shared.settings.ModelSettings` names its model."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.refinement import UpscalerKind
from shared.flux.guidance import DEFAULT_GUIDANCE_SCALE
from shared.flux.kinds import DeviceKind, DtypeKind

_GIB = 1024**3


class EngineKind(StrEnum):
    """The `ImageEngine` that the worker loads."""

    FLUX = "flux"
    IDENTITY = "identity"


class ProfileKind(StrEnum):
    """The profile of speed and fidelity."""

    QUALITY = "quality"
    BALANCED = "balanced"
    FAST = "fast"


class OffloadKind(StrEnum):
    """The place of weights that are not in use."""

    NONE = "none"
    GROUP = "group"


class EditorKind(StrEnum):
    """The way in which the model edits tiles and faces."""

    STRENGTH = "strength"
    INSTRUCT = "instruct"


class InferenceSettings(BaseSettings):
    """The inference worker's own settings."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_INFERENCE_", frozen=True)

    engine: EngineKind = EngineKind.FLUX
    """`flux` runs the model; `identity` edits nothing and generates gradients, without torch."""
    device: DeviceKind = DeviceKind.AUTO
    """The device that computes; auto: cuda, else mps, else cpu."""
    dtype: DtypeKind = DtypeKind.AUTO
    """Number format; auto: float32 on cpu, else bfloat16."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory of models and LoRAs; 0: 85 % of the card, or half of the machine's."""
    profile: ProfileKind = ProfileKind.QUALITY
    """`quality` runs the model unchanged; `balanced` compiles it, with slots for LoRAs; `fast` also
    computes in float8, with the fastest attention of the hardware."""
    compile: bool | None = None
    """Compile the transformer's blocks at the first use of a size; None: as in the profile."""
    fuse_qkv: bool | None = None
    """Compute queries, keys and values in one product; None: as in the profile."""
    fp8: bool | None = None
    """Compute the blocks in float8 (NVIDIA from Ada on, torchao); None: as in the profile."""
    attention: str = ""
    """`native`, `fastest` or one of diffusers' backends; empty: as in the profile."""
    cache_threshold: float = Field(default=0, ge=0, le=1)
    """Greatest relative change of the first block's output at which a step reuses the other blocks
    of the step before; 0: off. `python -m inference_worker.calibrate` measures it."""
    vae_tile_px: int = Field(default=1024, ge=0, multiple_of=64)
    """The VAE processes larger pictures in tiles of this side; 0: always the whole picture."""
    offload: OffloadKind = OffloadKind.NONE
    """`group`: weights stay in the machine's memory and move to the card block by block."""
    torch_threads: int = Field(default=0, ge=0)
    """CPU threads of torch; 0: torch chooses, one per core."""
    edit_px: int = Field(default=0, ge=0)
    """Longer side at which refinement edits a tile, in pixels; 0: the model's longest side."""
    edit_batch: int = Field(default=0, ge=0, le=16)
    """Tiles of one size that the model edits in one run; 0: four on a GPU, one on a CPU."""
    editor: EditorKind = EditorKind.STRENGTH
    """Editing of tiles and faces: `strength`, image to image; `instruct`, by the instruction model
    where there is one. Garments' details are edited by instruction wherever there is a model that
    takes references."""
    upscaler: UpscalerKind = UpscalerKind.LANCZOS
    """Default upscaler of REFINE: `lanczos`, or `real_esrgan`, a network that adds finer detail,
    but takes minutes for a large picture."""
    metrics_dir: Path | None = None
    """Folder with networks of LPIPS and DISTS: `alexnet*` and `vgg16*` as torchvision has them,
    .pth or .safetensors; `lpips_alex*` and `dists*`, their heads, where the packages `lpips` and
    `DISTS_pytorch` are not installed. Packaged networks replace missing ones."""
    max_text_tokens: int = Field(default=0, ge=0)
    """Longest prompt of the T5 encoder, in tokens; 0: the limit of the model's tokenizer."""
    guidance_scale: float = Field(default=DEFAULT_GUIDANCE_SCALE, ge=0)
    """Default distilled guidance, for models with guidance embeddings."""
    true_cfg_scale: float = Field(default=2.0, gt=1)
    """Weight of a negative prompt: the step follows negative + scale × (positive − negative)."""
    identity_step_s: float = Field(default=0, ge=0)
    """Seconds of a step of the identity engine, to imitate a slow model in tests."""
    max_input_pixels: int = Field(default=89_478_485, ge=1)
    """Largest input picture, width × height; the default is Pillow's own limit."""
    max_output_pixels: int = Field(default=67_108_864, ge=1)
    """Largest refined picture, width × height; the default is 8192 × 8192."""
    cpu_threads: int = Field(default=2, ge=1)
    """Threads that resize, check and encode pictures while the engine computes."""
    preprocessing_slots: int = Field(default=1, ge=1)
    """Trainings whose pictures are preprocessed at once, on the same threads."""
    lora_cache_dir: Path = Path.home() / ".cache" / "sartiq" / "loras"
    """Folder of LoRA files; processes that share it use folders of their own within it."""
    lora_disk_bytes: int = Field(default=20 * _GIB, ge=1)
    """Limit of LoRA files on disk; the least recently used are deleted, never one in use."""
    lora_memory_bytes: int = Field(default=4 * _GIB, ge=1)
    """Limit of loaded LoRAs for a transformer, and again for a text encoder; the LoRAs of a request
    must fit."""
    lora_slots: int = Field(default=4, ge=1, le=16)
    """LoRAs at once on a compiled model; each slot costs memory and time, used or not."""
    lora_target_rank: int = Field(default=32, ge=1, le=512)
    """Greatest rank of a LoRA on a compiled model, and the size of each slot."""

    @property
    def edit_traits(self) -> list[str]:
        """The settings beside the model's own that change an edited tile."""
        return [self.editor.value, str(self.metrics_dir or "")]
