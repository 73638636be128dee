"""Messages of Magnific's API, with the fields that are used. Unknown fields are ignored."""

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class _MagnificMessage(BaseModel):
    # Errors end up in workflow histories, which must not contain a provider's data.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Created(_MagnificMessage):
    """An accepted submission."""

    task_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")


class Parameter(_MagnificMessage):
    """A field that was refused."""

    name: str = ""
    reason: str = ""


class Refusal(_MagnificMessage):
    """The reasons of a refusal."""

    message: str = ""
    invalid_params: list[Parameter] = Field(default_factory=list[Parameter])


class Upscaling(_MagnificMessage):
    """The status of submitted work, and its results once it is completed."""

    status: Literal["CREATED", "IN_PROGRESS", "COMPLETED", "FAILED"] = Field(
        validation_alias=AliasChoices("status", "task_status")
    )
    generated: list[str] | None = None

    @property
    def is_done(self) -> bool:
        """True once the work has ended, successfully or not."""
        return self.status in ("COMPLETED", "FAILED")
