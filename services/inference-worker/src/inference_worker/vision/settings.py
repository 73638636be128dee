"""Settings of the vision models."""

import os
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_MOST_THREADS = 8
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""CPU quota of a container: microseconds of processor time (or `max`) and of the period."""


def usable_cores(quota: Path = _QUOTA) -> int:
    """Return the number of cores this process may use, by its affinity and container quota."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
    except OSError:
        allowed, period = "max", "0"
    if allowed != "max":
        cores = min(cores, int(allowed) // int(period))
    return min(max(cores, 1), _MOST_THREADS)


class VisionSettings(BaseSettings):
    """Settings of `inference_worker.vision`."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_VISION_", frozen=True)

    model_dir: Path | None = None
    """Folder of model files that override the installed ones, such as rembg's `u2net.onnx`."""
    threads: int = Field(default_factory=usable_cores, ge=1)
    """CPU threads of each model, which runs one picture at a time. By default every core that the
    process may use, at most eight, and two for Real-ESRGAN."""
    nsfw_threshold: float = Field(default=0, ge=0, le=1)
    """NSFW score from which an output fails as CONTENT_POLICY; 0: off."""
