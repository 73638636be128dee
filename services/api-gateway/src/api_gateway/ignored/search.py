"""Search of a request body, at every depth, for fields that no schema knows. Pure.

A field that may hold one of several schemas is resolved by its tag, as in validation. Free
objects, such as the parameters of an app, are not searched. `SearchRules` add what a package
knows about its schemas beyond their fields.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from api_gateway.fault_list import MAX_FAULTS
from api_gateway.ignored.nearest_names import nearest
from api_gateway.ignored.report import FIXED, NO_FIELD, NO_KEY, SET_HERE, IgnoredField
from api_gateway.ignored.schemas import NestedSchemas, Schema, names_of, nested_schemas

Place = tuple[str | int, ...]
Json = Mapping[str, Any]

_MOST_OBJECTS = 5000
"""Largest number of objects searched in one body; a larger body is refused for its long lists."""


@dataclass(frozen=True)
class InnerObject:
    """A schema for the object in a free field."""

    schema: Schema
    keys: frozenset[str] = frozenset()
    """Known names beyond the schema's."""


def _no_tags(_schema: Schema, _field: str, _sent: Json) -> Json:
    return {}


@dataclass(frozen=True)
class SearchRules:
    """Knowledge of a package about its schemas beyond their fields."""

    schema_of: Callable[[Json], Schema | None] | None = None
    """Chooses the schema of a body that may be one of several."""
    fixed: Mapping[Schema, frozenset[str]] = field(default_factory=dict[Schema, frozenset[str]])
    """Fields that a record has and that a change cannot set, by the change's base schema."""
    config_keys: Mapping[Schema, frozenset[str]] = field(
        default_factory=dict[Schema, frozenset[str]]
    )
    """Known keys of the free field `config`, by schema."""
    inner: Mapping[tuple[Schema, str], Callable[[Json], InnerObject | None]] = field(
        default_factory=dict[tuple[Schema, str], Callable[[Json], InnerObject | None]]
    )
    """Finder of the schema of the object in a free field, given the object around it."""
    set_here: Mapping[Schema, frozenset[str]] = field(default_factory=dict[Schema, frozenset[str]])
    """Fields whose values the platform sets and a request cannot, by schema."""
    tags_of: Callable[[Schema, str, Json], Json] = _no_tags
    """Finder of the tags that the object around a field gives to the field's value."""


def unknown_fields(
    schemas: tuple[Schema, ...], body: object, rules: SearchRules
) -> Iterator[IgnoredField]:
    """Yield the fields of a body that its schema does not know.

    Args:
        schemas: the schemas that the body may have.
        body: JSON, valid or not.
        rules: the rules of the body's package.
    """
    if not isinstance(body, dict):
        return
    sent = cast("Json", body)
    schema = schemas[0] if len(schemas) == 1 or not rules.schema_of else rules.schema_of(sent)
    if schema is not None:
        yield from Search(rules).within(schema, sent, ("body",))


