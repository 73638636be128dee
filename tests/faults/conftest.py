"""One platform for all fault tests, since a start takes ten seconds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig, open_rig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path == Path(__file__).with_name("test_faults.py"):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
async def rig() -> AsyncIterator[Rig]:
    async with open_rig() as rig:
        yield rig
