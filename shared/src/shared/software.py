"""Versions of installed software, for provenance records."""

from collections.abc import Iterable
from importlib import metadata


def software_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, in the given order."""
    versions: dict[str, str] = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a worker need not have them all
            continue
    return versions
