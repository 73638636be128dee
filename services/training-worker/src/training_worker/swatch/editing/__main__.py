"""Training of swatch-kontext from the packaged swatch.

Run `python -m training_worker.swatch.editing` from the root. An interrupted run resumes from its
last checkpoint; delete `.sartiq/swatch/kontext.pt` to start over.
"""

import sys

from training_worker.swatch.editing.stage import make_editor
from training_worker.swatch.running import run_recipe

if __name__ == "__main__":
    sys.exit(run_recipe(make_editor))
