"""Carries values from earlier steps' results into a later step's inputs. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from shared.contracts.enums import MappingTransform, TaskType
from shared.contracts.pictures import is_remote
from shared.contracts.runs import PipelineStep, StepMapping
from shared.contracts.task_types.table import TASK_TYPES

_NAMED_BY_WORKERS = frozenset({"result_image_path", "result_image_paths", "result_video_path"})


_PICKS = frozenset({MappingTransform.FIRST, MappingTransform.LAST})


class MappingError(ValueError):
    """A mapping found no value, or one that its transform cannot take."""


Results = Mapping[str, Mapping[str, Any]]
"""Result fields by step id, of every step that is done."""


def linked_keys(mappings: Sequence[StepMapping], results: Results) -> list[str]:
    """The object keys that `to_url` needs links to.

    Raises:
        MappingError: a mapping has no value, or none that is a key.
    """
    values = [_given(m, results) for m in mappings if m.transform == MappingTransform.TO_URL]
    keys = [key for value in values for key in _to_list(value)]
    if wrong := [key for key in keys if not isinstance(key, str)]:
        raise MappingError(f"{wrong[0]!r} is no path of an object, which `to_url` needs")
    return list(dict.fromkeys(keys))


def picks_of_singles(mappings: Sequence[StepMapping], results: Results) -> bool:
    """Whether the first or the last is taken of what is no list."""
    picked = (
        results.get(m.from_step, {}).get(m.from_field) for m in mappings if m.transform in _PICKS
    )
    return any(value is not None and not isinstance(value, list) for value in picked)


def map_inputs(
    mappings: Sequence[StepMapping],
    results: Results,
    links: Mapping[str, str],
    *,
    picks_letters: bool = False,
) -> dict[str, Any]:
    """The mapped inputs of a step.

    Args:
        mappings: the step's mappings.
        results: of every step that is done.
        links: URL by object key, of `linked_keys`.
        picks_letters: the first of a text is its first letter, as in runs that began when it was;
            in all others whatever is no list is a list of one.

    Raises:
        MappingError: names the mapping, and what was wrong with its value.
    """
    transforms = _IN_OLDER_RUNS if picks_letters else _TRANSFORMS
    return {m.to_field: _value(m, results, links, transforms) for m in mappings}


def doubtful_keys(
    step: PipelineStep,
    mapped: Mapping[str, Any],
    results: Results,
    types: Mapping[str, TaskType],
) -> list[str]:
    """Object keys that the step is about to read, and that come out of an outside answer.

    An app on fal and a language model answer what clients make them answer, another tenant's key
    for instance: these are held against their owners. What our workers have made is named by them.

    Args:
        step: about to run.
        mapped: its mapped inputs.
        results: of every step that is done.
        types: task type by step id.
    """
    pictures = {field.name for field in TASK_TYPES[step.run.task_type].pictures}
    values: list[Any] = []
    for mapping in step.mappings:
        is_ours = not TASK_TYPES[types[mapping.from_step]].has_free_results
        if is_ours and mapping.from_field in _NAMED_BY_WORKERS:
            continue
        if mapping.to_field in pictures:
            values += _to_list(mapped[mapping.to_field])
        elif mapping.transform == MappingTransform.TO_URL:
            values += _to_list(_given(mapping, results))
    keys = [value for value in values if isinstance(value, str) and not is_remote(value)]
    return list(dict.fromkeys(keys))


def _given(mapping: StepMapping, results: Results) -> Any:
    value = results.get(mapping.from_step, {}).get(mapping.from_field)
    if value is None:
        raise MappingError(
            f"{mapping.from_step}.{mapping.from_field} has no value to map to {mapping.to_field}"
        )
    return value


def _value(
    mapping: StepMapping,
    results: Results,
    links: Mapping[str, str],
    transforms: "_Transforms",
) -> Any:
    name = f"{mapping.from_step}.{mapping.from_field}"
    value = _given(mapping, results)
    if mapping.transform is None:
        return value
    if mapping.transform == MappingTransform.TO_URL:
        linked = [links[key] for key in _to_list(value)]
        return linked if isinstance(value, list) else linked[0]
    try:
        return transforms[mapping.transform](value)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise MappingError(f"{name} cannot be transformed by {mapping.transform}") from error


def _to_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] -- JSON


def _to_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else json.dumps(value)


_Transforms: TypeAlias = Mapping[MappingTransform, Callable[[Any], Any]]
_TRANSFORMS: _Transforms = {
    MappingTransform.FIRST: lambda value: _to_list(value)[0],
    MappingTransform.LAST: lambda value: _to_list(value)[-1],
    MappingTransform.TO_LIST: _to_list,
    MappingTransform.TO_STRING: str,
    MappingTransform.TO_INT: int,
    MappingTransform.TO_FLOAT: float,
    MappingTransform.JSON: _to_json,
}
_IN_OLDER_RUNS: _Transforms = {
    **_TRANSFORMS,
    MappingTransform.FIRST: lambda value: value[0],
    MappingTransform.LAST: lambda value: value[-1],
}
