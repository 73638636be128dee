"""Only addresses of the public internet are allowed."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.egress.addresses import forbidden_reason

FORBIDDEN = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"],
    "link-local": ["169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0"],
    "CGNAT": ["100.64.0.1", "100.127.255.255"],
    "benchmarking": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["192.0.0.8", "240.0.0.1", "255.255.255.255", "2001:2::1", "100::1", "5f00::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "IPv4 in IPv6": ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"],
    "6to4": ["2002:7f00:1::1", "2002:808:808::1", "192.88.99.1"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "ISATAP": ["2a00:1450::5efe:127.0.0.1", "2a00:1450::200:5efe:10.0.0.1"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1"],
    "site-local": ["fec0::1"],
}
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::200e",
]


@pytest.mark.parametrize(
    ("reason", "address"), [(why, address) for why, those in FORBIDDEN.items() for address in those]
)
def test_reason_of_a_private_address_is_named(reason: str, address: str) -> None:
    assert reason in (forbidden_reason(ip_address(address)) or "")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_passes(address: str) -> None:
    assert forbidden_reason(ip_address(address)) is None


@given(
    st.integers(0, 2**32 - 1).map(IPv4Address)
    | st.integers(0, 2**128 - 1).map(IPv6Address)
    | st.integers(2**125, 2**126 - 1).map(IPv6Address)
)
def test_special_addresses_of_the_standard_library_are_refused(
    address: IPv4Address | IPv6Address,
) -> None:
    if forbidden_reason(address) is None:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_embedded_ipv4_addresses_are_refused(address: IPv4Address) -> None:
    low = int(address)
    for wrapped in (
        IPv6Address(low),
        IPv6Address((0xFFFF << 32) | low),
        IPv6Address((0x2002 << 112) | (low << 80)),
        IPv6Address((0x64FF9B << 96) | low),
        IPv6Address((0x20010000 << 96) | (low ^ 0xFFFFFFFF)),
        IPv6Address((0x2A00 << 112) | (0x5EFE << 32) | low),
    ):
        assert forbidden_reason(wrapped)
