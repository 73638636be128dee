"""Children in place of servers: small Python programs."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from local_stack.child import ChildSpec
from local_stack.supervisor import Supervisor

SLEEP = "import time; time.sleep(60)"

MakeSpec = Callable[..., ChildSpec]


@pytest.fixture
def dummy(tmp_path: Path) -> MakeSpec:
    """Return the spec of a child that runs a line of Python; by default it sleeps."""

    def make(name: str, program: str = SLEEP, **options: object) -> ChildSpec:
        command = (sys.executable, "-c", program)
        return ChildSpec(name=name, command=command, cwd=tmp_path, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "logs", start_timeout_s=60)
    yield supervisor
    await supervisor.stop([child.name for child in supervisor.running], grace_s=0)
