"""Messages and activity that convert an uploaded pickle to safetensors, in isolation."""

from abc import ABC, abstractmethod
from uuid import UUID

from temporalio import activity

from shared.contracts.folders import QUARANTINE_FOLDER
from shared.contracts.message import Message


class LoraConversion(Message):
    """An uploaded pickle that has not been opened yet."""

    conversion_id: UUID
    size_bytes: int
    """Size that the gateway received; an object of another size is refused."""
    max_bytes: int
    """Maximal size of the result."""

    @property
    def workflow_id(self) -> str:
        """The id of the workflow run that converts it."""
        return f"lora-{self.conversion_id}"

    @property
    def source_key(self) -> str:
        """Object key of the pickle."""
        return f"{QUARANTINE_FOLDER}/{self.conversion_id}"

    @property
    def result_key(self) -> str:
        """Object key that the safetensors file is written to."""
        return f"{QUARANTINE_FOLDER}/{self.conversion_id}.safetensors"


class ConvertedLora(Message):
    """The safetensors file made of the pickle. It is as untrusted as any upload."""

    key: str
    size_bytes: int


class LoraActivities(ABC):
    """Activities of the `inference-cpu` task queue. Idempotent: a retry writes the same object."""

    @activity.defn(name="convert_lora")
    @abstractmethod
    async def convert_lora(self, request: LoraConversion) -> ConvertedLora:
        """Read a pickle in a process with resource limits, and write its tensors as safetensors."""
