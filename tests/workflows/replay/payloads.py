"""Payloads of recorded histories, their declared types, and decoding that forbids unknown fields.

Temporal's own decoding ignores unknown fields, so that an old worker can read a newer message. A
renamed field would therefore replay without an error, at its default.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message as ProtobufMessage
from pydantic import BaseModel, TypeAdapter, ValidationError
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.common import SearchAttributeKey

import shared.contracts
from shared.contracts.picture_objects import PICTURE_OBJECTS
from shared.contracts.runs import TaskRun
from shared.contracts.service_requests import CallReport, ServiceRequest
from shared.contracts.submissions import RemoteWork
from shared.contracts.task_types.table import TASK_TYPES
from shared.temporal import search
from workflows.worker import WORKFLOWS

_Path = tuple[str, ...]

_ATTRIBUTES = "_event_attributes"
_EXTERNAL_SIGNAL = f"signal_external_workflow_execution_initiated{_ATTRIBUTES}"

UNTYPED = {
    ("core_local_activity", "data"): "the SDK's own: which local activity ended, and when",
    ("core_patch", "patch-data"): "the SDK's own: the id of a patch",
}
"""Payloads without a declared type, by marker and detail, with the reason."""


class UndeclaredPayloadError(Exception):
    """No type is declared for a payload."""


@dataclass(frozen=True)
class RecordedPayload:
    """One payload of a history.

    Attributes:
        event: the event that carries it.
        path: fields, map keys and list indices from the event to the payload.
        payload: the payload.
    """

    event: HistoryEvent
    path: _Path
    payload: Payload

    def __str__(self) -> str:
        return f"event {self.event.event_id}, {'.'.join(self.path)}"


def payloads_of(history: WorkflowHistory) -> list[RecordedPayload]:
    """Return every payload of every event."""
    return [
        RecordedPayload(event, path, payload)
        for event in history.events
        for path, payload in _payloads_in(event, ())
    ]


def _payloads_in(message: ProtobufMessage, path: _Path) -> Iterator[tuple[_Path, Payload]]:
    if isinstance(message, Payload):
        yield path, message
        return
    for field, value in message.ListFields():
        for key, item in _items(value):
            if isinstance(item, ProtobufMessage):
                yield from _payloads_in(item, (*path, field.name, *key))


def _items(value: Any) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, ProtobufMessage):
        yield (), value
    elif isinstance(value, Mapping):
        yield from (((str(key),), item) for key, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from (((str(index),), item) for index, item in enumerate(value))


class DeclaredTypes:
    """The types that workflows and activities declare for the payloads of one history."""

    def __init__(self, history: WorkflowHistory) -> None:
        self._events = {event.event_id: event for event in history.events}
        self._workflow = _workflow(
            history.events[0].workflow_execution_started_event_attributes.workflow_type.name
        )
        self._finders: dict[_Path, Callable[[HistoryEvent, str], object]] = {
            ("user_metadata", "summary"): _text,
            ("user_metadata", "details"): _text,
            (f"workflow_execution_started{_ATTRIBUTES}", "input"): self._workflow_argument,
            (f"workflow_execution_completed{_ATTRIBUTES}", "result"): self._workflow_result,
            (f"workflow_execution_continued_as_new{_ATTRIBUTES}", "input"): _new_run_argument,
            (f"workflow_execution_signaled{_ATTRIBUTES}", "input"): self._signal_argument,
            (_EXTERNAL_SIGNAL, "input"): _external_signal_argument,
            (f"activity_task_scheduled{_ATTRIBUTES}", "input"): _activity_argument,
            (f"activity_task_completed{_ATTRIBUTES}", "result"): self._activity_result,
            (f"marker_recorded{_ATTRIBUTES}", "details", "result"): _local_activity_result,
        }

    def type_of(self, recorded: RecordedPayload) -> object:
        """Return the declared type.

        Raises:
            UndeclaredPayloadError: there is none.
        """
        *_, last = path = recorded.path
        if path[-4:-1] == ("application_failure_info", "details", "payloads"):
            return ServiceRequest | CallReport
        if (
            path[-3:] == ("search_attributes", "indexed_fields", last)
            and last in _SEARCH_ATTRIBUTES
        ):
            return _SEARCH_ATTRIBUTES[last]
        finder = self._finders.get(path[:2]) or self._finders.get(path[:3])
        if finder is None:
            raise UndeclaredPayloadError("no type is declared for it")
        try:
            return finder(recorded.event, last)
        except LookupError as error:
            raise UndeclaredPayloadError(f"no type is declared for it: {error!r}") from error

    def _workflow_argument(self, _: HistoryEvent, index: str) -> object:
        return self._workflow.arg_types[int(index)]

    def _workflow_result(self, _: HistoryEvent, __: str) -> object:
        return self._workflow.ret_type

    def _signal_argument(self, event: HistoryEvent, index: str) -> object:
        name = event.workflow_execution_signaled_event_attributes.signal_name
        return self._workflow.signals[name].arg_types[int(index)]

    def _activity_result(self, event: HistoryEvent, _: str) -> object:
        number = event.activity_task_completed_event_attributes.scheduled_event_id
        scheduled = self._events[number].activity_task_scheduled_event_attributes
        return _ACTIVITIES[scheduled.activity_type.name].ret_type


def _text(_: HistoryEvent, __: str) -> object:
    return str


def _new_run_argument(event: HistoryEvent, index: str) -> object:
    new_run = event.workflow_execution_continued_as_new_event_attributes
    return _workflow(new_run.workflow_type.name).arg_types[int(index)]


def _external_signal_argument(event: HistoryEvent, index: str) -> object:
    name = event.signal_external_workflow_execution_initiated_event_attributes.signal_name
    types = [each.signals[name].arg_types for each in _WORKFLOWS.values() if name in each.signals]
    assert all(each == types[0] for each in types)
    return types[0][int(index)]


def _activity_argument(event: HistoryEvent, index: str) -> object:
    name = event.activity_task_scheduled_event_attributes.activity_type.name
    return _ACTIVITIES[name].arg_types[int(index)]


def _local_activity_result(event: HistoryEvent, _: str) -> object:
    data = event.marker_recorded_event_attributes.details["data"].payloads[0].data
    return _ACTIVITIES[json.loads(data)["activity_type"]].ret_type


def faults_of(history: WorkflowHistory) -> list[str]:
    """Return a line for each payload that has no declared type or does not fit it exactly."""
    types = DeclaredTypes(history)
    faults: list[str] = []
    for recorded in payloads_of(history):
        if is_untyped(recorded):
            continue
        try:
            decode(recorded.payload, types.type_of(recorded))
        except (UndeclaredPayloadError, ValidationError, ValueError) as error:
            faults.append(f"{recorded}: {error}")
    return faults


def is_untyped(recorded: RecordedPayload) -> bool:
    """Return true for what `UNTYPED` lists."""
    if recorded.path[:2] != (f"marker_recorded{_ATTRIBUTES}", "details"):
        return False
    name = recorded.event.marker_recorded_event_attributes.marker_name
    return (name, recorded.path[2]) in UNTYPED


def decode(payload: Payload, declared: object) -> Any:
    """Decode a payload as its declared type, with unknown fields forbidden at every depth.

    Raises:
        ValidationError: the payload does not fit, or has a field that its type lacks.
        ValueError: an encoding or an input of a task that is unknown.
    """
    adapter = TypeAdapter[Any](declared)
    encoding = payload.metadata["encoding"]
    if encoding == b"binary/null":
        return adapter.validate_python(None)
    if encoding != b"json/plain":
        raise ValueError(f"unknown encoding {encoding!r}")
    value = adapter.validate_json(payload.data, extra="forbid")
    for each in _models_in(value):
        if isinstance(each, TaskRun | RemoteWork):
            _check_inputs(each)
    return value


def _models_in(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        value = [item for _, item in value]
    if isinstance(value, list):
        for item in value:
            yield from _models_in(item)


def _check_inputs(run: TaskRun | RemoteWork) -> None:
    """Check that the task type has all inputs, which messages carry as an untyped object.

    Raises:
        ValueError: names unknown inputs.
    """
    row = TASK_TYPES[run.task_type]
    known = {*row.inputs.model_fields, PICTURE_OBJECTS, "config"}
    if row.activity is not None:
        inputs = row.activity.request.model_fields["inputs"].annotation
        assert isinstance(inputs, type)
        assert issubclass(inputs, BaseModel)
        known |= set(inputs.model_fields)
    if unknown := sorted(run.inputs.keys() - known):
        raise ValueError(f"inputs that {run.task_type} does not have: {', '.join(unknown)}")


def _workflow(name: str) -> Any:
    return _WORKFLOWS[name]


def _declared_activities() -> Iterator[Any]:
    """Yield the definition of each activity that a contract declares."""
    for module in pkgutil.walk_packages(shared.contracts.__path__, "shared.contracts."):
        for holder in vars(importlib.import_module(module.name)).values():
            if isinstance(holder, type):
                for method in vars(holder).values():
                    if found := activity._Definition.from_callable(method):
                        yield found


_WORKFLOWS = {each.name: each for each in map(workflow._Definition.must_from_class, WORKFLOWS)}
_ACTIVITIES = {each.name: each for each in _declared_activities()}
_SEARCH_ATTRIBUTES = {
    key.name: key.value_type for key in vars(search).values() if isinstance(key, SearchAttributeKey)
} | {"TemporalChangeVersion": list[str]}  # the SDK's own: the patches of a run
