"""To which addresses a request may go: to public ones, unless the owner allows others by name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from tallybook.core.channel import Refused, Unreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
# Addresses that carry an IPv4 address within, which a translator on the way would go to.
NAT64 = IPv6Network("64:ff9b::/96")


class LookUps:
    """Looks hosts up in threads of its own, one look-up for a host at a time, which all who ask meanwhile share.

    A name server that says nothing holds a thread for its whole patience. In asyncio's own threads a few of these
    would keep everybody waiting who reads a file.
    """

    def __init__(self, threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="look-up")
        self._running: dict[tuple[str, int], Future[Found]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a host, as the system resolves it. Raises OSError, UnicodeError."""
        running = self._running.get((host, port))
        if running is None or running.done():
            self._running = {what: one for what, one in self._running.items() if not one.done()}
            running = self._running[host, port] = self._threads.submit(_looked_up, host, port)
        # Who gives up takes the answer from nobody else.
        found = await asyncio.shield(asyncio.wrap_future(running))
        if isinstance(found, Exception):
            raise found
        return found


Found = list[str] | OSError | UnicodeError


def _looked_up(host: str, port: int) -> Found:
    """An error is an answer too: nobody may be there any more to whom it could be raised."""
    try:
        return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        return error


resolved = LookUps()


def is_public(address: str) -> bool:
    """Whether an address is one of the open network: not this machine's, a neighbour's or a cloud's own. Pure."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _within(parsed) if isinstance(parsed, IPv6Address) else None
    return _is_open(parsed) and (inner is None or _is_open(inner))


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    is_of_a_site = isinstance(address, IPv6Address) and address.is_site_local  # which counts as global
    return address.is_global and not (address.is_multicast or address.is_reserved or is_of_a_site)


def _within(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


async def checked(host: str, port: int, resolve: Resolve, *, internal: bool) -> str:
    """The address to connect to: looked up once and connected to as it is, so that no second look-up can differ.

    Raises Refused where one of the host's addresses is not public and ``internal`` ones are not allowed.
    """
    try:
        addresses = list(await resolve(host, port))
    except (OSError, UnicodeError) as error:
        raise Unreachable("the webhook's host is not known") from error
    if not addresses:
        raise Unreachable("the webhook's host has no address")
    if not internal and not all(is_public(address) for address in addresses):
        raise Refused("the webhook's host is an internal address; allow_internal = true lets it be one")
    return addresses[0]
