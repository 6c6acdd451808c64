"""The web server's place: one address and port, held by one process alone, which the kernel sees to.

Granian would bind with SO_REUSEPORT, so that two products on one port share what comes in, passwords included. Our
socket is bound without it, and is refused beside one that has it.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tallybook.core.errors import WrongSetup

BACKLOG = 1024  # connections that wait to be taken
# Every open page holds one, and every program that keeps its connection: too few, and nobody else is answered.
CONNECTIONS = 4096
FILES = CONNECTIONS + 512  # of one process, with what the database, the log and the spool take
# A product that was told to stop, or whose parent was killed, gives its port back within moments.
PATIENCE_SECONDS = 5.0
AGAIN_SECONDS = 0.1


@asynccontextmanager
async def listening(host: str, port: int, patience: float = PATIENCE_SECONDS) -> AsyncIterator[socket.socket]:
    """A socket that listens there and that no other can share; what connects early waits. ``patience`` is in seconds.

    Raises WrongSetup, saying what to change, where the port is taken or is not ours to take.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            found = _bound(host, port)
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise WrongSetup(_why(error, host, port)) from error
            await asyncio.sleep(AGAIN_SECONDS)
    with found:
        yield found


def make_room() -> None:
    """Lets this process hold that many files open, as far as whoever started it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.socket(family, kind, protocol)
    try:
        # Over connections of the last run that are still closing; of two at once, the later to listen is refused.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except BaseException:
        found.close()
        raise
    return found


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program; choose another with TALLYBOOK_PORT."
    if error.errno == errno.EACCES:
        return f"This account may not listen on port {port}; choose one above 1023 with TALLYBOOK_PORT."
    return f"This machine cannot listen on {host}; set TALLYBOOK_HOST to one of its addresses ({error.strerror})."
