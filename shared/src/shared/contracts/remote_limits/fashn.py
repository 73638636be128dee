"""Limits of FASHN's try-on."""

from collections.abc import Iterator

from shared.contracts.fashn_options import IMAGE_HEIGHTS, MODEL_NAME, OPTIONS, TRYON
from shared.contracts.remote_limits.request import (
    MAPPED,
    PROVIDER_CONFIG,
    RemoteFault,
    RemoteRequest,
)


def fashn_faults(request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request to FASHN."""
    references = request.fields.get("reference_images")
    count = len(references) if isinstance(references, list) else 0  # pyright: ignore[reportUnknownArgumentType] -- JSON
    if references != MAPPED and count != 1:
        message = f"has {count} images; a try-on takes exactly one: the garment"
        yield RemoteFault(("reference_images",), message)
    height = request.options.get("max_image_height")
    if height is not None and (fault := IMAGE_HEIGHTS.fault(height)):
        yield RemoteFault((PROVIDER_CONFIG, "max_image_height"), fault)
    name = request.config.get("model_name", TRYON)
    if fault := MODEL_NAME.fault(name):
        yield RemoteFault(("config", "model_name"), fault)
    else:
        yield from request.check_config(OPTIONS[name].items(), name)


def fashn_config_keys(request: RemoteRequest) -> frozenset[str]:
    """Return the keys of `config` that reach the model."""
    name = request.config.get("model_name", TRYON)
    known = OPTIONS[name] if MODEL_NAME.fault(name) is None else OPTIONS[TRYON]
    return frozenset({"model_name", *known})
