"""The tests that each of pytest's workers runs, and their order."""

from xdist.scheduler import LoadFileScheduling

_E2E = "tests/e2e/"
_ORDER = (_E2E, "tests/workflows/", "tests/integration/")
"""Long files first, so that the workers end together."""


class FilesTogether(LoadFileScheduling):
    """A `--dist loadfile` in which a single worker runs the end-to-end tests and their platform."""

    def _split_scope(self, nodeid: str) -> str:
        return _E2E if nodeid.startswith(_E2E) else super()._split_scope(nodeid)


def rank(nodeid: str) -> int:
    """Return the place of a test in the order of a run."""
    places = (place for place, folder in enumerate(_ORDER) if nodeid.startswith(folder))
    return next(places, len(_ORDER))
