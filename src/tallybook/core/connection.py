"""Connections: their type, by which both the keys and the transactions may name it, and how long one is believed in.

The server's own time limits end nothing where the server itself hangs or its machine is gone. So the line is watched
by the system, and each answer has a limit of ours.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.abc import PQGen

Conn: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]
RV = TypeVar("RV")

CONNECT_SECONDS = 5
# A machine that is gone is noticed within some ten seconds.
LINE: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# A server that does not even answer to nothing in this time hangs, or may as well.
ANSWERS_WITHIN = 2.0
AGAIN = 1.0


class Impatient(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection that waits for no answer longer than ``patience`` seconds; None is for ever.

    Then it is cut, so that whoever waits gets the error of a lost connection, which is a passing fault. To cancel would
    not do: psycopg then asks the server to stop, and waits for it. It is each answer that is limited and not the
    transaction, which may have as many statements as it needs.
    """

    patience: float | None = None
    _limit: asyncio.TimerHandle | None = None

    async def wait(self, gen: PQGen[RV], *how: Any, **more: Any) -> RV:
        if self.patience is None:
            return await super().wait(gen, *how, **more)
        self._limit = asyncio.get_running_loop().call_later(self.patience, self._cut)
        try:
            return await super().wait(gen, *how, **more)
        finally:
            self._limit.cancel()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A shorter patience, for a while."""
        usual, self.patience = self.patience, seconds
        try:
            yield
        finally:
            self.patience = usual

    def _cut(self) -> None:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            try:
                line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                line.shutdown(socket.SHUT_RDWR)
            else:  # an answer is there: it was we who had no time to read it
                self._limit = asyncio.get_running_loop().call_later(AGAIN, self._cut)


NOTHING = ""


async def check(conn: Conn) -> None:
    """Whether a pooled connection still leads anywhere. Raises psycopg.OperationalError."""
    with conn.within(ANSWERS_WITHIN) if isinstance(conn, Impatient) else nullcontext():
        await conn.execute(NOTHING)
