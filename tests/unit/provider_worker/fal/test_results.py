import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_worker.fal.convert.call import FalOptions
from provider_worker.fal.inline_files import InlineFiles
from provider_worker.fal.response import FalResponse
from provider_worker.fal.results import (
    app_results,
    first_url,
    logged_progress,
    media_urls,
    picture_urls,
    video_url,
)
from provider_worker.fal.wire import LogLine
from shared.contracts.enums import ErrorCategory
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.fal_apps.app import Media
from shared.contracts.json_texts import renamed
from shared.contracts.untrusted import RESULT, admit
from shared.errors import PlatformError
from tests.fixtures.hostile import bodies

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
_IMAGE = {"images": [{"url": "https://fal.media/1.png"}, {"url": "https://fal.media/2.png"}]}


def _answer(body: Any) -> FalResponse:
    return FalResponse(200, {}, json.dumps(body).encode())


def _results(answer: FalResponse) -> dict[str, Any]:
    return app_results(answer, InlineFiles("folder"))


def _options(**static: Any) -> FalOptions:
    return FalOptions(additional_static_params=static)


def test_pictures_are_found_in_order() -> None:
    urls = picture_urls(_answer(_IMAGE | {"has_nsfw_concepts": [True, False]}), _options())
    assert urls == ["https://fal.media/1.png", "https://fal.media/2.png"]


@pytest.mark.parametrize("content", [b"", b"<html>", b"[" * 500, b"[" + b"0," * 600_000 + b"0]"])
def test_pictures_in_an_unreadable_response_are_not_generated_again(content: bytes) -> None:
    with pytest.raises(PlatformError) as caught:
        picture_urls(FalResponse(200, {}, content), _options())
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.VALIDATION, True)


@pytest.mark.parametrize("body", [{}, {"images": []}, {"images": [{}]}, [], "x", {"images": "u"}])
def test_a_response_without_pictures_is_final(body: Any) -> None:
    with pytest.raises(PlatformError, match="no pictures") as caught:
        picture_urls(_answer(body), _options())
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.PROVIDER_ERROR, True)


def test_pictures_that_are_all_blacked_out_are_an_error() -> None:
    body = _IMAGE | {"has_nsfw_concepts": [True, True]}
    with pytest.raises(PlatformError) as caught:
        picture_urls(_answer(body), _options())
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.CONTENT_POLICY, True)
    assert len(picture_urls(_answer(body), _options(enable_safety_checker=False))) == 2


@pytest.mark.parametrize(
    ("body", "url"),
    [
        (_IMAGE, "https://fal.media/1.png"),
        ({"video": {"url": "https://a/v.mp4"}, "thumb": {"url": "https://a/t"}}, "https://a/v.mp4"),
        ({"a": {"url": "https://a/other"}, "image": {"url": "https://a/i"}}, "https://a/i"),
        ({"image": "https://a/bare"}, "https://a/bare"),
        ({"out": [{"deep": {"url": "http://a/deep"}}]}, "http://a/deep"),
        ({"url": "https://a/top"}, "https://a/top"),
        ({"url": "ftp://a", "text": "https://a/text"}, None),
        ({}, None),
    ],
)
def test_the_result_url_is_the_first_file(body: dict[str, Any], url: str | None) -> None:
    assert first_url(body) == url
    assert _results(_answer(body)).get("result_url") == url


@given(st.dictionaries(st.text(max_size=8), _JSON))
def test_an_apps_keys_are_kept(body: dict[str, Any]) -> None:
    results = _results(_answer(body))
    kept = json.loads(json.dumps(body).replace("\\u0000", ""))
    assert results | kept == results
    assert set(results) - set(kept) <= {"result_url"}


def test_an_apps_own_result_url_is_its_own() -> None:
    assert _results(_answer(_IMAGE | {"result_url": "mine"}))["result_url"] == "mine"
    answered = _results(_answer(_IMAGE | {"result_url": {"at": 5}}))
    assert answered["result_url"] == first_url(_IMAGE)
    assert _results(_answer({"result_url": 5})) == {"result_url": None}


def test_a_response_that_is_not_an_object_becomes_output() -> None:
    assert _results(_answer([1, 2])) == {"output": [1, 2]}


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"a": NaN}', b'"' + b"x" * 2**20 + b'"'])
def test_an_unstorable_response_is_final(content: bytes) -> None:
    with pytest.raises(PlatformError) as caught:
        _results(FalResponse(200, {}, content))
    # Our own refusal: no retry, and not counted against the provider.
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.VALIDATION, True)


@given(bodies())
def test_any_response_is_a_storable_result_or_names_its_limit(content: bytes) -> None:
    with suppress(PlatformError):
        admit(_results(FalResponse(200, {}, content)), RESULT)
        return
    with pytest.raises(PlatformError) as caught:
        _results(FalResponse(200, {}, content))
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.VALIDATION, True)


def test_half_of_a_surrogate_pair_is_handled() -> None:
    assert (
        _results(FalResponse(200, {}, b'{"text": "a\\ud83d"}'))["text"]
        == "a\N{REPLACEMENT CHARACTER}"
    )


@pytest.mark.parametrize(
    "body",
    [{"out": [0] * 200_000}, {"out": [{}] * 200_000}, {"images": [{"url": 7}] * 200_000}],
    ids=["numbers", "objects", "pictures"],
)
def test_a_large_response_is_searched_in_linear_time(body: dict[str, Any]) -> None:
    begin = time.thread_time()
    assert first_url(body) is None
    assert time.thread_time() - begin < 2


