"""Pictures in base64 inside a request: stored as they are, or told what is wrong with them."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fixtures.gateway import Gateway
from tests.integration.api_gateway.test_tasks import PNG, REFINE

_PLAIN = base64.b64encode(PNG).decode()
_URL = "data:image/png;base64,"

_SPELLINGS: dict[str, Callable[[], str]] = {
    "line breaks": lambda: base64.encodebytes(PNG).decode(),
    "no padding": lambda: _PLAIN.rstrip("="),
    "url-safe": lambda: base64.urlsafe_b64encode(PNG).decode(),
    "a blank behind the comma": lambda: f"{_URL} {_PLAIN}",
    "all of it in a data URL": lambda: (
        f"{_URL}\n{base64.urlsafe_b64encode(PNG).decode().rstrip('=')[:40]}\r\n"
        + base64.urlsafe_b64encode(PNG).decode().rstrip("=")[40:]
    ),
    "escaped": lambda: _URL + _PLAIN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
}


@pytest.mark.parametrize("spelling", _SPELLINGS)
async def test_every_spelling_is_stored_byte_by_byte(
    gateway: Gateway, api: httpx.AsyncClient, spelling: str
) -> None:
    body = REFINE | {"base_image_url": _SPELLINGS[spelling]()}
    answer = await api.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 201, answer.text
    objects = gateway.resources.objects
    [stored] = await objects.list(f"refines/{answer.json()['id']}/")
    assert await objects.get(stored.key) == PNG


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (f"{_URL}{_PLAIN[:-6]}!", "'!', is not in the alphabet"),
        (_PLAIN[:-3] + "=", "too much padding|ends within a byte"),
        ("generations/nobody/0", "is neither the path of a stored picture nor"),
        ("uploads/nobody.png", "nor base64 nor a data URL: its character 15, '.', is not"),
    ],
)
async def test_what_is_wrong_is_named(api: httpx.AsyncClient, value: str, message: str) -> None:
    answer = await api.post("/api/v1/tasks/", json=REFINE | {"base_image_url": value})
    assert answer.status_code == 422
    faults: list[dict[str, Any]] = answer.json()["detail"]
    [told] = [fault["msg"] for fault in faults if "base_image_url" in fault["loc"]]
    assert any(part in told for part in message.split("|"))
