"""Postgres refuses to run as root, so root runs it as a user of its own."""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from local_stack.errors import StackError


def user_for_postgres(wanted: str) -> str | None:
    """The user to drop to: none unless we are root. Made where it is missing."""
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
                f"Postgres cannot run as root, and user {wanted} cannot be made: {error}; "
                "start the stack as another user, or name one that exists in "
                "SARTIQ_LOCAL_POSTGRES_SYSTEM_USER"
            ) from error
    return wanted


def hand_over(path: Path, user: str) -> None:
    """Make `path` belong to `user`, and let it be reached: its parents get o+x, no more."""
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
    make_reachable(path)


def make_reachable(path: Path) -> None:
    """Let every user pass through the folders above `path`, without reading them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
