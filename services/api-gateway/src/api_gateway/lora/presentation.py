"""LoRA files as clients see them."""

from datetime import datetime

from api_gateway.lora.schemas import LoraPublic
from api_gateway.recorded import from_record
from shared.db.models.loras import Lora


def partial_path(lora: Lora) -> str:
    """What clients and tasks name a LoRA by."""
    return f"{lora.folder}/{lora.filename}"


def full_path(root: str, lora: Lora) -> str:
    """The same under a root."""
    return f"{root.rstrip('/')}/{partial_path(lora)}"


def timestamp(moment: datetime) -> str:
    """A moment as the reference writes it: `2024-01-01T12:00:00Z`."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def present_lora(lora: Lora) -> LoraPublic:
    """One entry of the list."""
    names = ("filename", "folder", "sha256", "rank", "base_model", "target_modules", "created_at")
    fields = {name: getattr(lora, name) for name in names}
    return from_record(
        LoraPublic, fields | {"partial_path": partial_path(lora), "file_size": lora.size_bytes}
    )
