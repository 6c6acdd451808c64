"""From where a request comes, when proxies may stand in between: what they say counts only where they are trusted.

Pure. A header is what somebody wrote; the peer's address is what the network says.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED_FOR = b"x-forwarded-for"
FORWARDED_PROTO = b"x-forwarded-proto"
# Any of these says that somebody speaks for somebody else, truly or not.
FORWARDING = frozenset({
    FORWARDED_FOR, FORWARDED_PROTO, b"x-forwarded-host", b"x-forwarded-port", b"forwarded", b"x-real-ip", b"via",
})  # fmt: skip
MAX_HOPS = 50  # of a header that a client may make as long as it likes


class Origin(msgspec.Struct, frozen=True):
    """``address`` is whom the tries to log in are counted by; ``https`` is None where nobody who is trusted said.

    ``local`` is true only for a program on this machine that asks for itself.
    """

    address: str
    https: bool | None
    local: bool


def origin(peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]) -> Origin:
    """Who asks. ``peer`` is the other end of the connection, ``headers`` are the request's, names in small letters."""
    told = [(name, value) for name, value in headers if name in FORWARDING]
    end = read_address(peer)
    if end is None or not _among(end, trusted):
        return Origin(peer, None, local=end is not None and end.is_loopback and not told)
    hops = [hop for name, value in told if name == FORWARDED_FOR for hop in value.decode("latin-1").split(",")]
    address = end
    for hop in reversed(hops[-MAX_HOPS:]):
        # What stands before a hop that cannot be read was written by nobody we trust.
        if (before := read_address(hop)) is None:
            break
        address = before
        if not _among(address, trusted):
            break
    protocols = [value.decode("latin-1") for name, value in told if name == FORWARDED_PROTO]
    return Origin(str(address), _is_https(protocols), local=False)


def read_address(text: str) -> Address | None:
    """An address as proxies write it, with a port or brackets or without; None for anything else."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _is_https(protocols: list[str]) -> bool | None:
    """The nearest proxy's word, which stands last."""
    last = protocols[-1].rpartition(",")[2].strip().lower() if protocols else ""
    return {"https": True, "http": False}.get(last)
