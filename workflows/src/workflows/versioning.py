"""Which runs stay with the version of the workflow worker that began them, and which move on.

Runs are pinned (`shared.temporal.worker.worker_options`) unless their start says `AUTO_UPGRADE`: what
may last for days is not to keep an old worker, with its old ways of writing records, alive.
"""

from temporalio.common import AutoUpgradeVersioningOverride

AUTO_UPGRADE = AutoUpgradeVersioningOverride()
"""For the starts of long runs. Given there and not by `workflow.defn`, whose word for it the server
refuses from workers that are not versioned. Without versioning it changes nothing."""
