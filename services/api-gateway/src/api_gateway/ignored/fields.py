"""The fields of a body that no schema knows, at every depth. Pure.

Unions are told apart as validation does it: tasks by `task_type` or their fields, configurations of
providers by `provider_type`, wherever it stands. What is free by design, such as the parameters of
an app, is nobody's to judge.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from api_gateway.fault_list import MAX_FAULTS
from api_gateway.ignored.names import nearest
from api_gateway.ignored.parts import NO_FIELD, IgnoredPart
from api_gateway.ignored.schemas import Parts, Schema, engine_config, names_of, parts_of
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.fields import (
    JsonObject,
    canonical_task_type,
    object_or_none,
)
from api_gateway.tasks.schemas.provider_choice import ProviderChoice
from api_gateway.tasks.schemas.unions import SCHEMAS, type_of
from api_gateway.tasks.schemas.update import TaskPublicUpdateBase
from api_gateway.workflows.schemas import (
    CreateWorkflow,
    WorkflowPublic,
    WorkflowStepDefinition,
    WorkflowUpdate,
)
from shared.contracts.enums import TaskType

Place = tuple[str | int, ...]
Json = Mapping[str, Any]

_MOST_OBJECTS = 5000
"""Searched in one body; one that has more is refused for the length of its lists."""
_RECORDED: dict[Schema, frozenset[str]] = {
    TaskPublicUpdateBase: frozenset(
        name
        for schemas in SCHEMAS.values()
        for schema in (schemas.create, schemas.public)
        for name in schema.model_fields
    ),
    WorkflowUpdate: frozenset(WorkflowPublic.model_fields.keys() | CreateWorkflow.model_fields),
}
"""What the records have that these changes do not reach."""
NO_KEY = "it is kept, but nothing reads this key"
FIXED = "it cannot be changed here"


def unknown_fields(schemas: tuple[Schema, ...], body: object) -> Iterator[IgnoredPart]:
    """Return what a body has that its schema does not know.

    Args:
        schemas: of the body; of several, the one that its fields ask for.
        body: JSON, valid or not.
    """
    if not isinstance(body, dict):
        return
    sent = cast("Json", body)
    schema = schemas[0] if len(schemas) == 1 else _task_schema(sent)
    if schema is not None:
        yield from _Search().within(schema, sent, ("body",))


def unknown_in_step(task_type: str, config: Json, place: Place) -> Iterator[IgnoredPart]:
    """Return what a step's config has that its task type does not know.

    Args:
        task_type: the step's.
        config: JSON, valid or not.
        place: where it stands in the body.
    """
    yield from _Search().of_step(task_type, config, place)


def _task_schema(body: Json) -> Schema | None:
    task_type = type_of(body)
    return None if task_type is None else SCHEMAS[task_type].create


@dataclass
class _Search:
    """One search through a body."""

    num_found: int = 0
    num_searched: int = 0

    def within(
        self, schema: Schema, sent: Json, place: Place, also: frozenset[str] = frozenset()
    ) -> Iterator[IgnoredPart]:
        """Search an object.

        Args:
            schema: the object's.
            sent: the object.
            place: where it stands.
            also: names that it may have besides.
        """
        self.num_searched += 1
        if self.num_searched > _MOST_OBJECTS:
            return
        names = names_of(schema)
        known = names.keys() | also
        if unknown := [name for name in sent if name not in known]:
            fixed = _recorded(schema)
            below = _names_below(schema, sent, place) if self._is_naming else []
            for name in unknown:
                is_fixed = name in fixed
                part = IgnoredPart((*place, name), why=FIXED) if is_fixed else None
                yield part or self._unknown(name, place, known, below)
        for name in (name for name in sent if name in names):
            yield from self._below(schema, names[name], sent, (*place, name))
        if issubclass(schema, CreateTaskBase):
            task_type = TaskType(schema.model_fields["task_type"].default)
            yield from self._config(task_type, sent.get("config"), schema, (*place, "config"))

    def _below(self, schema: Schema, name: str, sent: Json, place: Place) -> Iterator[IgnoredPart]:
        value = sent[place[-1]]  # pyright: ignore[reportArgumentType] -- a name
        if schema is WorkflowStepDefinition and name == "config":
            yield from self.of_step(sent.get("task_type"), value, place)
            return
        parts = parts_of(schema, name)
        if parts.schemas:
            named = _provider_named(schema, name, sent)
            yield from self._part(parts, value, place, named)

    def _part(self, parts: Parts, value: object, place: Place, tags: Json) -> Iterator[IgnoredPart]:
        if parts.is_keyed and isinstance(value, dict):
            unkeyed = Parts(parts.schemas)
            for name, item in cast("Json", value).items():
                yield from self._part(unkeyed, item, (*place, name), tags)
        elif isinstance(value, list):
            for index, item in enumerate(cast("list[object]", value)):
                if not isinstance(item, list):  # no list of ours has lists in it
                    yield from self._part(parts, item, (*place, index), tags)
        elif isinstance(value, dict):
            sent = cast("Json", value)
            schema = parts.fitting({**tags, **sent})
            if schema is not None:
                yield from self.within(schema, sent, place)

    def of_step(self, named: object, config: object, place: Place) -> Iterator[IgnoredPart]:
        """Search a step's config: it has the fields of its task type and the keys of its engine."""
        task_type = canonical_task_type(named)
        if isinstance(config, dict) and isinstance(task_type, str) and task_type in SCHEMAS:
            kind = TaskType(task_type)
            also = engine_config(kind)
            yield from self.within(SCHEMAS[kind].create, cast("Json", config), place, also)

    def _config(
        self, task_type: TaskType, config: object, schema: Schema, place: Place
    ) -> Iterator[IgnoredPart]:
        """Search a task's free configuration, where an engine reads some of its keys."""
        known = engine_config(task_type)
        if not (known and isinstance(config, dict)):
            return
        if unknown := [name for name in cast("Json", config) if name not in known]:
            names = sorted(names_of(schema)) if self._is_naming else []
            beside = [_path(place[:-1], name) for name in names]
            for name in unknown:
                yield self._unknown(name, place, known, beside, NO_KEY)

    @property
    def _is_naming(self) -> bool:
        """Whether the next part is told its nearest name: of very many, the first are."""
        return self.num_found < MAX_FAULTS

    def _unknown(
        self,
        name: str,
        place: Place,
        known: Collection[str],
        elsewhere: Collection[str],
        why: str = NO_FIELD,
    ) -> IgnoredPart:
        is_named = self._is_naming  # nobody is told more, and comparing names takes time
        self.num_found += 1
        return IgnoredPart(
            (*place, name), nearest(name, known, elsewhere) if is_named else None, why
        )


