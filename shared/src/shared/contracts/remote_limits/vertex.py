"""Limits of Gemini's models, on Vertex AI and on the Gemini API."""

from collections.abc import Iterator

from shared.contracts.enums import TaskType
from shared.contracts.gemini_images import DEFAULT_IMAGE_MODEL, image_size_fault, model_fault
from shared.contracts.options import Bounds
from shared.contracts.remote_limits.request import (
    MAPPED,
    PROVIDER_CONFIG,
    RemoteFault,
    RemoteRequest,
)
from shared.contracts.untrusted import Limits, UntrustedValueError, admit

_SCHEMA, _IMAGES = "output_schema", "num_images"
_LARGEST_SCHEMA = Limits(max_bytes=32 * 1024, max_values=5000)
_ONE = Bounds(1, 1, is_whole=True)


def vertex_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request to Gemini."""
    model = request.options.get("model")
    fault = None if model is None else model_fault(model)
    if fault:
        yield RemoteFault((PROVIDER_CONFIG, "model"), fault)
    if request.task_type is TaskType.LLM_INTERACTION:
        yield from _schema_faults(request)
        return
    name = model if isinstance(model, str) else DEFAULT_IMAGE_MODEL
    size = request.options.get("image_size")
    if not fault and size is not None and (fault := image_size_fault(name, size)):
        yield RemoteFault((PROVIDER_CONFIG, "image_size"), f"{fault} for {name}")
    yield from request.check_config([(_IMAGES, _ONE)], name)


def vertex_config_keys(task_type: TaskType) -> frozenset[str]:
    """Return the keys of `config` that reach a model."""
    return frozenset({_SCHEMA if task_type is TaskType.LLM_INTERACTION else _IMAGES})


def _schema_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    schema = request.config.get(_SCHEMA)
    if schema is None or schema == MAPPED:
        return
    place = ("config", _SCHEMA)
    if not isinstance(schema, dict):
        yield RemoteFault(place, "must be a JSON schema of an object")
        return
    try:
        admit(schema, _LARGEST_SCHEMA)  # pyright: ignore[reportUnknownArgumentType] -- JSON
    except UntrustedValueError as error:
        yield RemoteFault(place, str(error))
