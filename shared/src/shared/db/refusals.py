"""Detection of values that the database refuses for good, so that a retry does not help."""

from sqlalchemy.exc import DBAPIError, StatementError

_REFUSED = ("22", "23")
"""Classes of SQLSTATE: data exceptions and integrity constraint violations."""

_NOT_SERIALISABLE = (ValueError, TypeError, ArithmeticError, RecursionError)
"""Exceptions raised for a value that cannot be serialised for the database."""


def refusal(error: Exception) -> str | None:
    """Return why the database refuses a value, without the value; none if a retry may help."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        is_refused = isinstance(state, str) and state.startswith(_REFUSED)
        return f"SQLSTATE {state}" if is_refused else None
    if isinstance(error, StatementError) and isinstance(error.orig, _NOT_SERIALISABLE):
        return type(error.orig).__name__
    return None
