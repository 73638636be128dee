"""How a recipe is run from the command line."""

import logging
from collections.abc import Callable

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import DatasetMissingError

logger = logging.getLogger("training_worker.swatch")


def run_recipe(recipe: Callable[[SwatchConfig], object]) -> int:
    """Runs a recipe with the defaults, its progress on the terminal; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        recipe(SwatchConfig())
    except DatasetMissingError as missing:
        logger.error("%s", missing)
        return 1
    return 0
