"""The first parts of object keys that the platform writes itself: no client saves there."""

from shared.contracts.task_types.table import TASK_TYPES

SAVED_FOLDER = "saved_pictures"
"""The bytes of pictures that clients saved, each under a key of its own; no path leads here."""

EVALUATIONS_FOLDER = "evaluations"
"""Pictures being evaluated. Nothing in here outlives its evaluation."""

QUARANTINE_FOLDER = "quarantine"
"""Pickles that nobody but the converter opens, and what it makes of them. Nothing in here outlives
its request."""

LORAS_FOLDER = "loras"
"""LoRA files, by digest."""

TRAININGS_FOLDER = "trainings"
"""Pictures, datasets and models of trainings."""

TEMPORARY_FOLDERS = frozenset({EVALUATIONS_FOLDER, QUARANTINE_FOLDER})
"""Folders of requests that are under way: what lies there for long, a dead process has left."""

PLATFORM_FOLDERS = frozenset(
    {
        *(row.folder for row in TASK_TYPES.values()),
        *TEMPORARY_FOLDERS,
        SAVED_FOLDER,
        LORAS_FOLDER,
        TRAININGS_FOLDER,
    }
)
"""All of them: the one list. Code that writes objects takes its folder from this module."""
