"""The guard of outgoing requests: allows public addresses and configured exemptions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import structlog

from shared.egress.addresses import Address, forbidden_reason
from shared.egress.errors import FetchError, private_url
from shared.egress.names import NameResolver

_log = structlog.stdlib.get_logger(__name__)

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Resolves a host name and a port to IP addresses, in the order in which they are tried."""


@dataclass(frozen=True)
class Exemptions:
    """Hosts and networks that may be called although they are not public. Default: none."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "Exemptions":
        """Parse addresses, networks and host names: `127.0.0.1`, `10.0.0.0/8`, `images.internal`.

        Raises:
            ValueError: an entry with a slash is not a network.
        """
        hosts: set[str] = set()
        networks: list[IPv4Network | IPv6Network] = []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if "/" in entry:
                    raise
                hosts.add(entry.lower())
        return cls(frozenset(hosts), tuple(networks))

    def covers(self, address: Address) -> bool:
        """Return true if an address is in an exempt network."""
        return any(address in network for network in self.networks)


@dataclass(frozen=True)
class Guard:
    """Decides which addresses may be called."""

    exemptions: Exemptions = field(default_factory=Exemptions)
    resolve: Resolver = field(default_factory=NameResolver, compare=False)

    def check_address(self, address: Address, host: str) -> None:
        """Check that an address is public or exempt.

        Raises:
            ForbiddenUrlError: it is neither. The log names the address; the error only does if the
                client wrote it.
        """
        reason = forbidden_reason(address)
        if reason is None or self.exemptions.covers(address):
            return
        _log.info("address_forbidden", host=host, address=str(address), reason=reason)
        if host == str(address):
            raise private_url(f"the address {host} is not public: {reason}")
        raise private_url(f"the host {host!r} has an address that is not public")

    async def find_addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, all of them checked.

        Raises:
            ForbiddenUrlError: at least one of them is not public.
            FetchError: the host has no address.
        """
        found = await self.resolve(host, port)
        if not found:
            raise FetchError(f"the host {host!r} cannot be resolved")
        if host.lower() not in self.exemptions.hosts:
            for address in found:
                self.check_address(ip_address(address), host)
        return found

    async def close(self) -> None:
        """Close the resolver."""
        if isinstance(self.resolve, NameResolver):
            await self.resolve.close()


STRICT = Guard()
"""Allows only public addresses."""
