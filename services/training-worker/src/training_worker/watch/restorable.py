"""The protocol of what survives a resume: kept in the resume state, as JSON."""

from typing import Any, Protocol


class Restorable(Protocol):
    """Something with a state beside weights and optimizer."""

    def state(self) -> dict[str, Any]:
        """Return the state as JSON."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state` returned at the step that the run resumes at."""
        ...
