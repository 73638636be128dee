"""The base of every message that Temporal carries."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """Frozen; unknown fields are ignored, so that an old worker reads a newer message."""

    model_config = ConfigDict(frozen=True, extra="ignore")
