"""The system user of Postgres, which refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from local_stack.errors import StackError


def user_for_postgres(wanted: str) -> str | None:
    """Return the user to run Postgres as, created if missing; none unless this user is root.

    Raises:
        StackError: the user cannot be created.
    """
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(wanted)
    except KeyError:
        useradd = shutil.which("useradd") or "/usr/sbin/useradd"
        options = ("--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")
        try:
            command = [useradd, *options, wanted]
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - no shell
        except (OSError, subprocess.CalledProcessError) as error:
            raise StackError(
                f"Postgres cannot run as root, and user {wanted} cannot be created: {error}; "
                "start the stack as another user, or name one that exists in "
                "SARTIQ_LOCAL_POSTGRES_SYSTEM_USER"
            ) from error
    return wanted


def hand_over(path: Path, user: str) -> None:
    """Give `path` to `user`, and make it reachable: its parent folders get o+x only."""
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
    make_reachable(path)


def make_reachable(path: Path) -> None:
    """Let every user traverse the folders above `path`, without reading them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
