"""The held-out pictures of a dataset: never trained on, but measured."""

from collections.abc import Mapping

_LEAST_PICTURES = 10


def choose_held_out(digests: Mapping[int, str], share: float) -> frozenset[int]:
    """Return the indices of the held-out pictures, the same for equal pictures in any order.

    Args:
        digests: SHA-256 of each source picture, by its index.
        share: of the pictures; from ten pictures on, at least one is held out, and never all.
    """
    if share <= 0 or len(digests) < _LEAST_PICTURES:
        return frozenset()
    wanted = min(max(1, round(share * len(digests))), len(digests) - 1)
    by_digest = sorted(digests, key=lambda index: (digests[index], index))
    return frozenset(by_digest[:wanted])
