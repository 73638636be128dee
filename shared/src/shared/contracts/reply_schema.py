"""Limits of the JSON schema that a language model's reply is asked to follow. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, cast

from shared.contracts.untrusted import Limits, UntrustedValueError, admit

_LIMITS = Limits(max_bytes=32 * 1024, max_values=5_000, max_depth=40)
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_DEFINITIONS = ("$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "dependentSchemas", *_DEFINITIONS)
_SINGLES = (
    "items",
    "additionalItems",
    "unevaluatedItems",
    "additionalProperties",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "contentSchema",
    "propertyNames",
)
_APART = ("properties/", "prefixItems/")
"""Parts of which each concerns another part of a reply."""
_OTHER_REFERENCES = ("$dynamicRef", "$recursiveRef", "dependencies")
_NEW_ROOTS = ("$id", "id")
_MOST_OPTIONAL, _MOST_UNIONS = 24, 16
_MOST_PARTS = 5_000
_MOST_STEPS = 50


def schema_fault(schema: object) -> str | None:
    """Return why a schema cannot be asked for, or none.

    It is an object's schema of at most 32 KiB. Its references stay within it, and the time to check
    a reply does not grow exponentially with their number or with the reply's depth.
    """
    if not _is_object(schema):
        return "must be a JSON schema: an object"
    try:
        admit(schema, _LIMITS)
    except UntrustedValueError as error:
        return str(error)
    if schema.get("type") != "object":
        return 'must describe an object: "type": "object" at its top'
    return next(_part_faults(schema, schema, ""), None) or _expansion_fault(schema)


def is_schema(schema: object) -> TypeGuard[Mapping[str, Any]]:
    """Return true if a schema can be asked for."""
    return schema_fault(schema) is None


def anthropic_schema_fault(schema: Mapping[str, Any]) -> str | None:
    """Return why Anthropic refuses a schema, or none.

    It allows at most 24 optional fields and 16 fields with several types in the whole schema, and
    no recursion.
    """
    optional = unions = 0
    for node in _inline(schema):
        fields: Mapping[str, Any] = node["properties"]
        required = node.get("required", [])
        optional += sum(name not in required for name in fields)
        unions += sum(
            _is_object(field) and ("anyOf" in field or isinstance(field.get("type"), list))
            for field in fields.values()
        )
    if optional > _MOST_OPTIONAL:
        return f"has {optional} optional fields; anthropic takes at most {_MOST_OPTIONAL}"
    if unions > _MOST_UNIONS:
        return f"has {unions} fields with several types; anthropic takes at most {_MOST_UNIONS}"
    is_recursive = _Expansion(schema).recursions() > 0
    return "refers to itself, which anthropic does not take" if is_recursive else None


def _part_faults(root: Mapping[str, Any], part: Any, place: str) -> Iterator[str]:
    """Yield the faults of a part of a schema: those that would make it mean nothing."""
    if isinstance(part, bool):
        return
    where = f"{place or 'its top'}: "
    if not _is_object(part):
        yield f"{where}a schema is an object, true or false"
        return
    yield from (f"{where}{fault}" for fault in _own_faults(root, part))
    for name, child in _children(part):
        yield from _part_faults(root, child, f"{place}/{name}" if place else name)


def _own_faults(root: Mapping[str, Any], part: Mapping[str, Any]) -> Iterator[str]:
    kind: Any = part.get("type", [])
    kinds = cast("list[Any]", kind) if isinstance(kind, list) else [kind]
    if unknown := [each for each in kinds if not isinstance(each, str) or each not in _TYPES]:
        yield f"{unknown[0]!s} is no type; these are: {', '.join(sorted(_TYPES))}"
    required: Any = part.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):  # pyright: ignore[reportUnknownVariableType] -- JSON
        yield "required must be a list of names"
    if "$ref" in part and _target(root, part["$ref"]) is None:
        yield "$ref must refer to a part of the schema: #/$defs/Name"
    yield from (f"{name} is not supported" for name in _OTHER_REFERENCES if name in part)
    if part is not root:
        yield from (f"{name} is supported at the top alone" for name in _NEW_ROOTS if name in part)
    for name in ("enum", *_LISTS):
        if name in part and not (isinstance(part[name], list) and part[name]):
            yield f"{name} must be a list that is not empty"
    for name in _MAPS:
        if name in part and not _is_object(part[name]):
            yield f"{name} must be an object of schemas"


def _children(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _SINGLES:
        if name in part:
            yield name, part[name]
    for name in _LISTS:
        if isinstance(part.get(name), list):
            yield from ((f"{name}/{index}", child) for index, child in enumerate(part[name]))
    for name in _MAPS:
        if _is_object(part.get(name)):
            yield from ((f"{name}/{key}", child) for key, child in part[name].items())


def _inline(part: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a schema with fields, less those that are only referred to."""
    if not _is_object(part):
        return
    if _is_object(part.get("properties")):
        yield part
    for name, child in _children(part):
        if not name.startswith(_DEFINITIONS):
            yield from _inline(child)


class _ExpansionError(Exception):
    """A schema that is too large once its references are followed."""


class _Expansion:
    """A schema whose references are followed, as a check of a reply does it.

    Args:
        root: the schema.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._num_parts = 0

    def recursions(self) -> int:
        """Return how often the schema refers back to itself for one part of a reply.

        With more than once, the time to check a reply grows exponentially with its depth.

        Raises:
            _ExpansionError: it has too many parts.
        """
        return self._recursions(self._root, ("#",))

    def _recursions(self, part: Any, path: tuple[str, ...]) -> int:
        if not _is_object(part):
            return 0
        self._num_parts += 1
        if self._num_parts > _MOST_PARTS:
            raise _ExpansionError(f"has more than {_MOST_PARTS} parts with its references followed")
        count = apart = 0
        if isinstance(ref := part.get("$ref"), str):
            count += self._followed(ref, path)
        for name, child in _children(part):
            if name.startswith(_APART):
                apart = max(apart, self._recursions(child, path))
            elif not name.startswith(_DEFINITIONS):
                count += self._recursions(child, path)
        return count + apart

    def _followed(self, ref: str, path: tuple[str, ...]) -> int:
        if ref in path:
            return 1
        if len(path) > _MOST_STEPS:
            raise _ExpansionError(f"has references of references of more than {_MOST_STEPS} steps")
        return self._recursions(_target(self._root, ref), (*path, ref))


def _expansion_fault(schema: Mapping[str, Any]) -> str | None:
    try:
        recursions = _Expansion(schema).recursions()
    except _ExpansionError as error:
        return str(error)
    return "refers to itself more than once for the same value" if recursions > 1 else None


def _target(root: Mapping[str, Any], ref: object) -> Any:
    """Return the part that a reference names; none if there is none."""
    if ref == "#":
        return root
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return None
    found: Any = root
    for step in ref.removeprefix("#/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not _is_object(found) or name not in found:
            return None
        found = found[name]
    return found


def _is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, dict)
