"""Connections are counted by client address."""

from api_gateway.listeners.peers import Admission, Peers

SERVED, REFUSED, DROPPED = Admission.SERVED, Admission.REFUSED, Admission.DROPPED


def test_address_has_so_many_and_is_told_as_often() -> None:
    peers = Peers(2, trusted=())
    assert [peers.enter("192.0.2.1") for _ in range(5)] == [SERVED] * 2 + [REFUSED] * 2 + [DROPPED]
    assert peers.enter("192.0.2.2") is SERVED
    for _ in range(4):
        peers.leave("192.0.2.1")
    assert [peers.enter("192.0.2.1") for _ in range(2)] == [SERVED, REFUSED]


def test_network_of_one_ipv6_client_is_one_address() -> None:
    peers = Peers(1, trusted=())
    assert peers.enter("2001:db8::1") is SERVED
    assert peers.enter("2001:db8::2") is REFUSED
    assert peers.enter("2001:db8:0:1::1") is SERVED


def test_who_is_trusted_or_has_no_address_is_not_counted() -> None:
    peers = Peers(1, trusted={"192.0.2.1"})
    for host in ("192.0.2.1", None):
        assert [peers.enter(host) for _ in range(3)] == [SERVED] * 3
        peers.leave(host)


def test_no_limit_is_none() -> None:
    peers = Peers(None, trusted=())
    assert [peers.enter("192.0.2.1") for _ in range(3)] == [SERVED] * 3
