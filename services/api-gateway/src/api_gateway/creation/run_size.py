"""The size limit of a run's input."""

from pydantic import BaseModel
from temporalio.contrib.pydantic import pydantic_data_converter

from api_gateway.errors import Problem

MAX_RUN_BYTES = 1024 * 1024
"""Half of Temporal's limit, since our codec's encryption makes a payload a third larger."""


def check_run_size(run: BaseModel) -> None:
    """Refuse a run whose input exceeds Temporal's limit.

    Raises:
        Problem: 413.
    """
    size = pydantic_data_converter.payload_converter.to_payload(run).ByteSize()
    if size > MAX_RUN_BYTES:
        message = (
            f"the request has {size} bytes of text in UTF-8; send at most {MAX_RUN_BYTES}, and"
            " pictures as data URLs or paths of stored pictures, which do not count"
        )
        raise Problem(413, "too_large", message)
