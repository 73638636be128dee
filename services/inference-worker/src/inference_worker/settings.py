"""Settings of this worker's engine; `shared.settings.ModelSettings` names its model."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.editors import EditorKind
from shared.contracts.gemini_images import DEFAULT_IMAGE_MODEL, image_size_fault, image_sizes
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
    """Default editor of tiles, faces and details: `strength`, image to image; `instruct`, by the
    instruction model where there is one; `vertex`, by Gemini's image model, for pay. Without
    `vertex`, details are edited by instruction wherever there is a model that takes references. The
    gateway reads it too: it sends tasks with the editor `vertex` to the queue `inference-cpu`."""
    remote_model: str = Field(default=DEFAULT_IMAGE_MODEL, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Gemini's image model, for the editor `vertex`."""
    remote_size: str = ""
    """Largest size at which it edits: 1K, 2K or 4K; empty: the largest of the model."""
    remote_slots: int = Field(default=16, ge=2)
    """Tasks with the editor `vertex` at once, beside those of the queue `inference-cpu` that
    compute: they mostly wait. One tenant has at most half of them."""
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

    @model_validator(mode="after")
    def _check_remote_size(self) -> Self:
        if self.remote_size and (fault := image_size_fault(self.remote_model, self.remote_size)):
            raise ValueError(f"SARTIQ_INFERENCE_REMOTE_SIZE: {fault} for {self.remote_model}")
        return self

    @property
    def largest_remote_size(self) -> str:
        """The largest size at which the editor `vertex` edits."""
        return self.remote_size or image_sizes(self.remote_model)[-1]

    def edit_traits(self, editor: EditorKind) -> list[str]:
        """Return the settings beside the model's own that change an edited tile."""
        remote = [self.remote_model, self.largest_remote_size]
        is_remote = editor is EditorKind.VERTEX
        return [editor.value, str(self.metrics_dir or ""), *(remote if is_remote else [])]
