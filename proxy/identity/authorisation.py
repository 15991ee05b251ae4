"""What a known key may do, and from where: its endpoints and its networks."""

import logging
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ..context import Network, Principal
from ..errors import PermissionDenied

_log = logging.getLogger("tollway.identity")

ANYTHING = ("*",)

NOWHERE: Network = ip_network("255.255.255.255/32")
"""No client's address."""

_MAPPED = IPv6Network("::ffff:0:0/96")


def authorise(principal: Principal, endpoint: str, client: str) -> None:
    """May ``principal`` call the endpoint of this name from the address ``client``? Raises ``PermissionDenied``.

    A client without an address (a Unix socket) is in no network.
    """
    if principal.networks and not within(principal.networks, client):
        raise PermissionDenied(
            "This key may not be used from this address: the key's rule 'networks' does not include it."
            " Call from another address, or ask the gateway's operator to add this one."
        )
    if principal.endpoints != ANYTHING and not _matches(principal.endpoints, endpoint):
        raise PermissionDenied(
            f"This key may not use the endpoint '{endpoint}': the key's rule 'endpoints' does not include it."
            " Use another key, or ask the gateway's operator to add it."
        )


def within(networks: Iterable[Network], client: str) -> bool:
    """Is the address in one of ``networks``? IPv4 written as IPv6 (``::ffff:192.0.2.1``) counts as IPv4."""
    address = _address(client)
    return address is not None and any(address in network for network in networks)


@lru_cache(maxsize=4096)
def _address(client: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(client)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def networks_of(ranges: Iterable[str]) -> tuple[Network, ...]:
    """Ranges as networks. One that cannot be read is left out; if none is left, no address matches."""
    named, found = 0, []
    for text in ranges:
        named += 1
        try:
            network = ip_network(text.strip(), strict=False)
        except ValueError:
            _log.error("a key's networks hold %r, which is no address range: it matches nothing", text[:64])
            continue
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            network = IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - 96))
        found.append(network)
    return tuple(found) if found or not named else (NOWHERE,)
