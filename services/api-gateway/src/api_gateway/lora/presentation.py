"""LoRA files as clients see them."""

from datetime import datetime

from api_gateway.lora.schemas import LoraPublic
from shared.db.models.loras import Lora
from shared.lora.names import LoraFolder


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
    return LoraPublic(
        partial_path=partial_path(lora),
        filename=lora.filename,
        folder=LoraFolder(lora.folder),
        file_size=lora.size_bytes,
        sha256=lora.sha256,
        rank=lora.rank,
        base_model=lora.base_model,
        target_modules=lora.target_modules,
        created_at=lora.created_at,
    )
