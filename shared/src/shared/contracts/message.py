"""Base class of the messages that Temporal carries."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A frozen message. Unknown fields are ignored: an old worker can read a newer message."""

    model_config = ConfigDict(frozen=True, extra="ignore")
