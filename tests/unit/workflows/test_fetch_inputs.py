"""Fetching of remote pictures: errors name the field, partial requests report what is missing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.common import RetryPolicy
from temporalio.testing import ActivityEnvironment

from shared.contracts.enums import TaskType
from shared.contracts.inputs import FetchedInputs, FetchInputs
from shared.contracts.pictures import remote_pictures
from shared.db.session import create_engine, create_sessions
from shared.egress.guard import Exemptions, Guard
from shared.errors import PlatformError, StorageError
from shared.settings import DatabaseSettings, PictureLimits
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.raw_server import Server, listening, redirect, reply
from workflows.activities.fetch_inputs import InputFetcher

_AWAY, _ODD = "https://pictures.example/a.png", "https://pictures.example/b.png"


async def _nowhere(_host: str, _port: int) -> list[str]:
    return []


def test_each_url_is_named_by_its_first_field() -> None:
    inputs = {"input_image_paths": ["uploads/a.png", _AWAY, _ODD, _AWAY]}
    found = remote_pictures(TaskType.BACKGROUND_REMOVE, inputs)
    assert found == {_AWAY: "input_image_paths.1", _ODD: "input_image_paths.2"}
    adjusted = {"input_image": "uploads/a.png", "reference_image": _AWAY}
    assert remote_pictures(TaskType.IMAGE_ADJUSTER, adjusted) == {_AWAY: "reference_image"}


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ({_AWAY: "input_image_paths.1"}, r"^input_image_paths\.1: the host 'pictures\.example'"),
        ({}, r"^a picture: the host"),  # from a run that started before names existed
    ],
)
async def test_picture_that_cannot_be_fetched_is_named(names: dict[str, str], named: str) -> None:
    sessions = create_sessions(create_engine(DatabaseSettings()))  # connects to nothing
    fetcher = InputFetcher(sessions, MemoryObjectStore(), Guard(resolve=_nowhere), PictureLimits())
    request = FetchInputs(
        task_id=UUID(int=1), task_type=TaskType.BACKGROUND_REMOVE, urls=[_AWAY], names=names
    )
    with pytest.raises(PlatformError, match=named):
        await ActivityEnvironment().run(fetcher.fetch_inputs, request)


_TRAINING = UUID(int=2)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


class Store(MemoryObjectStore):
    """A store that is away while `is_away` is set."""

    is_away = False

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        if self.is_away:
            raise StorageError("the store is away")
        await super().put(key, content, content_type, metadata)


class Attempts:
    """The attempts of one partial request of a training, with their heartbeats."""

    def __init__(self, *urls: str, attempts: int = 3) -> None:
        self.store = Store()
        sessions = create_sessions(create_engine(DatabaseSettings()))  # connects to nothing
        guard = Guard(Exemptions.parse(["127.0.0.1"]))
        self._fetcher = InputFetcher(sessions, self.store, guard, PictureLimits())
        self._attempts = attempts
        self._details: tuple[Any, ...] = ()
        self._nth = 0
        self._request = FetchInputs(
            task_id=_TRAINING,
            task_type=None,
            urls=list(urls),
            names={url: f"source_images.{index}" for index, url in enumerate(urls)},
            is_partial=True,
        )

    async def next(self) -> FetchedInputs:
        self._nth += 1
        environment = ActivityEnvironment()
        environment.info = replace(
            environment.info,
            attempt=self._nth,
            heartbeat_details=self._details,
            retry_policy=RetryPolicy(initial_interval=timedelta(), maximum_attempts=self._attempts),
        )
        environment.on_heartbeat = self._beat
        return await environment.run(self._fetcher.fetch_inputs, self._request)

    def _beat(self, *details: Any) -> None:
        self._details = details


async def test_urls_that_cannot_be_fetched_are_reported_and_the_others_are_stored(
    server: Server,
) -> None:
    server.answers |= {
        "/good.png": reply(picture()),
        "/same.png": reply(picture()),
        "/missing.png": reply(b"", "404 Not Found"),
        "/text.png": reply(b"no picture"),
        "/away.png": redirect("http://10.0.0.1/a.png"),
    }
    bad = {
        server.url("/missing.png"): "404",
        server.url("/text.png"): "is not a PNG, JPEG or WebP",
        server.url("/away.png"): "not public",
        "http://10.0.0.1/a.png": "not public",
    }
    good = [server.url("/good.png"), server.url("/same.png")]
    attempts = Attempts(*bad, *good)

    fetched = await attempts.next()

    assert fetched.faults.keys() == bad.keys()
    for url, reason in bad.items():
        assert reason in fetched.faults[url]
    [file] = fetched.files
    assert fetched.keys == dict.fromkeys(good, file.key)
    assert file.key.startswith(f"trainings/{_TRAINING}/inputs/")
    assert await attempts.store.get(file.key) == picture()


async def test_passing_failure_is_raised_until_the_last_attempt_and_nothing_is_fetched_twice(
    server: Server,
) -> None:
    server.answers |= {
        "/good.png": reply(picture()),
        "/busy.png": reply(b"", "503 Service Unavailable"),
    }
    good, busy = server.url("/good.png"), server.url("/busy.png")
    attempts = Attempts(busy, good, attempts=3)

    for _ in range(2):
        with pytest.raises(PlatformError, match=r"^source_images\.0: .*503"):
            await attempts.next()
    fetched = await attempts.next()

    assert "503" in fetched.faults[busy]
    assert fetched.keys.keys() == {good}
    assert [file.key for file in fetched.files] == [fetched.keys[good]]
    asked = [request.split()[1] for request in server.requests]
    assert (asked.count("/busy.png"), asked.count("/good.png")) == (3, 1)


async def test_failure_of_our_store_is_no_fault_of_a_url(server: Server) -> None:
    server.answers["/good.png"] = reply(picture())
    attempts = Attempts(server.url("/good.png"), attempts=2)
    attempts.store.is_away = True
    for _ in range(2):
        with pytest.raises(StorageError):
            await attempts.next()
    attempts.store.is_away = False
    assert (await attempts.next()).faults == {}
