"""Limits of the apps on fal."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fal_apps.app import STEPS, FalApp, PictureApp, Takes, UpscalerApp, VideoApp
from shared.contracts.fal_apps.app_id import app_id_fault
from shared.contracts.fal_apps.table import chosen_app, has_apps, known_apps, task_types_of
from shared.contracts.options import Bounds, Choices, Flag, Option, Words
from shared.contracts.remote_limits.request import (
    MAPPED,
    PROVIDER_CONFIG,
    RemoteFault,
    RemoteRequest,
)
from shared.contracts.untrusted import Limits, UntrustedValueError, admit

_APP, _PARAMS = "fal_app_id", "additional_static_params"
_LARGEST_PARAMS = Limits(max_bytes=64 * 1024, max_values=10_000)
_CONFIG: Mapping[Takes, Option] = {
    Takes.STEPS: STEPS,
    Takes.GUIDANCE: Bounds(0, 30),
    Takes.NEGATIVE_PROMPT: Words(10_000),
}
"""Keys of `config` that picture apps take, beside `num_images`."""
_MOST_IMAGES = 8
"""Limit of `num_images` in the API, for apps of which nothing is known."""
_DEFAULT_CFG, _DEFAULT_DENOISE, _DEFAULT_STEPS = 0.5, 0.35, 20
"""Defaults of the request's fields; an app without such a field does not refuse them."""


