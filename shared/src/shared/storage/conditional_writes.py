"""A probe of conditional writes, which paid submissions rely on and some S3 servers ignore."""

from uuid import uuid4

from shared.contracts.folders import PROBES_FOLDER
from shared.storage.object_store import ObjectStore

_TEXT = "text/plain"


async def honours_conditional_writes(objects: ObjectStore) -> bool:
    """Return true if the store creates an object once: its second conditional write is refused.

    Raises:
        StorageError: the store did not respond, or does not know the condition.
    """
    key = f"{PROBES_FOLDER}/{uuid4()}"
    try:
        is_first_created = await objects.put_new(key, b"first", _TEXT)
        is_second_created = await objects.put_new(key, b"second", _TEXT)
        return is_first_created and not is_second_created and await objects.get(key) == b"first"
    finally:
        await objects.delete(key)
