"""How much Temporal may be asked to carry."""

from pydantic import BaseModel

from api_gateway.errors import Problem

MAX_RUN_BYTES = 1024 * 1024
"""Temporal's own limit is twice that."""


def check_run_size(run: BaseModel) -> None:
    """Refuse a run that Temporal would refuse.

    Raises:
        Problem: 413.
    """
    size = len(run.model_dump_json())
    if size > MAX_RUN_BYTES:
        message = f"the request's texts are {size} bytes; at most {MAX_RUN_BYTES} can be run"
        raise Problem(413, "too_large", message)
