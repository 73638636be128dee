"""Trains swatch-kontext from the packaged swatch: python -m training_worker.swatch.editing.

Run from the root. An interrupted run continues where it stopped; delete `.sartiq/swatch/kontext.pt`
to start anew.
"""

import sys

from training_worker.swatch.editing.stage import make_editor
from training_worker.swatch.running import run_recipe

if __name__ == "__main__":
    sys.exit(run_recipe(make_editor))
