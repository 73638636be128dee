"""The guard of outgoing requests: allows public addresses and configured exemptions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import structlog

from shared.egress.addresses import Address, forbidden_reason
from shared.egress.errors import FetchError, PrivateUrlError
from shared.egress.names import NameResolver

_log = structlog.stdlib.get_logger(__name__)

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Resolves a host name and a port to IP addresses, in the order in which they are tried."""


@dataclass(frozen=True)
class Exemptions:
    """Hosts that may be called although they are not public. Default: none.

    Attributes:
        hosts: host names, on any port.
        networks: addresses, on any port.
        origins: hosts with the one port that may be called.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    origins: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "Exemptions":
        """Parse addresses, networks and host names: `127.0.0.1`, `10.0.0.0/8`, `images.internal`.

        An address or a host name with a port, such as `127.0.0.1:8700` or `[::1]:8700`, exempts
        that port alone.

        Raises:
            ValueError: an entry with a slash is not a network.
        """
        hosts: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        origins: set[tuple[str, int]] = set()
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry:
                    raise
                host, colon, port = entry.lower().rpartition(":")
                if colon and port.isdecimal():
                    origins.add((host.strip("[]"), int(port)))
                else:
                    hosts.add(entry.lower())
        return cls(frozenset(hosts), tuple(networks), frozenset(origins))

    def covers(self, address: Address, port: int) -> bool:
        """Return true if an address is exempt on a port."""
        is_within = any(address in network for network in self.networks)
        return is_within or (str(address), port) in self.origins

    def names(self, host: str, port: int) -> bool:
        """Return true if a host is exempt on a port by its name, whatever its addresses are."""
        return host.lower() in self.hosts or (host.lower(), port) in self.origins


@dataclass(frozen=True)
class Guard:
    """Decides which addresses may be called."""

    exemptions: Exemptions = field(default_factory=Exemptions)
    resolve: Resolver = field(default_factory=NameResolver, compare=False)

    def check_address(self, address: Address, host: str, port: int) -> None:
        """Check that an address is public or exempt.

        Raises:
            ForbiddenUrlError: it is neither. The log names the address; the error only does if the
                client wrote it.
        """
        reason = forbidden_reason(address)
        if reason is None or self.exemptions.covers(address, port):
            return
        _log.info("address_forbidden", host=host, address=str(address), reason=reason)
        if host == str(address):
            raise PrivateUrlError(f"the address {host} is not public: {reason}")
        raise PrivateUrlError(f"the host {host!r} has an address that is not public")

    async def find_addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, all of them checked.

        Raises:
            ForbiddenUrlError: at least one of them is not public.
            FetchError: the host has no address.
        """
        found = await self.resolve(host, port)
        if not found:
            raise FetchError(f"the host {host!r} cannot be resolved")
        if not self.exemptions.names(host, port):
            for address in found:
                self.check_address(ip_address(address), host, port)
        return found

    async def close(self) -> None:
        """Close the resolver."""
        if isinstance(self.resolve, NameResolver):
            await self.resolve.close()


STRICT = Guard()
"""Allows only public addresses."""
