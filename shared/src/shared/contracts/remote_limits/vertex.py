"""Limits of Gemini's models, on Vertex AI and on the Gemini API."""

from collections.abc import Iterator

from shared.contracts.enums import TaskType
from shared.contracts.gemini_images import DEFAULT_IMAGE_MODEL, image_size_fault, model_fault
from shared.contracts.options import Bounds
from shared.contracts.remote_limits.ai_core import LLM_CONFIG_KEYS, llm_faults
from shared.contracts.remote_limits.request import PROVIDER_CONFIG, RemoteFault, RemoteRequest

_IMAGES = "num_images"
_ONE = Bounds(1, 1, is_whole=True)


def vertex_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request to Gemini."""
    model = request.options.get("model")
    fault = None if model is None else model_fault(model)
    if fault:
        yield RemoteFault((PROVIDER_CONFIG, "model"), fault)
    if request.task_type is TaskType.LLM_INTERACTION:
        yield from llm_faults(request)
        return
    name = model if isinstance(model, str) else DEFAULT_IMAGE_MODEL
    size = request.options.get("image_size")
    if not fault and size is not None and (fault := image_size_fault(name, size)):
        yield RemoteFault((PROVIDER_CONFIG, "image_size"), f"{fault} for {name}")
    yield from request.check_config([(_IMAGES, _ONE)], name)


def vertex_config_keys(task_type: TaskType) -> frozenset[str]:
    """Return the keys of `config` that reach a model."""
    return LLM_CONFIG_KEYS if task_type is TaskType.LLM_INTERACTION else frozenset({_IMAGES})
