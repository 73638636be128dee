"""Gives an edited tile the colours of its source, so that neighbours agree."""

import numpy as np
from numpy.typing import NDArray

from inference_worker.refinement.blend import Pixels

_LEVELS = 256


def match_colours(edited: Pixels, source: Pixels) -> Pixels:
    """Match each channel's histogram to the source's; a tile that is its source stays as it is."""
    channels = [_match(edited[:, :, channel], source[:, :, channel]) for channel in range(3)]
    return np.stack(channels, axis=2)


def _match(edited: NDArray[np.uint8], source: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each level takes the source's level of the same rank.

    Only levels that the source has are used. scikit-image's `match_histograms` interpolates between
    them, and so spreads the least noise on a flat ground over the gap to the next level.
    """
    edited_counts = np.bincount(edited.ravel(), minlength=_LEVELS)
    source_counts = np.bincount(source.ravel(), minlength=_LEVELS)
    # Doubled, so that the middle of a level's ranks is a whole number.
    middle_ranks = 2 * np.cumsum(edited_counts) - edited_counts
    levels = np.searchsorted(2 * np.cumsum(source_counts), middle_ranks).astype(np.uint8)
    return levels[edited]
