"""Schemas of providers for the dashboard."""

from datetime import datetime

from pydantic import BaseModel, Field

from shared.contracts.enums import BreakerState
from shared.contracts.runs import BreakerKey


class ProviderStanding(BaseModel):
    """One provider's circuit breaker; `ai_core` has one for each of its vendors."""

    provider_type: BreakerKey
    breaker: BreakerState = Field(
        description="`open`: tasks that have a fallback go to it at once, and evaluations do not "
        "ask the vendor. `half_open`: one attempt at a time probes the provider"
    )
    failures: int = Field(
        description="Consecutive attempts that the provider failed; five open the breaker"
    )
    opened_at: datetime | None = Field(default=None, description="When the breaker last opened")
    half_open_at: datetime | None = Field(
        default=None, description="When the next attempt probes, or probed, the provider"
    )


class ProviderStandingsResponse(BaseModel):
    """Every provider's circuit breaker."""

    providers: list[ProviderStanding]
    timestamp: datetime
