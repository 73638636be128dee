"""Errors of remote pictures name the request field with the URL."""

from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from shared.contracts.enums import TaskType
from shared.contracts.inputs import FetchInputs
from shared.contracts.pictures import remote_pictures
from shared.db.session import create_engine, create_sessions
from shared.egress.guard import Guard
from shared.errors import PlatformError
from shared.settings import DatabaseSettings, PictureLimits
from tests.fakes.object_store import MemoryObjectStore
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