def _recorded(schema: Schema) -> frozenset[str]:
    for base, names in _RECORDED.items():
        if issubclass(schema, base):
            return names
    return frozenset()


def _path(place: Place, name: str) -> str:
    return ".".join(map(str, (*place, name)))


def _names_below(schema: Schema, sent: Json, place: Place) -> list[str]:
    """Return the names that the parts of an object know, each with its place."""
    found: list[str] = []
    for name in schema.model_fields:
        tags = _provider_named(schema, name, sent)
        part = parts_of(schema, name).fitting(tags) if parts_of(schema, name).schemas else None
        found += [_path((*place, name), each) for each in (names_of(part) if part else ())]
    if issubclass(schema, CreateTaskBase):
        keys = engine_config(TaskType(schema.model_fields["task_type"].default))
        found = [*(_path((*place, "config"), key) for key in sorted(keys)), *found]
    return found


def _provider_named(schema: Schema, name: str, sent: Json) -> Json:
    """Return the provider of a configuration, as the request names it beside."""
    if not (issubclass(schema, ProviderChoice) and name.endswith("provider_config")):
        return {}
    body: JsonObject = {**sent, name: object_or_none(sent.get(name)) or {}}
    if "task_type" not in body and "task_type" in schema.model_fields:
        body["task_type"] = schema.model_fields["task_type"].default
    return object_or_none(schema.with_named_configs(body).get(name)) or {}
