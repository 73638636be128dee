"""Folders (first parts of object keys) that the platform writes to; clients cannot save there."""

from shared.contracts.task_types.table import TASK_TYPES

SAVED_FOLDER = "saved_pictures"
"""Contents of pictures that clients saved, each under its own key. No client path maps here."""

EVALUATIONS_FOLDER = "evaluations"
"""Pictures under evaluation. They are removed when the evaluation ends."""

QUARANTINE_FOLDER = "quarantine"
"""Uploaded pickles, which only the converter opens, and the files that it writes. They are removed
when the request ends."""

PROBES_FOLDER = "storage_probes"
"""Objects with which a worker tests the store at its start."""

LORAS_FOLDER = "loras"
"""LoRA files, by SHA-256."""

TRAININGS_FOLDER = "trainings"
"""Pictures, datasets and models of trainings."""

TEMPORARY_FOLDERS = frozenset({EVALUATIONS_FOLDER, PROBES_FOLDER, QUARANTINE_FOLDER})
"""Folders of work in progress. Old objects in them were left behind by a crashed process."""

PLATFORM_FOLDERS = frozenset(
    {
        *(row.folder for row in TASK_TYPES.values()),
        *TEMPORARY_FOLDERS,
        SAVED_FOLDER,
        LORAS_FOLDER,
        TRAININGS_FOLDER,
    }
)
"""All folders. Code that writes objects takes its folder from this module."""
