"""`/docs` and `/redoc` show the document without contacting another host."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest

from api_gateway.app import create_app, public_api
from tests.fixtures.browser import find_browser, show
from tests.fixtures.gateway import Gateway
from tests.fixtures.http_server import serving

PAGES = ["/docs", "/redoc"]
LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""A resource of Redoc that the content policy blocks; the page works without it."""


@pytest.fixture(scope="module")
async def url(gateway: Gateway) -> AsyncIterator[str]:
    async with serving(create_app(gateway.resources)) as served:
        yield served


def summaries() -> list[str]:
    return [
        operation["summary"]
        for item in public_api().openapi()["paths"].values()
        for operation in item.values()
    ]


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
async def test_page_shows_every_operation_in_a_browser_without_a_network(
    url: str, page: str
) -> None:
    shown = await show(find_browser(), f"{url}{page}")

    assert [line for line in shown.console if LOGO not in line] == []
    assert [summary for summary in summaries() if summary not in shown.dom] == []
    if page == "/docs":
        assert len(re.findall(r'class="opblock opblock-', shown.dom)) == len(summaries())


class References(HTMLParser):
    """The resources that a page loads, and its inline code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_code = tag in {"script", "style"}
        self.found += [value for name, value in attrs if name in {"src", "href"} and value]
        self.inline += [f"{name}={value}" for name, value in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._is_code and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("page", [*PAGES, "/docs/"])
async def test_page_and_all_it_loads_come_from_here(url: str, page: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.get(page, follow_redirects=False)
        assert answer.status_code == 200
        loads = References()
        loads.feed(answer.text)
        assert loads.inline == []
        assert len(loads.found) > 3
        for address in loads.found:
            assert address.startswith(("/docs/assets/", "data:,")), address
            if address.startswith("/"):
                asset = await client.get(address)
                assert asset.status_code == 200, address
                assert asset.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("page", PAGES)
async def test_content_policy_lets_nothing_in_from_elsewhere(url: str, page: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        policy = (await client.get(page)).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


@pytest.mark.parametrize("name", ["none.js", "__init__.py", "..%2froutes.py", "redoc.css%00"])
async def test_nothing_else_is_an_asset(url: str, name: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get(f"/docs/assets/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("required", "outcome"), [("", pytest.skip.Exception), ("required", pytest.fail.Exception)]
)
def test_missing_browser_is_a_failure_only_where_one_is_required(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[Exception]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("SARTIQ_TEST_BROWSER", required)
    with pytest.raises(outcome, match="chromium"):
        find_browser()
