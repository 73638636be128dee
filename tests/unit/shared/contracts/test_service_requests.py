"""Calls and billed units, and their place in a Temporal failure."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import BilledUnits, CallReport, ServiceRequest

CALL = ServiceRequest(
    provider=ProviderType.FAL_STANDARD,
    method="POST",
    url="https://fal.example/app",
    duration_ms=1,
    attempt=1,
    at=datetime(2026, 1, 1, tzinfo=UTC),
)


def units(**fields: Any) -> BilledUnits:
    return BilledUnits.model_validate(
        {"provider": ProviderType.FAL_STANDARD, "unit": "megapixels", "amount": 1.5} | fields
    )


@pytest.mark.parametrize(
    "report",
    [
        CallReport(),
        CallReport(service_requests=[CALL]),
        CallReport(service_requests=[CALL, CALL]),
        CallReport(billed=[units()]),
        CallReport(service_requests=[CALL, CALL], billed=[units(), units(unit="seconds")]),
    ],
)
def test_report_is_read_from_the_details_of_a_failure(report: CallReport) -> None:
    assert CallReport.from_details(report.to_details()) == report


def test_calls_without_billed_units_are_as_earlier_versions_wrote_and_read_them() -> None:
    details = CallReport(service_requests=[CALL, CALL]).to_details()
    assert details == [CALL.model_dump(mode="json")] * 2


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf, None])
def test_amount_is_a_finite_number_of_zero_or_more(amount: float | None) -> None:
    with pytest.raises(ValidationError):
        units(amount=amount)


def test_unit_is_storable() -> None:
    assert units(unit="a\0" + "b" * 600).unit.startswith("ab")
    assert len(units(unit="b" * 600).unit) == 500
