"""Command-line execution of a recipe."""

import logging
from collections.abc import Callable

from training_worker.swatch.config import SwatchConfig
from training_worker.swatch.data import DatasetMissingError

logger = logging.getLogger("training_worker.swatch")


def run_recipe(recipe: Callable[[SwatchConfig], object]) -> int:
    """Run a recipe with the defaults, log its progress, and return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        recipe(SwatchConfig())
    except DatasetMissingError as missing:
        logger.error("%s", missing)
        return 1
    return 0
