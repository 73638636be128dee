"""Conversion of FASHN's responses to a task's results. Pure functions."""

import re

from provider_worker.fashn.response import FashnResponse
from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import BilledUnits

_CREDITS_HEADER = "x-fashn-credits-used"
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)


def billed_units(response: FashnResponse) -> list[BilledUnits]:
    """Return the credits that FASHN charged, by a header of the status of ended work."""
    amount = response.headers.get(_CREDITS_HEADER, "").strip()
    if not _AMOUNT.fullmatch(amount):
        return []
    return [BilledUnits(provider=ProviderType.FASHN_STANDARD, unit="credits", amount=float(amount))]
