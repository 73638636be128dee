"""Mapping of earlier steps' results into a later step's inputs. Pure functions.

An app on fal or a language model can return any value; `MappingGate` bounds its size and shape.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from shared.contracts.enums import MappingTransform, TaskType
from shared.contracts.pictures import is_remote
from shared.contracts.runs import PipelineStep, StepMapping
from shared.contracts.task_types.table import TASK_TYPES
from shared.contracts.untrusted import MAPPED, UntrustedValueError, admit, clean_text, find_fault

_MAX_OBJECTS = 1000
"""Maximum number of objects that a step reads or links to: the limit of one message."""
_ALL_BYTES = 1024 * 1024
"""Maximum size of all mapped values of a run: its steps may start at once, in one message."""
_LONGEST_SHOWN = 100
"""Maximum number of characters of a value in an error text."""
_PICKING = frozenset({MappingTransform.FIRST, MappingTransform.LAST})
"""Transforms that return the value or an element of it."""
_NAMED_BY_WORKERS = frozenset({"result_image_path", "result_image_paths", "result_video_path"})


class MappingError(ValueError):
    """A mapping found no value, or a value that it cannot use."""


Results = Mapping[str, Mapping[str, Any]]
"""Result fields by step id, of every completed step."""


class MappingGate:
    """Size limits of the mapped values of one run: per value, per step, and in total.

    Args:
        is_enforced: called before a value is refused; false in the replay of a run that started
            before these limits existed.
    """

    def __init__(self, is_enforced: Callable[[], bool] = lambda: True) -> None:
        self._is_enforced = is_enforced
        self._bytes_left = _ALL_BYTES

    def check(self, name: str, value: object) -> None:
        """Check the shape of a value that is about to be transformed; its size is still unknown."""
        fault = find_fault(value, MAPPED)
        if fault is not None:
            self._refuse(f"{name} {fault}")

    def admit(self, name: str, value: object) -> int:
        """Check a mapped value, and return its size in bytes."""
        if not self._bytes_left:
            self._refuse(f"the workflow maps more than {_ALL_BYTES} bytes between its steps")
        try:
            return admit(value, MAPPED)
        except UntrustedValueError as error:
            self._refuse(f"{name} {error}")
        return 0

    def count(self, num_bytes: int) -> None:
        """Count the size of all values that are mapped into one step."""
        if num_bytes > (MAPPED.max_bytes or num_bytes):
            self._refuse(f"the values mapped into it are larger than {MAPPED.max_bytes} bytes")
        self._bytes_left = max(self._bytes_left - num_bytes, 0)

    def _refuse(self, fault: str) -> None:
        if self._is_enforced():
            raise MappingError(fault)


def linked_keys(mappings: Sequence[StepMapping], results: Results, gate: MappingGate) -> list[str]:
    """Return the object keys that `to_url` needs links to.

    Raises:
        MappingError: a mapping has no value, or a value that is not a key.
    """
    keys: list[Any] = []
    for mapping in mappings:
        if mapping.transform == MappingTransform.TO_URL:
            value = _given(mapping, results)
            gate.check(_name(mapping), value)
            keys += (named := _to_list(value))
            if any(not isinstance(key, str) for key in named):
                begin = describe_mapping(mapping, value)
                raise MappingError(
                    f"{begin}: `to_url` needs the path of an object, or a list of paths"
                )
    return _distinct(keys)


def picks_of_singles(mappings: Sequence[StepMapping], results: Results) -> bool:
    """Return true if `first` or `last` is applied to a value that is not a list."""
    picked = (
        results.get(m.from_step, {}).get(m.from_field) for m in mappings if m.transform in _PICKING
    )
    return any(value is not None and not isinstance(value, list) for value in picked)


def map_inputs(
    mappings: Sequence[StepMapping],
    results: Results,
    links: Mapping[str, str],
    gate: MappingGate,
    *,
    picks_letters: bool = False,
) -> dict[str, Any]:
    """Return the mapped inputs of a step.

    Args:
        mappings: the step's mappings.
        results: results of every completed step.
        links: URLs by object key, for `linked_keys`.
        gate: limits of the run.
        picks_letters: `first` of a text is its first letter, as in runs that started under that
            rule; in all others a value that is not a list counts as a list of one.

    Raises:
        MappingError: names the mapping and the fault of its value.
    """
    transforms = _IN_OLDER_RUNS if picks_letters else _TRANSFORMS
    mapped: dict[str, Any] = {}
    num_bytes = 0
    for mapping in mappings:
        mapped[mapping.to_field] = value = _value(mapping, results, links, gate, transforms)
        num_bytes += gate.admit(_name(mapping), value)
    gate.count(num_bytes)
    return mapped


def doubtful_keys(
    step: PipelineStep,
    mapped: Mapping[str, Any],
    results: Results,
    types: Mapping[str, TaskType],
) -> list[str]:
    """Return the object keys that a step will read and that an outside service returned.

    A client controls what an app on fal or a language model returns, so it may contain the key of
    another tenant. The caller checks the owners of these keys. Keys that our own workers returned
    are trusted.

    Args:
        step: the step that is about to run.
        mapped: its mapped inputs.
        results: results of every completed step.
        types: task type by step id.

    Raises:
        MappingError: there are too many.
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
    return _distinct([v for v in values if isinstance(v, str) and not is_remote(v)])