def test_too_many_pictures_are_refused() -> None:
    body = {"images": [{"url": "https://fal.media/1.png"}] * 65}
    with pytest.raises(PlatformError, match="64") as caught:
        picture_urls(_answer(body), _options())
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.VALIDATION, True)


def test_progress_is_the_last_bar_that_was_logged() -> None:
    lines = ["loading", " 10%|█   | 1/10", "noise", "30%|██ |\r40%|███ |", "saving 99% of it"]
    assert logged_progress([LogLine(message=line) for line in lines]) == 0.4
    assert logged_progress([LogLine(message="none")]) is None
    assert logged_progress(None) is None


@pytest.mark.parametrize(
    ("output", "body"),
    [
        (Media.IMAGE, {"image": {"url": "https://a/1"}, "seed": 7}),
        (Media.IMAGE, {"images": [{"url": "https://a/1"}]}),
        (Media.IMAGES, {"image": {"url": "https://a/1"}}),
        (Media.VIDEO, {"video": {"url": "https://a/1"}, "image": {"url": "https://a/2"}}),
    ],
)
def test_a_result_is_read_from_the_field_of_its_kind(output: Media, body: Any) -> None:
    answer = _answer(body)
    found = [video_url(answer)] if output is Media.VIDEO else picture_urls(answer, _options())
    assert found == ["https://a/1"]


@pytest.mark.parametrize("body", [{}, {"video": {}}, []])
def test_a_response_without_a_video_is_final(body: Any) -> None:
    with pytest.raises(PlatformError, match="no video") as caught:
        video_url(_answer(body))
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.PROVIDER_ERROR, True)


@pytest.mark.parametrize(
    ("output", "body"),
    [
        (Media.VIDEO, _IMAGE),
        (Media.VIDEO, {"image": {"url": "data:image/png;base64,AA=="}}),
        (Media.VIDEO, {"audio": {"url": "https://a/1.mp3"}, "video": None}),
        (Media.IMAGES, {"video": {"url": "https://a/1.mp4"}, "images": []}),
        (Media.IMAGE, {"model_mesh": {"url": "https://a/1.glb"}}),
    ],
)
def test_other_media_are_paid_for_once(output: Media, body: Any) -> None:
    """Without a fallback, too: it would be paid for as well, and the app is the request's."""
    answer = _answer(body)
    with pytest.raises(PlatformError, match="name another fal_app_id") as caught:
        _ = video_url(answer) if output is Media.VIDEO else picture_urls(answer, _options())
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.VALIDATION, True)
    consequence = CONSEQUENCES[caught.value.category]
    assert (consequence.is_retried, consequence.falls_back) == (False, False)


def test_a_single_picture_that_is_blacked_out_is_an_error() -> None:
    body = {"image": {"url": "https://a/1"}, "has_nsfw_concepts": [True]}
    with pytest.raises(PlatformError, match="blacked out"):
        picture_urls(_answer(body), _options())


def test_every_file_of_an_app_is_listed_once() -> None:
    body = {
        "image": {"url": "https://a/1"},
        "layers": [{"mask": {"url": "https://a/2"}}, {"url": "https://a/1"}, {"url": "ftp://a"}],
        "text": "https://a/3",
    }
    assert media_urls(body) == ["https://a/1", "https://a/2"]
    assert media_urls({}) == []
    with pytest.raises(PlatformError, match="more than 64 files"):
        media_urls({"images": [{"url": f"https://a/{place}"} for place in range(65)]})


def test_files_inside_a_response_are_moved_out_and_become_paths() -> None:
    one, two = "data:image/png;base64,AAAA", " DATA:video/mp4;codecs=avc1;base64,\nBBBB"
    texts = ["data: three dresses, base64", "data:image/png;base64,...", "data:text/plain,hi"]
    body = {
        "images": [{"url": one}, {"url": "https://a/1"}],
        "copies": {"first": one, "film": two},
        "texts": texts,
    }
    inline = InlineFiles("folder")
    results = app_results(_answer(body), inline)
    assert "AAAA" not in str(results)
    assert "BBBB" not in str(results)
    assert results["result_url"] == "https://a/1"
    urls = media_urls(results, inline.sources)
    assert sorted(inline.sources.get(url, url) for url in urls) == sorted([one, two, "https://a/1"])
    paths = {name: f"{url[-4:]}.bin" for name, url in inline.sources.items()}
    assert renamed(results, paths) == {
        "images": [{"url": "AAAA.bin"}, {"url": "https://a/1"}],
        "copies": {"first": "AAAA.bin", "film": "BBBB.bin"},
        "texts": texts,
        "result_url": "https://a/1",
    }


def test_files_inside_a_response_do_not_count_as_its_size_but_are_counted() -> None:
    large = f"data:image/png;base64,{'A' * 2**22}"
    assert "result_url" not in _results(_answer({"image": {"url": large}}))
    with pytest.raises(PlatformError, match="larger than 1048576 bytes"):
        _results(_answer({"image": {"url": large}, "text": "x" * 2**20}))
    inline = InlineFiles("folder")
    many = [f"data:image/png;base64,{index}" for index in range(65)]
    results = app_results(_answer({"images": many}), inline)
    with pytest.raises(PlatformError, match="more than 64 files"):
        media_urls(results, inline.sources)
