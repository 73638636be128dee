"""The folder of an attempt in the object store. Pure."""

from shared.contracts.submissions import RemoteWork
from shared.contracts.task_types.table import TASK_TYPES


def attempt_folder(work: RemoteWork) -> str:
    """Return the folder of the work's marks and results."""
    if work.folder is not None:
        return f"{work.folder}/a{work.attempt}"
    return TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)
