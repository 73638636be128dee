"""Billed units in the log of a task's attempts."""

import math
import uuid

import pytest
from temporalio.exceptions import ApplicationError

from shared.contracts.enums import AiProvider, ErrorCategory, ProviderType
from shared.contracts.failures import REPLY_UNFIT
from shared.contracts.runs import ProviderVerdict
from shared.contracts.service_requests import BilledUnits, CallReport
from workflows.definitions.attempt_log import AttemptLog
from workflows.definitions.failure import Failure, read_error

FAL, VERTEX = ProviderType.FAL_STANDARD, ProviderType.VERTEX


def units(provider: ProviderType, unit: str, amount: float) -> BilledUnits:
    return BilledUnits(provider=provider, unit=unit, amount=amount)


def billed(log: AttemptLog) -> list[tuple[int, ProviderType, str, float]]:
    return [(u.attempt, u.provider, u.unit, u.amount) for u in log.written().billed]


def test_units_of_an_attempt_are_summed_by_provider_and_unit() -> None:
    log = AttemptLog(uuid.uuid4())
    log.attempt = 1
    failed = CallReport(billed=[units(FAL, "credits", 1), units(FAL, "credits", 2)])
    log.note_failure(Failure("no luck", ErrorCategory.PROVIDER_ERROR, calls=failed), FAL)
    log.attempt = 2
    log.note_requests([], [units(FAL, "credits", 4), units(FAL, "seconds", 8)])
    log.note_requests([], [units(VERTEX, "credits", 16), units(FAL, "credits", 32)])
    assert billed(log) == [
        (1, FAL, "credits", 3),
        (2, FAL, "credits", 36),
        (2, FAL, "seconds", 8),
        (2, VERTEX, "credits", 16),
    ]


def test_number_of_entries_is_bounded_and_known_units_still_count() -> None:
    log = AttemptLog(uuid.uuid4())
    log.note_requests([], [units(FAL, f"unit {n}", 1) for n in range(150)])
    log.note_requests([], [units(FAL, "unit 0", 1)])
    told = log.written().billed
    assert len(told) == 100
    assert told[0].amount == 2


def test_sum_of_absurd_amounts_is_finite() -> None:
    log = AttemptLog(uuid.uuid4())
    log.note_requests([], [units(FAL, "credits", 1e308)] * 3)
    assert math.isfinite(log.written().billed[0].amount)


@pytest.mark.parametrize(
    ("failure_type", "is_success"), [(REPLY_UNFIT, None), ("PROVIDER_ERROR", False)]
)
def test_reply_that_the_client_made_impossible_is_not_the_providers_fault(
    *, failure_type: str, is_success: bool | None
) -> None:
    failure = read_error(ApplicationError("it does not follow the schema", type=failure_type))
    assert failure.category is ErrorCategory.PROVIDER_ERROR
    log = AttemptLog(uuid.uuid4())
    log.note_failure(failure, AiProvider.OPENAI)
    assert log.verdict == ProviderVerdict(provider_type=AiProvider.OPENAI, is_success=is_success)
