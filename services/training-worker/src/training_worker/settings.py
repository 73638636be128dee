"""Settings of the training worker's hardware and disk."""

import tempfile
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.flux.kinds import DeviceKind, DtypeKind

_GIB = 1024**3


class TrainerSettings(BaseSettings):
    """The training worker's own settings."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_TRAINER_", frozen=True)

    device: DeviceKind = DeviceKind.AUTO
    """The device that computes; auto: cuda, else mps, else cpu."""
    dtype: DtypeKind = DtypeKind.AUTO
    """Number format of the frozen base model; auto: float32 on cpu, else bfloat16."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory of models; 0: 85 % of the card, or half of the machine's."""
    cache_dir: Path = Path(tempfile.gettempdir()) / "sartiq-training-cache"
    """Folder of encoded pictures and captions, which later trainings on them use again."""
    cache_disk_bytes: int = Field(default=20 * _GIB, ge=0)
    """Size of that folder; the least recently used files are deleted."""
    cache_memory_bytes: int = Field(default=_GIB // 2, ge=0)
    """Memory of encoded pictures and captions of the running training, on the device."""
