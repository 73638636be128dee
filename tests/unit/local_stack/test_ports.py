import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.errors import PortHeldError
from local_stack.ports import Ports, choose_ports, is_free
from local_stack.settings import LocalSettings


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_found_ports_differ_and_are_free_with_their_grpc_ones(tmp_path: Path) -> None:
    ports = choose_ports(LocalSettings(state_dir=tmp_path)).model_dump()
    pairs = [port + 10_000 for name, port in ports.items() if name in {"s3", "volume", "filer"}]
    everything = [*ports.values(), *pairs]
    assert len(set(everything)) == len(everything)
    assert all(is_free("127.0.0.1", port) for port in everything)
    assert max(everything) < 32_768


def test_second_start_gets_the_same_ports(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path)
    assert choose_ports(settings) == choose_ports(settings)


def test_remembered_port_that_is_in_use_is_replaced(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path)
    first = choose_ports(settings)
    with socket.create_server(("127.0.0.1", first.s3 + 10_000)):
        second = choose_ports(settings)
    assert second.s3 != first.s3
    assert second.model_copy(update={"s3": first.s3}) == first


def test_unreadable_ports_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"gateway": "?"}')
    assert isinstance(choose_ports(LocalSettings(state_dir=tmp_path)), Ports)


def test_fixed_port_is_used(tmp_path: Path) -> None:
    port = choose_ports(LocalSettings(state_dir=tmp_path)).gateway
    assert choose_ports(LocalSettings(state_dir=tmp_path, gateway_port=port)).gateway == port


def test_holder_of_a_fixed_port_is_named(tmp_path: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    settings = LocalSettings(state_dir=tmp_path, temporal_ui_port=port)
    with pytest.raises(PortHeldError) as caught:
        choose_ports(settings)
    message = str(caught.value)
    assert f"port {port} (SARTIQ_LOCAL_TEMPORAL_UI_PORT) is in use by" in message
    assert f"(pid {os.getpid()})" in message


def test_port_of_a_closed_connection_is_free(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        accepted.close()  # our side closes first, so the port stays in TIME_WAIT
    listener.close()
    assert is_free("127.0.0.1", port)
