"""Messages of fal's queue, with the fields that are used. Unknown fields are ignored."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _short_url(value: object) -> object:
    is_usable = isinstance(value, str) and value.isascii() and len(value) <= _LONGEST_URL
    return value if is_usable else None


_LONGEST_URL = 2000
_OwnUrl = Annotated[str | None, BeforeValidator(_short_url)]
"""None if it is not usable: the work is accepted, and the URL can be built instead."""


class _FalMessage(BaseModel):
    # Errors end up in workflow histories, which must not contain a provider's data.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Queued(_FalMessage):
    """An accepted submission."""

    request_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")
    status_url: _OwnUrl = None
    response_url: _OwnUrl = None
    cancel_url: _OwnUrl = None


class LogLine(_FalMessage):
    """One log line of the app."""

    message: str = ""


class QueueStatus(_FalMessage):
    """Status of a request. A failed request is COMPLETED with an error."""

    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    logs: list[LogLine] | None = None
    error: Any = None
    error_type: str | None = None

    @property
    def is_done(self) -> bool:
        """True once the request has ended, successfully or not."""
        return self.status == "COMPLETED"


class CancelResponse(_FalMessage):
    """Response to a cancellation."""

    status: str = Field(max_length=100)


class ErrorDetail(_FalMessage):
    """One validation error of a model."""

    loc: list[str | int] = []
    msg: str = ""
    type: str = ""


class FalFile(_FalMessage):
    """One generated file."""

    url: str


class Pictures(_FalMessage):
    """Response of the apps that generate and edit pictures."""

    images: list[FalFile] = Field(min_length=1)
    has_nsfw_concepts: list[bool] | None = None


class SinglePicture(_FalMessage):
    """Response of the apps that enlarge one picture."""

    image: FalFile
    has_nsfw_concepts: list[bool] | None = None


class Video(_FalMessage):
    """Response of the video apps."""

    video: FalFile
