"""Settings of this worker: its hardware and its folders.

What decides the weights of a training is fixed when it is created (`shared.settings`,
`TrainingSettings`), so that each attempt computes the same on any worker.
"""

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
    """Number format of the frozen base model; auto: float32 on cpu, else bfloat16. The adapter is
    always float32."""
    memory_bytes: int = Field(default=0, ge=0)
    """Memory of the model's parts; 0: 85 % of the card, or half of the machine's."""
    torch_threads: int = Field(default=0, ge=0)
    """CPU threads of torch; 0: torch chooses, one per core. On a CPU that other processes use too,
    1 is fastest."""
    cache_dir: Path = Path.home() / ".cache" / "sartiq" / "trainings"
    """Folder of encoded pictures and captions, which later trainings on them use again."""
    cache_disk_bytes: int = Field(default=20 * _GIB, ge=0)
    """Size of that folder; the least recently used files are deleted."""
    cache_memory_bytes: int = Field(default=_GIB // 2, ge=0)
    """Memory of encoded pictures and captions of the running training, on the device."""
