"""LoRA rows in their public schemas."""

from datetime import datetime

from api_gateway.lora.schemas import LoraPublic
from api_gateway.recorded import from_record
from shared.db.models.loras import Lora


def partial_path(lora: Lora) -> str:
    """Return the path by which clients and tasks name a LoRA."""
    return f"{lora.folder}/{lora.filename}"


def full_path(root: str, lora: Lora) -> str:
    """Return the path of a LoRA below a root."""
    return f"{root.rstrip('/')}/{partial_path(lora)}"


def timestamp(moment: datetime) -> str:
    """Return a time in the reference's format: `2024-01-01T12:00:00Z`."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def present_lora(lora: Lora) -> LoraPublic:
    """Return a LoRA in its public schema."""
    names = ("filename", "folder", "sha256", "rank", "base_model", "target_modules", "created_at")
    fields = {name: getattr(lora, name) for name in names}
    return from_record(
        LoraPublic, fields | {"partial_path": partial_path(lora), "file_size": lora.size_bytes}
    )
