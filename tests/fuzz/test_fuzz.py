"""Schemathesis finds nothing in the running platform: a bounded run; `make fuzz-api` is the whole.

All its checks, all phases, one seed.
"""

import pytest

from tests.fuzz.runs import BOUNDED, fuzz
from tests.fuzz.target import open_target


@pytest.mark.long
async def test_schemathesis_finds_nothing_and_every_operation_succeeds() -> None:
    async with open_target() as stack:
        outcome = await stack.guard(fuzz(stack, BOUNDED, shows=False))

    assert outcome.is_clean, outcome.report
    assert outcome.verdict.is_good, outcome.verdict