def fal_faults(provider: ProviderType, request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request to fal."""
    app_faults = [*_app_faults(request)]
    yield from app_faults
    yield from _params_faults(request.options)
    if app_faults or provider is not ProviderType.FAL_STANDARD or not has_apps(request.task_type):
        return
    match chosen_app(request.task_type, request.options, request.fields):
        case PictureApp() as app:
            yield from _picture_faults(request, app)
        case UpscalerApp() as app:
            yield from _upscaler_faults(request, app)
        case VideoApp() as app:
            yield from _video_faults(request, app)


def fal_config_keys(request: RemoteRequest) -> frozenset[str] | None:
    """Return the keys of `config` that reach the app; none if all of its fields are free."""
    if not has_apps(request.task_type):
        return None
    return config_keys(chosen_app(request.task_type, request.options, request.fields))


def config_keys(app: FalApp) -> frozenset[str]:
    """Return the keys of `config` that an app takes."""
    match app:
        case PictureApp():
            general = app.takes & {Takes.NUM_IMAGES, *_CONFIG}
            return frozenset(name.value for name in general) | app.config.keys()
        case UpscalerApp():
            return frozenset(app.config)
        case VideoApp():
            has_key = {"generate_audio": app.audio, "aspect_ratio": app.ratios}
            return frozenset(key for key, has in has_key.items() if has or not app.is_known)


def known_fal_config_keys(task_type: TaskType) -> frozenset[str]:
    """Return the keys of a task type's `config` that some known app takes."""
    return frozenset[str]().union(*map(config_keys, known_apps(task_type)))


def _app_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    places = [((PROVIDER_CONFIG, _APP), request.options), ((_APP,), request.fields)]
    if has_apps(request.task_type):
        places.append((("config", _APP), request.config))
    is_used = True  # the first that is named
    for place, named in places:
        app_id = named.get(_APP)
        if app_id is None or app_id == "":
            continue
        if app_id != MAPPED and (fault := _app_fault(app_id, request.task_type, is_used=is_used)):
            yield RemoteFault(place, fault)
            return
        is_used = False


def _app_fault(app_id: object, task_type: TaskType, *, is_used: bool) -> str | None:
    if not isinstance(app_id, str):
        return "must be a text: owner/app or owner/app/path"
    serves = task_types_of(app_id) if has_apps(task_type) else ()
    if is_used and serves and task_type not in serves:
        return f"is {app_id}, which serves {', '.join(serves)} and not {task_type}; name another"
    return app_id_fault(app_id)


def _params_faults(options: Mapping[str, Any]) -> Iterator[RemoteFault]:
    try:
        admit(options.get(_PARAMS) or {}, _LARGEST_PARAMS)
    except UntrustedValueError as error:
        yield RemoteFault((PROVIDER_CONFIG, _PARAMS), str(error))


def _picture_faults(request: RemoteRequest, app: PictureApp) -> Iterator[RemoteFault]:
    most = _MOST_IMAGES if not app.is_known else app.max_images
    images = Bounds(1, most if Takes.NUM_IMAGES in app.takes else 1, is_whole=True)
    own = {name.value: option for name, option in _CONFIG.items() if name in app.takes}
    known: dict[str, Option] = {"num_images": images, **own, **app.config}
    yield from request.check_config(known.items(), app.id)
    references = request.fields.get("reference_images")
    if app.is_known and isinstance(references, list):
        count = len(references)  # pyright: ignore[reportUnknownArgumentType] -- JSON
        if count > max(app.max_references, 1):
            message = f"has {count} images; {app.id} takes at most {app.max_references}"
            yield RemoteFault(("reference_images",), message)
    strength = request.number("reference_image_strength")
    if app.picture and strength is not None and Takes.STRENGTH not in app.takes:
        yield _no_place("reference_image_strength", app.id)


def _upscaler_faults(request: RemoteRequest, app: UpscalerApp) -> Iterator[RemoteFault]:
    yield from request.check_config(app.config.items(), app.id)
    fields = request.fields
    factor = request.number("upscale_factor")
    is_upscaled = fields.get("upscale_enabled", True) is not False
    if factor is not None and is_upscaled and (fault := app.factors.fault(_whole(factor))):
        yield RemoteFault(("upscale_factor",), f"{fault} for {app.id}")
    steps = request.number("upscale_steps")
    if app.steps and steps is not None and (fault := app.step_bounds.fault(steps)):
        yield RemoteFault(("upscale_steps",), f"{fault} for {app.id}")
    unplaced = {
        "upscale_prompt": not app.prompt and bool(fields.get("upscale_prompt")),
        "upscale_denoise": not app.denoise
        and request.number("upscale_denoise") not in (None, _DEFAULT_DENOISE),
        "upscale_steps": not app.steps and steps not in (None, _DEFAULT_STEPS),
        "upscale_seed": not app.seed and fields.get("upscale_seed") is not None,
    }
    for name, is_unplaced in unplaced.items():
        if is_unplaced:
            yield _no_place(name, app.id)


def _video_faults(request: RemoteRequest, app: VideoApp) -> Iterator[RemoteFault]:
    known: dict[str, Option] = {"generate_audio": Flag()}
    if app.ratios:
        known["aspect_ratio"] = Choices(app.ratios)
    yield from request.check_config(known.items(), app.id)
    if app.is_known and app.audio is None and request.config.get("generate_audio") is True:
        yield RemoteFault(("config", "generate_audio"), f"{app.id} makes no sound; leave it out")
    seconds = request.number("duration_seconds")
    if app.durations and seconds is not None and seconds not in app.durations:
        able = ", ".join(map(str, app.durations))
        yield RemoteFault(("duration_seconds",), f"must be one of {able} for {app.id}")
    cfg_scale = request.number("cfg_scale")
    if cfg_scale is None:
        return
    if app.cfg_scale is None and cfg_scale != _DEFAULT_CFG:
        yield _no_place("cfg_scale", app.id)
    elif app.cfg_scale is not None and (fault := app.cfg_scale.fault(cfg_scale)):
        yield RemoteFault(("cfg_scale",), f"{fault} for {app.id}")


def _whole(number: float) -> float:
    return int(number) if number == int(number) else number


def _no_place(name: str, app_id: str) -> RemoteFault:
    return RemoteFault((name,), f"{app_id} has no such field; leave it out, or name another app")
