"""Worker versioning of long runs.

A run is pinned to the worker version that started it (`shared.temporal.worker.worker_options`),
unless its start passes `AUTO_UPGRADE`. Runs that may last for days pass it, so that they do not
keep an old worker, which writes records the old way, alive.
"""

from temporalio.common import AutoUpgradeVersioningOverride

AUTO_UPGRADE = AutoUpgradeVersioningOverride()
"""Versioning override for the starts of long runs. Set at the start and not in `workflow.defn`,
because the server refuses the latter from workers without versioning. Without versioning it has no
effect."""
