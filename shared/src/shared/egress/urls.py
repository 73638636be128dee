"""Checks of URLs that need no network: scheme, port and host."""

import re
import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import httpx

from shared.egress.addresses import Address
from shared.egress.errors import ForbiddenUrlError, PrivateUrlError
from shared.egress.guard import STRICT, Guard

MAX_URL_LENGTH = 8192
_WEB_PORTS = {"http": 80, "https": 443}
_PORTS = frozenset({80, 443, *range(1024, 65536)})
"""Other ports below 1024 belong to services such as mail, SSH and LDAP, some of which would accept
lines of an HTTP request as commands."""
_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.IGNORECASE)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def check_url(url: str, guard: Guard = STRICT) -> None:
    """Check that a URL's scheme, port and host may be called.

    A host name may still resolve to a private address; `fetch` checks that.

    Raises:
        ForbiddenUrlError: the URL may not be called; the message says why.
    """
    parse_url(url, guard)


def parse_url(url: str, guard: Guard) -> httpx.URL:
    """Check a URL as `check_url` does, and return it parsed.

    Callers use the parsed URL, so that no second parser can understand it differently.
    """
    if len(url) > MAX_URL_LENGTH:
        raise ForbiddenUrlError(f"the URL is longer than {MAX_URL_LENGTH} characters")
    if _CONTROL.search(url):
        raise ForbiddenUrlError("the URL contains control characters")
    authority = _AUTHORITY.match(url)
    if authority is None:
        raise ForbiddenUrlError("the URL is not absolute; write http://… or https://…")
    _check_authority(authority[1])
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii")
        port = parsed.port
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise ForbiddenUrlError("the URL is malformed") from error
    if parsed.scheme not in _WEB_PORTS:
        raise ForbiddenUrlError(f"the scheme {parsed.scheme!r} is not allowed; use https or http")
    if port is not None and port not in _PORTS:
        raise ForbiddenUrlError(
            f"the port {port} is not allowed; use 80, 443 or one from 1024 to 65535"
        )
    _check_host(host, port_of(parsed), guard)
    return parsed


def port_of(url: httpx.URL) -> int:
    """Return the port of a URL, or the default port of its scheme."""
    return url.port or _WEB_PORTS[url.scheme]


def _check_authority(authority: str) -> None:
    """Refuse authorities that URL parsers interpret differently."""
    if "@" in authority:
        raise ForbiddenUrlError("the URL contains user information; remove the part before the @")
    if "%" in authority:
        raise ForbiddenUrlError("the host is percent-encoded; write it without percent-encoding")
    if "\\" in authority or any(character.isspace() for character in authority):
        raise ForbiddenUrlError("the host contains a backslash or a space")


def _check_host(host: str, port: int, guard: Guard) -> None:
    if not host:
        raise ForbiddenUrlError("the URL has no host")
    address = _literal(host)
    if address is not None:
        guard.check_address(address, host, port)
    elif host.endswith("."):
        raise ForbiddenUrlError("the host ends with a dot; remove it")
    elif not _NAME.fullmatch(host):
        raise ForbiddenUrlError("the host is not a valid DNS name")
    elif guard.exemptions.names(host, port):
        return
    elif host.lower() in _LOCAL_NAMES or host.lower().endswith(".localhost"):
        raise PrivateUrlError(f"the host {host!r} is this machine")


def _literal(host: str) -> Address | None:
    """Return the address of a host that is an IP literal in canonical form; none for a name."""
    if ":" in host:
        try:
            return IPv6Address(host)
        except ValueError as error:
            raise ForbiddenUrlError("the host is not a valid IPv6 address") from error
    with suppress(ValueError):  # a name, or another spelling of an address
        return IPv4Address(host)
    name = host.rstrip(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]) or _is_read_as_ipv4(name):
        raise ForbiddenUrlError("the host is a number; write an IPv4 address as four decimals")
    return None


def _is_read_as_ipv4(host: str) -> bool:
    """Return true if the system's resolver reads a host as an address: `0x7f.1`, `2130706433`."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
