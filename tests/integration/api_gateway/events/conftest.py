"""The gateway on a real socket."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event

from api_gateway.app import create_app
from tests.fixtures.gateway import Gateway
from tests.fixtures.http_server import serving
from tests.fixtures.streaming import Streaming


@pytest.fixture
async def streaming(gateway: Gateway) -> AsyncIterator[Streaming]:
    async with serving(create_app(gateway.resources)) as url:
        opened = Streaming(gateway, url)
        yield opened
        await opened.close()


@pytest.fixture
def questions(gateway: Gateway) -> Iterator[Callable[[], int]]:
    """The number of queries for new events."""
    engine = gateway.resources.sessions.kw["bind"].sync_engine
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "LATERAL" in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield lambda: len(asked)
    event.remove(engine, "before_cursor_execute", note)
