"""VIDEO_GENERATION: a video from a prompt, and from a first picture."""

from typing import Any

from provider_worker.fal.convert.call import (
    FalCall,
    NeededObjects,
    Sources,
    read_options,
    stated,
)
from provider_worker.fal.urls import check_app_id
from provider_worker.inputs import read_inputs
from shared.contracts.fal_apps.app import Spelling, VideoApp
from shared.contracts.fal_apps.table import chosen_app
from shared.contracts.message import Message
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError

_DEFAULT_CFG = 0.5


class _Config(Message):
    """Keys of `config`."""

    generate_audio: bool | None = None
    aspect_ratio: str | None = None


class _Inputs(Message):
    """Inputs of a VIDEO_GENERATION at fal."""

    prompt: str
    input_image_url: str | None = None
    """Object key of the first picture."""
    negative_prompt: str | None = None
    duration_seconds: int = 5
    cfg_scale: float = _DEFAULT_CFG
    config: _Config = _Config()


def video_objects(work: RemoteWork) -> NeededObjects:
    """Return the first picture of a VIDEO_GENERATION."""
    picture = read_inputs(_Inputs, work.inputs).input_image_url
    return NeededObjects(pictures=frozenset({picture} if picture else ()))


def video_call(work: RemoteWork, sources: Sources) -> FalCall:
    """Convert a VIDEO_GENERATION.

    Raises:
        InvalidInputError: its inputs are incomplete, or the app cannot do it.
    """
    inputs, options = read_inputs(_Inputs, work.inputs), read_options(work)
    app = chosen_app(work.task_type, work.provider_config, work.inputs)
    assert isinstance(app, VideoApp)
    body: dict[str, Any] = {"prompt": inputs.prompt, **_picture(app, inputs, sources)}
    body |= {"duration": _duration(app, inputs.duration_seconds)}
    body |= _optional_fields(app, inputs)
    ignored = _ignored(app, inputs)
    merged = {**stated(body), **options.params}
    return FalCall(check_app_id(app.id), merged, app.output, tuple(ignored))


def _picture(app: VideoApp, inputs: _Inputs, sources: Sources) -> dict[str, str]:
    picture = inputs.input_image_url
    if picture and app.picture is None:
        raise InvalidInputError(f"input_image_url: {app.id} takes no picture; name another app")
    if not picture and app.picture is not None:
        raise InvalidInputError(f"input_image_url: {app.id} needs a picture; name another app")
    return {app.picture: sources.urls[picture]} if app.picture and picture else {}


def _duration(app: VideoApp, seconds: int) -> str | int | None:
    if app.durations and seconds not in app.durations:
        able = ", ".join(map(str, app.durations))
        raise InvalidInputError(f"duration_seconds: must be one of {able} for {app.id}")
    return app.duration(seconds)


def _optional_fields(app: VideoApp, inputs: _Inputs) -> dict[str, Any]:
    """Return the fields that not every app has. Sound costs more, so it is off by default."""
    config = inputs.config
    fields: dict[str, Any] = {}
    if app.takes_negative_prompt:
        fields["negative_prompt"] = inputs.negative_prompt or None
    if app.cfg_scale and (app.is_known or inputs.cfg_scale != _DEFAULT_CFG):
        fields["cfg_scale"] = inputs.cfg_scale
    if app.audio or not app.is_known:
        is_silent = False if app.is_known else None
        asked = config.generate_audio
        fields[app.audio or "generate_audio"] = is_silent if asked is None else asked
    if app.ratios or not app.is_known:
        fields["aspect_ratio"] = config.aspect_ratio
    return fields


def _ignored(app: VideoApp, inputs: _Inputs) -> list[str]:
    if not app.is_known:
        return []
    config = inputs.config
    has_place = {
        "negative_prompt": app.takes_negative_prompt or not inputs.negative_prompt,
        "duration_seconds": app.spelling is not Spelling.NONE,
        "cfg_scale": app.cfg_scale is not None,
        "config.generate_audio": app.audio is not None or config.generate_audio is None,
        "config.aspect_ratio": bool(app.ratios) or config.aspect_ratio is None,
    }
    return [name for name, is_placed in has_place.items() if not is_placed]
