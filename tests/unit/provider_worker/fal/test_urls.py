import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.fal.urls import check_app_id, is_below, request_url, submit_url
from shared.errors import InvalidInputError

BASE = "https://queue.fal.run/"
_NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)


def test_status_result_and_cancel_drop_the_path_of_the_app() -> None:
    handle = {"app": "fal-ai/flux/dev/image-to-image"}
    root = "https://queue.fal.run/fal-ai/flux/requests/r-1"
    assert submit_url(BASE, handle["app"]) == "https://queue.fal.run/fal-ai/flux/dev/image-to-image"
    assert request_url(BASE, handle, "r-1", "status_url") == f"{root}/status"
    assert request_url(BASE, handle, "r-1", "response_url") == root
    assert request_url(BASE, handle, "r-1", "cancel_url") == f"{root}/cancel"


def test_a_namespace_precedes_the_owner() -> None:
    url = request_url(BASE, {"app": "workflows/acme/wf/x"}, "r-1", "response_url")
    assert url == "https://queue.fal.run/workflows/acme/wf/requests/r-1"


def test_urls_of_fals_own_are_used() -> None:
    stated = "https://queue.fal.run/other/shape/r-1"
    assert request_url(BASE, {"app": "a/b", "status_url": stated}, "r-1", "status_url") == stated


@pytest.mark.parametrize(
    "stated",
    [
        "https://evil.test/fal-ai/flux/requests/r-1/status",
        "http://queue.fal.run/a/requests/r-1/status",
        "https://queue.fal.run:8443/a/requests/r-1/status",
        "https://user@queue.fal.run/a/requests/r-1/status",
        "https://queue.fal.run.evil.test/a",
        "https://queue.fal.run/a?next=https://evil.test",
        "//evil.test/a",
        "/a/requests/r-1",
        "http://[",
        "https://xn--a/a",
        "https://queue.fal.run:\u0663/a",
        "",
        None,
        7,
    ],
)
def test_the_key_is_sent_to_the_configured_origin_only(stated: object) -> None:
    url = request_url(BASE, {"app": "a/b/c", "status_url": stated}, "r-1", "status_url")
    assert url == "https://queue.fal.run/a/b/requests/r-1/status"


@given(st.text(max_size=60))
def test_no_returned_url_leads_elsewhere(stated: str) -> None:
    url = request_url(BASE, {"app": "a/b", "cancel_url": stated}, "r-1", "cancel_url")
    assert is_below(BASE, url)


@given(st.lists(_NAMES, min_size=2, max_size=6))
def test_plain_app_ids_are_accepted(parts: list[str]) -> None:
    assert is_below(BASE, submit_url(BASE, "/".join(parts)))


@pytest.mark.parametrize(
    "app_id",
    ["", "flux", "../x/y", "a/../b", "a//b", "/a/b", "a/b/", "a/b?x=1", "a/b#c", "a b/c", "a/\n",
     "a/%2e%2e", "https://evil.test/a", "a/b\\c", "é/a", "a/" + "b" * 300],
)  # fmt: skip
def test_other_app_ids_are_refused(app_id: str) -> None:
    with pytest.raises(InvalidInputError, match="owner/app"):
        check_app_id(app_id)
