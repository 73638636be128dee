"""Apps on fal that generate videos, by the vendor's typed list of endpoints."""

from collections.abc import Iterator
from dataclasses import replace

from shared.contracts.fal_apps.app import Spelling, VideoApp
from shared.contracts.options import Bounds

KLING_FROM_PICTURE = "fal-ai/kling-video/v3/standard/image-to-video"
KLING_FROM_TEXT = "fal-ai/kling-video/v3/standard/text-to-video"

_CFG = Bounds(0, 1)
_THREE_TO_FIFTEEN = tuple(range(3, 16))
_FIVE_OR_TEN = (5, 10)
_KLING_RATIOS = ("16:9", "9:16", "1:1")
_SEEDANCE_RATIOS = ("auto", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
_LUMA_RATIOS = ("16:9", "9:16", "4:3", "3:4", "21:9", "9:21")
_PIXVERSE_RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16")
_AUDIO = "generate_audio"
_URL, _START = "image_url", "start_image_url"


def _pair(root: str, both: VideoApp, picture: str, ratios: tuple[str, ...]) -> Iterator[VideoApp]:
    """Yield the two apps of a model: from a picture, and from text with an aspect ratio."""
    yield replace(both, id=f"{root}/image-to-video", picture=picture)
    yield replace(both, id=f"{root}/text-to-video", ratios=ratios)


def _kling() -> Iterator[VideoApp]:
    older = VideoApp(id="", durations=_FIVE_OR_TEN, cfg_scale=_CFG, takes_negative_prompt=True)
    for root in (
        "v1/standard",
        "v1.6/standard",
        "v1.6/pro",
        "v2/master",
        "v2.1/master",
        "v2.5-turbo/pro",
    ):
        yield from _pair(f"fal-ai/kling-video/{root}", older, _URL, _KLING_RATIOS)
    for root in ("v2.1/standard", "v2.1/pro", "v2.5-turbo/standard"):  # not from text
        app_id = f"fal-ai/kling-video/{root}/image-to-video"
        yield replace(older, id=app_id, picture=_URL)
    sounding = replace(older, audio=_AUDIO)
    from_picture, from_text = _pair("fal-ai/kling-video/v2.6/pro", sounding, _START, _KLING_RATIOS)
    yield replace(from_picture, cfg_scale=None)
    yield from_text
    newest = replace(sounding, durations=_THREE_TO_FIFTEEN)
    for root in ("v3/standard", "v3/pro", "v3/4k"):
        yield from _pair(f"fal-ai/kling-video/{root}", newest, _START, _KLING_RATIOS)
    plain = VideoApp(id="", durations=_THREE_TO_FIFTEEN, audio=_AUDIO)
    for root in ("o3/standard", "o3/pro", "o3/4k"):
        yield from _pair(f"fal-ai/kling-video/{root}", plain, _URL, _KLING_RATIOS)


def _veo() -> Iterator[VideoApp]:
    veo = VideoApp(
        id="",
        durations=(4, 6, 8),
        spelling=Spelling.SECONDS,
        takes_negative_prompt=True,
        audio=_AUDIO,
        ratios=("16:9", "9:16"),
    )
    for root in ("fal-ai/veo3.1", "fal-ai/veo3.1/fast"):
        yield replace(veo, id=root)
        ratios = ("auto", *veo.ratios)
        yield replace(veo, id=f"{root}/image-to-video", picture=_URL, ratios=ratios)


def _hailuo() -> Iterator[VideoApp]:
    standard = VideoApp(id="", durations=(6, 10))
    yield from _pair("fal-ai/minimax/hailuo-02/standard", standard, _URL, ())
    fixed = VideoApp(id="", durations=(6,), spelling=Spelling.NONE)
    yield from _pair("fal-ai/minimax/hailuo-02/pro", fixed, _URL, ())


def _luma() -> Iterator[VideoApp]:
    luma = VideoApp(id="", durations=(5, 9), spelling=Spelling.SECONDS, ratios=_LUMA_RATIOS)
    for root in ("fal-ai/luma-dream-machine/ray-2", "fal-ai/luma-dream-machine/ray-2-flash"):
        yield replace(luma, id=root)
        yield replace(luma, id=f"{root}/image-to-video", picture=_URL)


def _seedance() -> Iterator[VideoApp]:
    first = VideoApp(id="", durations=tuple(range(2, 13)), ratios=_SEEDANCE_RATIOS)
    yield from _pair("fal-ai/bytedance/seedance/v1/pro", first, _URL, _SEEDANCE_RATIOS[1:])
    second = VideoApp(id="", durations=tuple(range(4, 16)), audio=_AUDIO, ratios=_SEEDANCE_RATIOS)
    for root in ("seedance-2.0", "seedance-2.0/fast", "seedance-2.0/mini"):
        yield from _pair(f"bytedance/{root}", second, _URL, _SEEDANCE_RATIOS)


def _pixverse() -> Iterator[VideoApp]:
    pixverse = VideoApp(id="", durations=(5, 8), takes_negative_prompt=True)
    for root in ("v4.5", "v5"):
        yield from _pair(f"fal-ai/pixverse/{root}", pixverse, _URL, _PIXVERSE_RATIOS)


VIDEOS = (*_kling(), *_veo(), *_hailuo(), *_luma(), *_seedance(), *_pixverse())


def unknown_video_app(app_id: str, *, has_picture: bool) -> VideoApp:
    """Return the conventional description of an app."""
    return VideoApp(
        id=app_id,
        picture=_URL if has_picture else None,
        spelling=Spelling.NUMBER,
        cfg_scale=Bounds(0, 2),
        takes_negative_prompt=True,
        is_known=False,
    )
