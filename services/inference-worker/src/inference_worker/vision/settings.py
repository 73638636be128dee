"""Where the models that look at pictures lie, and how they run."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class VisionSettings(BaseSettings):
    """Settings of `inference_worker.vision`."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_VISION_", frozen=True)

    model_dir: Path | None = None
    """Folder of model files that win over the installed ones, such as rembg's `u2net.onnx`."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of each model; several models may run side by side."""
    nsfw_threshold: float = Field(default=0, ge=0, le=1)
    """Outputs that the NSFW classifier scores at or above this fail as CONTENT_POLICY; 0: off."""
