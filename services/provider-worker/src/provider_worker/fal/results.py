"""From what fal answers to a task's results. Pure."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from provider_worker.errors import UnusableAnswerError
from provider_worker.fal.answer import Answer
from provider_worker.fal.convert import FalOptions
from provider_worker.fal.wire import LogLine, Pictures
from shared.contracts.enums import ErrorCategory
from shared.contracts.pictures import is_remote
from shared.contracts.untrusted import RESULT, UntrustedValueError, admit, cleaned
from shared.errors import PlatformError

_MAX_PICTURES = 64
_MEDIA = ("images", "image", "videos", "video", "audio", "files", "file")
"""Where fal's apps put what they made, the likeliest first."""
_PERCENT = re.compile(r"(\d{1,3})%\|")
"""The progress bar that the models' loops write."""


def picture_urls(answer: Answer, options: FalOptions) -> list[str]:
    """Where the pictures of a GENERATION lie.

    Raises:
        UnusableAnswerError: the answer cannot be read, or names too many.
        PlatformError: there are none, or all were blackened by fal's safety checker.
    """
    _data(answer)
    pictures = answer.read(Pictures)
    if pictures is None:
        raise _final("fal's answer holds no pictures", ErrorCategory.PROVIDER_ERROR)
    if len(pictures.images) > _MAX_PICTURES:
        raise UnusableAnswerError(
            f"it names {len(pictures.images)} pictures; at most {_MAX_PICTURES} are taken"
        )
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
        UnusableAnswerError: the answer cannot be kept.
    """
    data = cleaned(_data(answer))
    results = cast("dict[str, Any]", data) if isinstance(data, dict) else {"output": data}
    own = results.get("result_url")
    if not isinstance(own, str):
        url = first_url(results)
        results |= {"result_url": url} if url or own is not None else {}
    try:
        admit(results, RESULT)
    except UntrustedValueError as error:
        raise UnusableAnswerError(f"the app's answer {error}") from None
    return results


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
    waiting = deque(values)
    while waiting:
        value = waiting.popleft()
        if is_bare_taken and is_remote(value):
            yield value
        elif isinstance(value, dict):
            item = cast("dict[str, Any]", value)
            if is_remote(item.get("url")):
                yield item["url"]
            waiting += item.values()
        elif isinstance(value, list):
            waiting += cast("list[Any]", value)


def _data(answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise UnusableAnswerError(str(error)) from None


def _final(message: str, category: ErrorCategory) -> PlatformError:
    return PlatformError(message, category=category, is_final=True)
