"""Whether the records refuse a value for good, so that no repetition helps."""

from sqlalchemy.exc import DBAPIError, StatementError

_REFUSED = ("22", "23")
"""Classes of SQLSTATE: data that a column cannot hold, rows that contradict others."""

_UNSPEAKABLE = (ValueError, TypeError, ArithmeticError, RecursionError)
"""What is raised for a value that cannot even be spelled for the database."""


def refusal(error: Exception) -> str | None:
    """What the database has against a value, without the value; none where it may yet take it."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        is_refused = isinstance(state, str) and state.startswith(_REFUSED)
        return f"SQLSTATE {state}" if is_refused else None
    if isinstance(error, StatementError) and isinstance(error.orig, _UNSPEAKABLE):
        return type(error.orig).__name__
    return None