@dataclass
class Search:
    """State of one search through a body."""

    rules: SearchRules
    num_found: int = 0
    num_searched: int = 0

    def within(
        self, schema: Schema, sent: Json, place: Place, also: frozenset[str] = frozenset()
    ) -> Iterator[IgnoredField]:
        """Search an object.

        Args:
            schema: the object's schema.
            sent: the object.
            place: its location in the body.
            also: known names beyond the schema's.
        """
        self.num_searched += 1
        if self.num_searched > _MOST_OBJECTS:
            return
        names = names_of(schema)
        known = names.keys() | also
        if unknown := [name for name in sent if name not in known]:
            fixed = self._fixed(schema)
            below = self._names_below(schema, sent, place) if self._is_naming else []
            for name in unknown:
                is_fixed = name in fixed
                found = IgnoredField((*place, name), why=FIXED) if is_fixed else None
                yield found or self._unknown(name, place, known, below)
        for name in sorted(self.rules.set_here.get(schema, frozenset[str]()) & sent.keys()):
            if sent[name] is not None:
                yield IgnoredField((*place, name), why=SET_HERE)
        for name in (name for name in sent if name in names):
            yield from self._below(schema, names[name], sent, (*place, name))
        if schema in self.rules.config_keys:
            yield from self._config(schema, sent.get("config"), (*place, "config"))

    def _below(self, schema: Schema, name: str, sent: Json, place: Place) -> Iterator[IgnoredField]:
        value: object = sent[place[-1]]  # pyright: ignore[reportArgumentType] -- a name
        find_inner = self.rules.inner.get((schema, name))
        is_object = isinstance(value, dict)
        inner = find_inner(sent) if find_inner and is_object else None
        if inner is not None:
            yield from self.within(inner.schema, cast("Json", value), place, inner.keys)
            return
        nested = nested_schemas(schema, name)
        if nested.schemas:
            yield from self._nested(nested, value, place, self.rules.tags_of(schema, name, sent))

    def _nested(
        self, nested: NestedSchemas, value: object, place: Place, tags: Json
    ) -> Iterator[IgnoredField]:
        if nested.is_keyed and isinstance(value, dict):
            unkeyed = NestedSchemas(nested.schemas)
            for name, item in cast("Json", value).items():
                yield from self._nested(unkeyed, item, (*place, name), tags)
        elif isinstance(value, list):
            for index, item in enumerate(cast("list[object]", value)):
                if not isinstance(item, list):  # no known list holds lists
                    yield from self._nested(nested, item, (*place, index), tags)
        elif isinstance(value, dict):
            sent = cast("Json", value)
            schema = nested.fitting({**tags, **sent})
            if schema is not None:
                yield from self.within(schema, sent, place)

    def _config(self, schema: Schema, config: object, place: Place) -> Iterator[IgnoredField]:
        """Search a free configuration, of which an engine reads some keys."""
        known = self.rules.config_keys[schema]
        if not (known and isinstance(config, dict)):
            return
        if unknown := [name for name in cast("Json", config) if name not in known]:
            names = sorted(names_of(schema)) if self._is_naming else []
            beside = [_path(place[:-1], name) for name in names]
            for name in unknown:
                yield self._unknown(name, place, known, beside, NO_KEY)

    def _fixed(self, schema: Schema) -> frozenset[str]:
        for base, names in self.rules.fixed.items():
            if issubclass(schema, base):
                return names
        return frozenset()

    def _names_below(self, schema: Schema, sent: Json, place: Place) -> list[str]:
        """Return the known names of an object's nested objects, each with its place.

        A name that several have stands for the first; the free `config` comes after the others.
        """
        keys = self.rules.config_keys.get(schema, frozenset[str]())
        found: dict[str, str] = {}
        for name in schema.model_fields:
            nested = nested_schemas(schema, name)
            tags: Json = self.rules.tags_of(schema, name, sent) if nested.schemas else {}
            inner = nested.fitting(tags) if nested.schemas else None
            for each in names_of(inner) if inner else ():
                found.setdefault(each, _path((*place, name), each))
        in_config = [_path((*place, "config"), key) for key in sorted(keys - found.keys())]
        return [*in_config, *found.values()]

    @property
    def _is_naming(self) -> bool:
        """True while nearest names are looked up: only for the first of very many fields."""
        return self.num_found < MAX_FAULTS

    def _unknown(
        self,
        name: str,
        place: Place,
        known: Collection[str],
        elsewhere: Collection[str],
        why: str = NO_FIELD,
    ) -> IgnoredField:
        is_named = self._is_naming  # comparing names takes time
        self.num_found += 1
        return IgnoredField(
            (*place, name), nearest(name, known, elsewhere) if is_named else None, why
        )


def _path(place: Place, name: str) -> str:
    return ".".join(map(str, (*place, name)))
