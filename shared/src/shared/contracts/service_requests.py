"""Calls to outside services, and the units that they bill, as a task's record shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from shared.contracts.enums import ProviderType
from shared.contracts.message import Message
from shared.contracts.untrusted import Label


class ServiceRequest(Message):
    """A call to an outside service, as recorded: without keys and pictures."""

    provider: ProviderType
    method: str
    url: Label
    """Without credentials and query."""
    status: int | None = None
    """HTTP status. None: there was no response."""
    duration_ms: int = Field(ge=0)
    provider_request_id: Label | None = None
    attempt: int
    at: datetime


class BilledUnits(Message):
    """An amount that a provider reported as billed: a fact, not a price."""

    provider: ProviderType = Field(description="The provider that reported it")
    unit: Label = Field(description="The unit, which the provider defines: credits, tokens …")
    amount: float = Field(ge=0, allow_inf_nan=False, description="Number of units")
    attempt: int = Field(default=0, ge=0, description="Attempt of the task, set by its workflow")


class CallReport(Message):
    """The calls of an attempt that failed, and the units billed for it."""

    service_requests: list[ServiceRequest] = []
    billed: list[BilledUnits] = []

    def to_details(self) -> list[dict[str, Any]]:
        """Return the details of a Temporal failure.

        If nothing was billed, these are the calls, one detail each: workflow workers of earlier
        versions read nothing else.
        """
        if self.billed:
            return [self.model_dump(mode="json")]
        return [each.model_dump(mode="json") for each in self.service_requests]

    @classmethod
    def from_details(cls, details: Sequence[Any]) -> "CallReport":
        """Read the details of a Temporal failure, in either form."""
        if len(details) == 1 and "billed" in details[0]:
            return cls.model_validate(details[0])
        return cls(service_requests=[ServiceRequest.model_validate(each) for each in details])
