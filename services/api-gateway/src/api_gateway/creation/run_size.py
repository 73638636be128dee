"""How much Temporal may be asked to carry."""

from pydantic import BaseModel
from temporalio.contrib.pydantic import pydantic_data_converter

from api_gateway.errors import Problem

MAX_RUN_BYTES = 1024 * 1024
"""Temporal's own limit is twice that; encryption by our codec makes a payload a third larger."""


def check_run_size(run: BaseModel) -> None:
    """Refuse a run that Temporal would refuse.

    Raises:
        Problem: 413.
    """
    size = pydantic_data_converter.payload_converter.to_payload(run).ByteSize()
    if size > MAX_RUN_BYTES:
        message = (
            f"the request's texts have {size} bytes in UTF-8; at most {MAX_RUN_BYTES} can be run"
        )
        raise Problem(413, "too_large", message)
