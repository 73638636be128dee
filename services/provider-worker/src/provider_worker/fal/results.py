"""From what fal answers to a task's results. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from provider_worker.fal.answer import Answer
from provider_worker.fal.convert import FalOptions
from provider_worker.fal.wire import LogLine, Pictures
from shared.contracts.enums import ErrorCategory
from shared.contracts.pictures import is_remote
from shared.errors import PlatformError

_MAX_RESULT_BYTES = 1024 * 1024
"""An app's answer is kept in the record and travels through histories: no place for media."""
_MEDIA = ("images", "image", "videos", "video", "audio", "files", "file")
"""Where fal's apps put what they made, the likeliest first."""
_PERCENT = re.compile(r"(\d{1,3})%\|")
"""The progress bar that the models' loops write."""


def picture_urls(answer: Answer, options: FalOptions) -> list[str]:
    """Where the pictures of a GENERATION lie.

    Raises:
        PlatformError: there are none, or all were blackened by fal's safety checker.
    """
    pictures = answer.read(Pictures)
    if pictures is None:
        raise _final("fal's answer holds no pictures", ErrorCategory.PROVIDER_ERROR)
    flagged = pictures.has_nsfw_concepts or []
    is_checked = options.params.get("enable_safety_checker") is not False
    if is_checked and len(flagged) >= len(pictures.images) and all(flagged):
        raise _final(
            "fal's safety checker has blackened every picture", ErrorCategory.CONTENT_POLICY
        )
    return [picture.url for picture in pictures.images]


def app_results(answer: Answer) -> dict[str, Any]:
    """The app's own answer, and as `result_url`, unless it says one itself, what it made first.

    Raises:
        PlatformError: the answer cannot be kept.
    """
    if len(answer.content) > _MAX_RESULT_BYTES:
        raise _final(
            f"the app's answer has {len(answer.content)} bytes; at most {_MAX_RESULT_BYTES} are"
            " kept: let the app answer with URLs (sync_mode false)",
            ErrorCategory.PROVIDER_ERROR,
        )
    try:
        data = _without_nul(answer.json())
    except ValueError:
        raise _final("the app's answer is no JSON", ErrorCategory.PROVIDER_ERROR) from None
    results = cast("dict[str, Any]", data) if isinstance(data, dict) else {"output": data}
    own = results.get("result_url")
    if isinstance(own, str):
        return results
    url = first_url(results)
    return {**results, "result_url": url} if url or own is not None else results


def first_url(results: Mapping[str, Any]) -> str | None:
    """The first picture, video or file in an app's answer."""
    likely = [results[name] for name in _MEDIA if name in results]
    return next(_urls(likely, is_bare_taken=True), None) or next(
        _urls([results], is_bare_taken=False), None
    )


def logged_progress(lines: Iterable[LogLine] | None) -> float | None:
    """How far an app says it is, from 0 to 1, by the last progress bar among its lines."""
    for line in reversed(list(lines or ())):
        bars = _PERCENT.findall(line.message)
        if bars:
            return min(int(bars[-1]), 100) / 100
    return None


def _urls(values: Iterable[Any], *, is_bare_taken: bool) -> Iterator[str]:
    """The `url` of every object in fal's form of a file, outer ones first; or strings as well."""
    waiting = list(values)
    while waiting:
        value = waiting.pop(0)
        if is_bare_taken and is_remote(value):
            yield value
        elif isinstance(value, dict):
            item = cast("dict[str, Any]", value)
            if is_remote(item.get("url")):
                yield item["url"]
            waiting += item.values()
        elif isinstance(value, list):
            waiting += cast("list[Any]", value)


def _without_nul(value: Any) -> Any:
    """The same data without NUL characters, which the records cannot hold."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value)
        return {name.replace("\0", ""): _without_nul(item) for name, item in named.items()}
    return value


def _final(message: str, category: ErrorCategory) -> PlatformError:
    return PlatformError(message, category=category, is_final=True)