def _given(mapping: StepMapping, results: Results) -> Any:
    value = results.get(mapping.from_step, {}).get(mapping.from_field)
    if value is None:
        raise MappingError(f"{_name(mapping)} has no value to map to {mapping.to_field}")
    return value


def _name(mapping: StepMapping) -> str:
    return f"{mapping.from_step}.{mapping.from_field}"


def describe_mapping(mapping: StepMapping, value: object) -> str:
    """Return the beginning of an error text: a mapping and its value, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):  # a value from before the limits existed
        text = f"a {type(value).__name__}"
    if len(text) > _LONGEST_SHOWN:
        text = f"{text[: _LONGEST_SHOWN - 1]}…"
    return clean_text(f"{_name(mapping)} is {text} and cannot be mapped to {mapping.to_field}")


def _distinct(keys: list[str]) -> list[str]:
    distinct = list(dict.fromkeys(keys))
    if len(distinct) > _MAX_OBJECTS:
        raise MappingError(f"it names {len(distinct)} objects; at most {_MAX_OBJECTS} can be read")
    return distinct


def _value(
    mapping: StepMapping,
    results: Results,
    links: Mapping[str, str],
    gate: MappingGate,
    transforms: "_Transforms",
) -> Any:
    value = _given(mapping, results)
    if mapping.transform is None:
        return value
    if mapping.transform == MappingTransform.TO_URL:
        linked = [links[key] for key in _to_list(value)]
        return linked if isinstance(value, list) else linked[0]
    if mapping.transform not in _PICKING:
        gate.check(_name(mapping), value)
    try:
        return transforms[mapping.transform](value)
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        message = f"{describe_mapping(mapping, value)}: {mapping.transform} cannot convert it"
        raise MappingError(message) from error


def _to_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] -- JSON


def _to_string(value: Any) -> str:
    """Return a text as it is, and everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _to_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else json.dumps(value)


_Transforms: TypeAlias = Mapping[MappingTransform, Callable[[Any], Any]]
_TRANSFORMS: _Transforms = {
    MappingTransform.FIRST: lambda value: _to_list(value)[0],
    MappingTransform.LAST: lambda value: _to_list(value)[-1],
    MappingTransform.TO_LIST: _to_list,
    MappingTransform.TO_STRING: _to_string,
    MappingTransform.TO_INT: int,
    MappingTransform.TO_FLOAT: float,
    MappingTransform.JSON: _to_json,
}
_IN_OLDER_RUNS: _Transforms = {
    **_TRANSFORMS,
    MappingTransform.FIRST: lambda value: value[0],
    MappingTransform.LAST: lambda value: value[-1],
}
