"""Turning a LoRA that came as a pickle into safetensors, away from everything else."""

from abc import ABC, abstractmethod
from uuid import UUID

from temporalio import activity

from shared.contracts.folders import QUARANTINE_FOLDER
from shared.contracts.message import Message


class LoraConversion(Message):
    """An uploaded pickle, still unopened."""

    conversion_id: UUID
    size_bytes: int
    """What the gateway received; an object of another size is refused."""
    max_bytes: int
    """Largest result."""

    @property
    def workflow_id(self) -> str:
        """The id of the run that converts it."""
        return f"lora-{self.conversion_id}"

    @property
    def source_key(self) -> str:
        """The object with the pickle."""
        return f"{QUARANTINE_FOLDER}/{self.conversion_id}"

    @property
    def result_key(self) -> str:
        """The object that the safetensors file is written to."""
        return f"{QUARANTINE_FOLDER}/{self.conversion_id}.safetensors"


class ConvertedLora(Message):
    """The safetensors file that the pickle became; as untrusted as any upload."""

    key: str
    size_bytes: int


class LoraActivities(ABC):
    """Activities on the `inference-cpu` task queue. Idempotent: a repeat writes the same object."""

    @activity.defn(name="convert_lora")
    @abstractmethod
    async def convert_lora(self, request: LoraConversion) -> ConvertedLora:
        """Read a pickle in a process with limits, and write its tensors as safetensors."""
