"""Fixtures that several suites share."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack

# How long an example takes says something of the machine, nothing of the code.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[LocalStack]:
    """Real Postgres, Temporal and S3 for the whole run, empty; `migrate` makes the schema."""
    # Not pytest's own tmp folder: a second pytest closes that one to Postgres's user again.
    with tempfile.TemporaryDirectory(prefix="sartiq-test-") as folder:
        async with LocalStack(LocalSettings(state_dir=Path(folder)), services=()) as stack:
            yield stack
