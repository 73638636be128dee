"""What can go wrong in this worker beyond the platform's own errors."""

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class Cancelled(PlatformError):  # noqa: N818 — says what happened; it is no fault
    """The engine was told to stop, and did so between two denoise steps."""

    category = ErrorCategory.CANCELLED


class ModelLoadError(PlatformError):
    """The model could not be loaded; the worker cannot start."""
