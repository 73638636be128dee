"""Conversion of FASHN's responses to a task's results. Pure functions."""

from provider_worker.fashn.response import FashnResponse
from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import BilledUnits

_CREDITS_HEADER = "x-fashn-credits-used"


def billed_units(response: FashnResponse) -> list[BilledUnits]:
    """Return the credits that FASHN charged, by a header of the status of ended work."""
    amount = response.amount(_CREDITS_HEADER)
    if amount is None:
        return []
    return [BilledUnits(provider=ProviderType.FASHN_STANDARD, unit="credits", amount=amount)]
