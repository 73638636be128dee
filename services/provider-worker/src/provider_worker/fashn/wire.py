"""Messages of FASHN's API, with the fields that are used. Unknown fields are ignored."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _FashnMessage(BaseModel):
    # Errors end up in workflow histories, which must not contain a provider's data.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Run(_FashnMessage):
    """An accepted submission."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")


class RunError(_FashnMessage):
    """The reason of failed work."""

    name: str = ""
    message: str = ""


class Prediction(_FashnMessage):
    """The status of submitted work, and its results once it is completed."""

    status: Literal[
        "starting", "in_queue", "processing", "completed", "failed", "canceled", "time_out"
    ]
    output: list[str] | None = None
    error: RunError | None = None

    @property
    def is_done(self) -> bool:
        """True once the work has ended, successfully or not."""
        return self.status not in ("starting", "in_queue", "processing")
