"""Conversion of fal's responses to a task's results. Pure functions."""

import re
from collections import deque
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, cast

from provider_worker.errors import UnusableResultError
from provider_worker.fal.convert.call import FalOptions
from provider_worker.fal.inline_files import InlineFiles
from provider_worker.fal.response import FalResponse
from provider_worker.fal.wire import LogLine, Pictures, SinglePicture, Video
from shared.contracts.enums import ErrorCategory, ProviderType
from shared.contracts.pictures import is_remote
from shared.contracts.service_requests import BilledUnits
from shared.contracts.untrusted import RESULT, UntrustedValueError, admit, cleaned
from shared.errors import PlatformError

_MAX_FILES = 64
_UNITS_HEADER = "x-fal-billable-units"
_MEDIA = ("images", "image", "videos", "video", "audio", "files", "file")
"""Fields in which fal's apps return files, the most common first."""
_PERCENT = re.compile(r"(\d{1,3})%\|")
"""A progress bar in the log lines of a model."""


def picture_urls(response: FalResponse, options: FalOptions) -> list[str]:
    """Return the URLs of the pictures in a response: of its `images`, or of its one `image`.

    Raises:
        UnusableResultError: the response cannot be read, has too many pictures, or other media.
        PlatformError: there are no pictures, or fal's safety checker blacked out all of them.
    """
    _data(response)
    pictures = response.read(Pictures)
    if pictures is None and (single := response.read(SinglePicture)):
        pictures = Pictures(images=[single.image], has_nsfw_concepts=single.has_nsfw_concepts)
    if pictures is None:
        raise _absent(response, "pictures", ("images", "image"))
    if len(pictures.images) > _MAX_FILES:
        raise UnusableResultError(
            f"it has {len(pictures.images)} pictures; at most {_MAX_FILES} are supported"
        )
    flagged = pictures.has_nsfw_concepts or []
    is_checked = options.params.get("enable_safety_checker") is not False
    if is_checked and len(flagged) >= len(pictures.images) and all(flagged):
        raise _final(
            "fal's safety checker blacked out every picture; change the prompt",
            ErrorCategory.CONTENT_POLICY,
        )
    return [picture.url for picture in pictures.images]


def video_url(response: FalResponse) -> str:
    """Return the URL of the video in a response.

    Raises:
        UnusableResultError: the response cannot be read, or has other media.
        PlatformError: there is no video.
    """
    _data(response)
    video = response.read(Video)
    if video is None:
        raise _absent(response, "video", ("video",))
    return video.video.url


def app_results(response: FalResponse, inline: InlineFiles) -> dict[str, Any]:
    """Return the app's response, with its first URL as `result_url` unless it sets one itself.

    Args:
        response: of the app.
        inline: gets the files that the response contains; their names replace them.

    Raises:
        UnusableResultError: the response cannot be stored.
    """
    data = inline.moved_out(_data(response))
    # Cleaning takes long, and holds the GIL. Escapes may double what remains.
    if len(response.content) - inline.num_characters > 2 * (RESULT.max_bytes or 0):
        raise UnusableResultError(f"the app's response is larger than {RESULT.max_bytes} bytes")
    data = cleaned(data)
    results = cast("dict[str, Any]", data) if isinstance(data, dict) else {"output": data}
    own = results.get("result_url")
    if not isinstance(own, str):
        url = first_url(results)
        results |= {"result_url": url} if url or own is not None else {}
    try:
        admit(results, RESULT)
    except UntrustedValueError as error:
        raise UnusableResultError(f"the app's response {error}") from None
    return results


def media_urls(results: Mapping[str, Any], names: Container[str] = ()) -> list[str]:
    """Return the URL of every file in an app's response, in order and without duplicates.

    Args:
        results: the response.
        names: texts that stand for a file as well.

    Raises:
        UnusableResultError: there are too many.
    """
    found: dict[str, None] = {}
    for url in _urls([results], is_bare_taken=False, names=names):
        found[url] = None
        if len(found) > _MAX_FILES:
            raise UnusableResultError(f"it has more than {_MAX_FILES} files")
    return list(found)


def first_url(results: Mapping[str, Any]) -> str | None:
    """Return the URL of the first picture, video or file in an app's response."""
    likely = [results[name] for name in _MEDIA if name in results]
    return next(_urls(likely, is_bare_taken=True), None) or next(
        _urls([results], is_bare_taken=False), None
    )


def billed_units(response: FalResponse, provider: ProviderType, app_id: str) -> list[BilledUnits]:
    """Return the units that fal charged, by a header of the result. Each app has its own unit."""
    amount = response.amount(_UNITS_HEADER)
    if amount is None:
        return []
    return [BilledUnits(provider=provider, unit=f"units of {app_id}", amount=amount)]


def logged_progress(lines: Iterable[LogLine] | None) -> float | None:
    """Return the progress from 0 to 1 of the last progress bar in an app's log lines."""
    for line in reversed(list(lines or ())):
        bars = _PERCENT.findall(line.message)
        if bars:
            return min(int(bars[-1]), 100) / 100
    return None


def _urls(
    values: Iterable[Any], *, is_bare_taken: bool, names: Container[str] = ()
) -> Iterator[str]:
    """Yield the `url` of every object in fal's file format, breadth first; bare URLs optionally."""
    waiting = deque(values)
    while waiting:
        value = waiting.popleft()
        if isinstance(value, str):
            if value in names or (is_bare_taken and is_remote(value)):
                yield value
        elif isinstance(value, dict):
            item = cast("dict[str, Any]", value)
            if is_remote(item.get("url")):
                yield item["url"]
            waiting += item.values()
        elif isinstance(value, list):
            waiting += cast("list[Any]", value)


def _data(response: FalResponse) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise UnusableResultError(str(error)) from None


def _absent(response: FalResponse, expected: str, fields: tuple[str, ...]) -> PlatformError:
    """Return the error of a response without the media that the task is for.

    An app for other media would return them again, and charge again.
    """
    data = _data(response)
    if isinstance(data, dict):
        found = cast("dict[str, Any]", data)
        has_own = any(found.get(name) for name in fields)
        readable = (response.read(each) for each in (Pictures, SinglePicture, Video))
        if not has_own and (first_url(found) or any(readable)):
            return UnusableResultError(
                f"the app returned other media and no {expected}; name another fal_app_id"
            )
    message = f"fal's response contains no {expected}"
    return _final(message, ErrorCategory.PROVIDER_ERROR)


def _final(message: str, category: ErrorCategory) -> PlatformError:
    return PlatformError(message, category=category, is_final=True)
