"""Trains swatch-kontext from the packaged swatch: python -m training_worker.swatch.editing.

Run from the root. An interrupted run continues where it stopped; delete `.sartiq/swatch/kontext.pt`
to start anew.
"""

import logging
import sys

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import DatasetMissingError
from training_worker.swatch.editing.stage import make_editor

logger = logging.getLogger("training_worker.swatch.editing")


def main() -> int:
    """Runs the stage with its defaults."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        make_editor(SwatchConfig())
    except DatasetMissingError as missing:
        logger.error("%s", missing)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
