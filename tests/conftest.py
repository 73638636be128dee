"""Fixtures that several suites share."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[LocalStack]:
    """Real Postgres, Temporal and S3 for the whole run, empty; `migrate` makes the schema."""
    # Not pytest's own tmp folder: a second pytest closes that one to Postgres's user again.
    with tempfile.TemporaryDirectory(prefix="sartiq-test-") as folder:
        async with LocalStack(LocalSettings(state_dir=Path(folder)), services=()) as stack:
            yield stack
