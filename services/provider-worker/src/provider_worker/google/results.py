"""Results in a response: pictures, or a text, and the tokens that they cost. Pure functions."""

import base64
import binascii
import io

from PIL import Image

from provider_worker.errors import DamagedResultError
from provider_worker.google.convert import GeminiWork
from provider_worker.google.errors import NAME, refusal
from provider_worker.google.geometry import deviation, is_off
from provider_worker.google.response import GeminiResponse
from provider_worker.google.wire import Generated
from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import BilledUnits

_URL_SAFE = str.maketrans("-_", "+/")


def read_generated(response: GeminiResponse) -> Generated:
    """Return a stored response.

    Raises:
        DamagedResultError: it is no response of Gemini.
    """
    generated = response.read(Generated)
    if generated is None:
        raise DamagedResultError(f"{NAME}'s response cannot be read")
    return generated


def check_result(generated: Generated, work: GeminiWork, billed: list[BilledUnits]) -> None:
    """Check that a response has the requested result.

    Raises:
        PlatformError: it has not; the error names the reason, and has the billed tokens.
    """
    error = refusal(generated, billed, wants_picture=work.wants_picture)
    if error is not None:
        raise error


def billed_units(generated: Generated, provider: ProviderType) -> list[BilledUnits]:
    """Return the tokens that a response says it cost."""
    usage = generated.usage_metadata
    if usage is None:
        return []
    amounts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return [
        BilledUnits(provider=provider, unit=unit, amount=amount)
        for unit, amount in amounts.items()
        if amount
    ]


def pictures_of(generated: Generated) -> list[bytes]:
    """Return the pictures of a response, less the drafts among its thoughts.

    Raises:
        DamagedResultError: one is no base64.
    """
    candidates = generated.candidates or []
    blobs = candidates[0].pictures if candidates else []
    try:
        return [base64.b64decode(blob.data.translate(_URL_SAFE), validate=True) for blob in blobs]
    except (binascii.Error, ValueError) as error:
        raise DamagedResultError(f"{NAME}'s picture is no base64") from error


def shape_warnings(work: GeminiWork, pictures: list[bytes]) -> list[str]:
    """Return a warning for each picture whose ratio is not the requested one.

    Args:
        work: the request.
        pictures: files that Pillow can read.
    """
    if work.ratio is None:
        return []
    warnings: list[str] = []
    for content in pictures:
        with Image.open(io.BytesIO(content)) as image:
            size = image.size
        deviates = deviation(work.model, work.ratio, size)
        if is_off(deviates):
            warnings.append(
                f"{work.model} returned {size[0]} x {size[1]} pixels, which is {deviates:.0%} off"
                f" the requested ratio {work.ratio}."
            )
    return warnings
