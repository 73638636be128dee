"""How a process calls itself."""

import os
import socket


def process_identity(service: str) -> str:
    """Name of this process in histories, among pollers and in `executor_instance`."""
    return f"{service}@{socket.gethostname()}:{os.getpid()}"
