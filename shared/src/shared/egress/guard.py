"""What the guard lets through besides the public internet, and how it finds addresses."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from shared.egress.addresses import Address, forbidden_reason
from shared.egress.errors import FetchError, ForbiddenUrlError

Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""From a host name and a port to IP addresses, in the order in which they are tried."""


@dataclass(frozen=True)
class Exemptions:
    """Hosts and networks that may be called although they are not public; none by default."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> "Exemptions":
        """Read `127.0.0.1`, `10.0.0.0/8` and `images.internal` alike.

        Raises:
            ValueError: an entry with a slash is no network.
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
        """Whether an address lies in an exempt network."""
        return any(address in network for network in self.networks)


async def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system's resolver has them.

    Raises:
        FetchError: it has none.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FetchError(f"the host {host!r} cannot be resolved") from error
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class Guard:
    """Decides which addresses are called."""

    exemptions: Exemptions = field(default_factory=Exemptions)
    resolve: Resolver = resolve_host

    def check_address(self, address: Address, host: str) -> None:
        """Let a public or exempt address pass.

        Raises:
            ForbiddenUrlError: it is neither.
        """
        reason = forbidden_reason(address)
        if reason is not None and not self.exemptions.covers(address):
            raise ForbiddenUrlError(
                f"the host {host!r} has the address {address}, which is not public: {reason}"
            )

    async def find_addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of them checked.

        Raises:
            ForbiddenUrlError: one of them is not public. A host that mixes them is not trusted.
            FetchError: it has none.
        """
        found = await self.resolve(host, port)
        if not found:
            raise FetchError(f"the host {host!r} cannot be resolved")
        if host.lower() not in self.exemptions.hosts:
            for address in found:
                self.check_address(ip_address(address), host)
        return found


STRICT = Guard()
"""The public internet, nothing else."""
