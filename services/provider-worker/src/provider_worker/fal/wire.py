"""What fal's queue answers, as far as it is read. Everything else in an answer is let be."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _short_url(value: object) -> object:
    is_usable = isinstance(value, str) and value.isascii() and len(value) <= _LONGEST_URL
    return value if is_usable else None


_LONGEST_URL = 2000
_OwnUrl = Annotated[str | None, BeforeValidator(_short_url)]
"""None where it is nothing to be called: it can be built as well, and the work is taken."""


class _FalMessage(BaseModel):
    # What a provider sent does not belong into histories, where errors end.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Queued(_FalMessage):
    """A submission that was taken."""

    request_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")
    status_url: _OwnUrl = None
    response_url: _OwnUrl = None
    cancel_url: _OwnUrl = None


class LogLine(_FalMessage):
    """One line that the app has written."""

    message: str = ""


class QueueStatus(_FalMessage):
    """How a request stands. There is no word for failure: it is COMPLETED with an error."""

    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    logs: list[LogLine] | None = None
    error: Any = None
    error_type: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether fal has ended with it, well or not."""
        return self.status == "COMPLETED"


class CancelResponse(_FalMessage):
    """What fal says to a cancellation."""

    status: str = Field(max_length=100)


class ErrorDetail(_FalMessage):
    """One thing that a model found wrong."""

    loc: list[str | int] = []
    msg: str = ""
    type: str = ""


class Picture(_FalMessage):
    """One picture that a model made."""

    url: str


class Pictures(_FalMessage):
    """What the picture models answer."""

    images: list[Picture] = Field(min_length=1)
    has_nsfw_concepts: list[bool] | None = None
