"""The known apps by task type, the default ones, and the capabilities of each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.capabilities import LORA_FIELDS, LORA_OBJECTS
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.app import FalApp
from shared.contracts.fal_apps.pictures import (
    EDITORS,
    FLUX,
    FLUX_FROM_PICTURE,
    FLUX_WITH_LORAS,
    GENERATORS,
    KONTEXT,
    KONTEXT_MULTI,
    unknown_picture_app,
)
from shared.contracts.fal_apps.upscalers import CLARITY, UPSCALERS, unknown_upscaler
from shared.contracts.fal_apps.videos import (
    KLING_FROM_PICTURE,
    KLING_FROM_TEXT,
    VIDEOS,
    unknown_video_app,
)

_Fields = Mapping[str, Any]
_EVERYTHING = frozenset(Cap) - {Cap.FACE_DETAIL, Cap.VISION}
"""Capabilities of an app of which nothing is known."""


@dataclass(frozen=True)
class _Row:
    """The apps of one task type.

    Attributes:
        apps: the known ones, by id.
        defaults: the ones that are used where a task names none.
        choose: returns the default that fits the fields of a task.
        guess: returns the description of an unknown app, for the fields of a task.
        capabilities: returns those of a known app.
    """

    apps: Mapping[str, FalApp]
    defaults: tuple[str, ...]
    choose: Callable[[_Fields], str]
    guess: Callable[[str, _Fields], FalApp]
    capabilities: Callable[[Any], frozenset[Cap]]


def _by_id(apps: Iterable[FalApp]) -> dict[str, FalApp]:
    return {app.id: app for app in apps}


def _generator(fields: _Fields) -> str:
    if fields.get("reference_image_url") or fields.get("reference_image_data"):
        return FLUX_FROM_PICTURE
    has_lora = any(fields.get(name) for name in (*LORA_FIELDS, LORA_OBJECTS))
    return FLUX_WITH_LORAS if has_lora else FLUX


def _has_first_picture(fields: _Fields) -> bool:
    return bool(fields.get("input_image_url") or fields.get("input_image_data"))


_ROWS: Mapping[TaskType, _Row] = {
    TaskType.GENERATION: _Row(
        apps=_by_id(GENERATORS),
        defaults=(FLUX, FLUX_WITH_LORAS, FLUX_FROM_PICTURE),
        choose=_generator,
        guess=lambda app_id, _: unknown_picture_app(app_id),
        capabilities=lambda app: app.generation_capabilities,
    ),
    TaskType.EDITING: _Row(
        apps=_by_id(EDITORS),
        defaults=(KONTEXT, KONTEXT_MULTI),
        choose=lambda fields: KONTEXT_MULTI if fields.get("reference_images") else KONTEXT,
        guess=lambda app_id, _: unknown_picture_app(app_id),
        capabilities=lambda app: app.editing_capabilities,
    ),
    TaskType.REFINE: _Row(
        apps=_by_id(UPSCALERS),
        defaults=(CLARITY,),
        choose=lambda _: CLARITY,
        guess=lambda app_id, _: unknown_upscaler(app_id),
        capabilities=lambda app: app.capabilities,
    ),
    TaskType.VIDEO_GENERATION: _Row(
        apps=_by_id(VIDEOS),
        defaults=(KLING_FROM_PICTURE, KLING_FROM_TEXT),
        choose=lambda fields: KLING_FROM_PICTURE if _has_first_picture(fields) else KLING_FROM_TEXT,
        guess=lambda app_id, fields: unknown_video_app(
            app_id, has_picture=_has_first_picture(fields)
        ),
        capabilities=lambda app: app.capabilities,
    ),
}


def has_apps(task_type: TaskType) -> bool:
    """Return true if the apps of a task type are described here."""
    return task_type in _ROWS


def known_apps(task_type: TaskType) -> tuple[FalApp, ...]:
    """Return the descriptions of the known apps for a task type."""
    return tuple(_ROWS[task_type].apps.values()) if task_type in _ROWS else ()


def task_types_of(app_id: str) -> tuple[TaskType, ...]:
    """Return the task types that an app serves; none if it is not known."""
    return tuple(task_type for task_type, row in _ROWS.items() if _known(row, app_id))


def _known(row: _Row, app_id: str) -> FalApp | None:
    """Return a known app; its id may be spelt in any case."""
    return row.apps.get(app_id.lower())


def named_app(options: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """Return the app that a provider's configuration names, or else the request; or none.

    Args:
        options: the provider's configuration.
        fields: the request's fields, `config` included, which may name it as well.
    """
    config: object = fields.get("config")
    for place in (options, fields, config):
        named: object = place.get("fal_app_id") if isinstance(place, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- JSON
        if isinstance(named, str) and named:
            return named
    return None


def chosen_app(
    task_type: TaskType, options: Mapping[str, Any], fields: Mapping[str, Any]
) -> FalApp:
    """Return the app that does a task: the named one, or the default for its fields.

    Args:
        task_type: one of those whose apps are described here.
        options: the provider's configuration.
        fields: the task's fields.
    """
    row = _ROWS[task_type]
    app_id = named_app(options, fields) or row.choose(fields)
    return _known(row, app_id) or row.guess(app_id, fields)


def app_capabilities(task_type: TaskType, app_id: str | None) -> frozenset[Cap]:
    """Return the capabilities of an app; without one, those of all default apps together."""
    row = _ROWS[task_type]
    if app_id is None:
        found = (row.capabilities(row.apps[each]) for each in row.defaults)
        return frozenset[Cap]().union(*found)
    app = _known(row, app_id)
    return _EVERYTHING if app is None else row.capabilities(app)
