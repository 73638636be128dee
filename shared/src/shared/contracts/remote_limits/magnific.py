"""Limits of Magnific's upscalers."""

from collections.abc import Iterator, Mapping

from shared.contracts.enums import ProviderType
from shared.contracts.options import Bounds, Choices, Option
from shared.contracts.remote_limits.request import MAPPED, RemoteFault, RemoteRequest

FACTORS: Mapping[ProviderType, Option] = {
    ProviderType.FREEPIK_MAGNIFIC: Choices((2, 4, 8, 16)),
    ProviderType.FREEPIK_MAGNIFIC_PRECISION: Bounds(2, 16, is_whole=True),
}


def magnific_faults(provider: ProviderType, request: RemoteRequest) -> Iterator[RemoteFault]:
    """Yield the faults of a request to Magnific."""
    if request.fields.get("upscale_enabled", True) is False:
        message = f"{provider} always enlarges a picture; leave it out, or set it to true"
        yield RemoteFault(("upscale_enabled",), message)
        return
    factor = request.fields.get("upscale_factor")
    if factor == MAPPED:
        return
    if factor is None:
        yield RemoteFault(("upscale_factor",), f"{provider} needs it; sizes in pixels do not do")
    elif fault := FACTORS[provider].fault(int(factor) if factor == int(factor) else factor):
        yield RemoteFault(("upscale_factor",), f"{fault} for {provider}")
