"""The servers of a pytest run, the order of tests, and the profiles of property tests."""

import os
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.fixtures.servers import Servers, SharedServers
from tests.scheduling import FilesTogether, rank

_ADDRESS = "SARTIQ_TEST_SERVERS"
_MINE = pytest.StashKey[SharedServers]()

# Idle threads of torch and ncnn would spin at each barrier, on cores that other processes need.
# The libraries read it when they are loaded, also in the platform's processes.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The duration of an example depends on the machine, not on the code.
_ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make test` and CI try the same examples in each run; `make test-long` elsewhere tries new ones.
settings.register_profile("quick", _ANY_MACHINE, max_examples=20, derandomize=True)
settings.register_profile(
    "thorough", _ANY_MACHINE, max_examples=200, derandomize="CI" in os.environ
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_configure(config: pytest.Config) -> None:
    # Workers inherit the environment of the process that starts them.
    if _ADDRESS not in os.environ:
        config.stash[_MINE] = servers = SharedServers.for_this_run()
        os.environ[_ADDRESS] = servers.address


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(_MINE, None)
    if servers is not None:
        del os.environ[_ADDRESS]
        servers.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))
    for item in items:
        if hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker(pytest.mark.property)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    return FilesTogether(config, log)


# Rendering a logged exception with its locals, structlog's default, takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
async def servers(worker_id: str) -> Servers:
    """Real Postgres, Temporal and S3, with a database, a namespace and a bucket for this worker."""
    return await SharedServers.of_address(os.environ[_ADDRESS]).own(worker_id)


@pytest.fixture(scope="session")
async def platform_servers(worker_id: str) -> Servers:
    """Servers for a platform, whose workers would otherwise take the runs of other tests."""
    return await SharedServers.of_address(os.environ[_ADDRESS]).own(f"{worker_id}-platform")
