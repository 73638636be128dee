"""Ports of a stack: fixed by settings, or free ones that are searched and remembered.

Searched ports are below the kernel's ephemeral range (32768 and up), so that no other socket of
this machine gets one between the search and the server's bind.
"""

import secrets
import socket
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from local_stack.errors import PortHeldError, StackError
from local_stack.settings import LocalSettings

_LOWEST, _COUNT = 15_000, 7_000
_GRPC_OFFSET = 10_000
_WITH_GRPC = frozenset({"s3", "master", "volume", "filer", "admin"})


class Ports(BaseModel):
    """Port of each listener.

    Settings can fix the first seven. Those from `s3` on belong to SeaweedFS, which also uses the
    port 10000 above each for gRPC.
    """

    model_config = ConfigDict(frozen=True)

    gateway: int
    gateway_internal: int
    temporal: int
    temporal_ui: int
    postgres: int
    sandbox: int = 0
    """0: the file of an older release, which knew no sandbox."""
    s3: int
    master: int
    volume: int
    filer: int
    admin: int


def choose_ports(settings: LocalSettings) -> Ports:
    """Choose every port, and store the choice for the next start.

    Raises:
        PortHeldError: a port that a setting fixes is taken.
    """
    path = _path(settings)
    last_time = remembered_ports(settings)
    remembered = last_time.model_dump() if last_time else {}
    fixed = {name: getattr(settings, f"{name}_port", 0) for name in Ports.model_fields}
    for name, port in fixed.items():
        for each in _group(name, port) if port else ():
            if not is_free(settings.host, each):
                variable = f"SARTIQ_LOCAL_{name}_port".upper()
                raise PortHeldError(f"port {each} ({variable}) is in use by {holder_of(each)}")
    chosen: dict[str, int] = {}
    taken = {each for name, port in fixed.items() for each in _group(name, port)}
    for name, port in fixed.items():
        chosen[name] = port or _found(settings.host, name, remembered.get(name, 0), taken)
        taken.update(_group(name, chosen[name]))
    ports = Ports.model_validate(chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ports.model_dump_json(indent=2), encoding="utf-8")
    return ports


def remembered_ports(settings: LocalSettings) -> Ports | None:
    """Return the ports of the last start, which are those of a running stack."""
    try:
        return Ports.model_validate_json(_path(settings).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def is_free(host: str, port: int) -> bool:
    """Return true if a server can bind this port now. Connections in TIME_WAIT do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise StackError(f"this user is not permitted to bind port {port}") from error
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Return the name and pid of the process that listens on `port`, as far as permitted."""
    try:
        listeners = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
        ]
        pid = next(filter(None, listeners), None)
        if pid is not None:
            return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        pass  # ended meanwhile, or not visible
    return "a process that is not visible to this user"


def _found(host: str, name: str, preferred: int, taken: set[int]) -> int:
    start = secrets.randbelow(_COUNT)
    candidates = (_LOWEST + (start + step) % _COUNT for step in range(_COUNT))
    for port in (preferred, *candidates):
        group = _group(name, port)
        if port and not taken & set(group) and all(is_free(host, each) for each in group):
            return port
    raise StackError(f"no free port between {_LOWEST} and {_LOWEST + _COUNT}")


def _group(name: str, port: int) -> tuple[int, ...]:
    return (port, port + _GRPC_OFFSET) if name in _WITH_GRPC else (port,)


def _path(settings: LocalSettings) -> Path:
    return settings.state_dir / "ports.json"
