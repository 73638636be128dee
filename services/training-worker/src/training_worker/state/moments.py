"""Times of a training that all its attempts share, such as its start."""

from datetime import UTC, datetime
from uuid import UUID

from training_worker.state.objects import Objects


class Moments:
    """Times that the first attempt to ask sets, and later ones read.

    Args:
        objects: the store.
        training_id: of the training.
    """

    def __init__(self, objects: Objects, training_id: UUID) -> None:
        self._objects = objects
        self._folder = f"trainings/{training_id}/moments"

    def first(self, name: str) -> datetime:
        """Return the time at which a moment was first asked for."""
        key = f"{self._folder}/{name}"
        stored = self._objects.get(key)
        if stored is not None:
            return datetime.fromisoformat(stored.decode())
        now = datetime.now(UTC)
        self._objects.write_json(key, now.isoformat())
        return now
