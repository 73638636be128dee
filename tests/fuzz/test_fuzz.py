"""A bounded run of schemathesis against the running platform; `make fuzz-api` is the full run.

All checks and phases, with one seed.
"""

import pytest

from tests.fuzz.runs import BOUNDED, fuzz
from tests.fuzz.target import open_target


@pytest.mark.long
async def test_schemathesis_finds_nothing_and_every_operation_succeeds() -> None:
    async with open_target() as stack:
        outcome = await stack.guard(fuzz(stack, BOUNDED, shows=False))

    assert outcome.is_clean, outcome.output
    assert outcome.report.is_good, outcome.report
