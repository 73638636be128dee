"""Identity of a process."""

import os
import socket


def process_identity(service: str) -> str:
    """Return the name of this process in histories, among pollers and in `executor_instance`."""
    return f"{service}@{socket.gethostname()}:{os.getpid()}"
