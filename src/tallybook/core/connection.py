"""Connections: their type, by which both the keys and the transactions may name it, and how long one is believed in.

The server's own time limits end nothing where the server itself hangs or its machine is gone. So the line is watched
by the system, and each answer has a limit of ours.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
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


@dataclass
class Met:
    """An error of the database. ``answered`` says that the code knew what it meant by the name of a declared rule."""

    error: psycopg.Error
    answered: bool = False


# What the open transaction met, also what a savepoint undid and nobody heard of; None outside of one.
met: ContextVar[list[Met] | None] = ContextVar("what_the_transaction_met", default=None)


def notice(error: psycopg.Error) -> Met:
    """Keeps an error for the end of the transaction, once however often it passes."""
    all_of_them = met.get()
    found = next((one for one in all_of_them or () if one.error is error), None) or Met(error)
    if all_of_them is not None and found not in all_of_them:
        all_of_them.append(found)
    return found


def leave(error: BaseException) -> None:
    """Has the transaction's end say nothing of an error: whoever calls tells of it later, and by a better name."""
    if (all_of_them := met.get()) is not None:
        all_of_them[:] = [one for one in all_of_them if one.error is not error]


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
    answered: float = float("-inf")  # when, by the monotonic clock
    _limit: asyncio.TimerHandle | None = None

    async def wait(self, gen: PQGen[RV], *how: Any, **more: Any) -> RV:
        if self.patience is None:
            answer = await super().wait(gen, *how, **more)
        else:
            self._limit = asyncio.get_running_loop().call_later(self.patience, self._cut)
            try:
                answer = await super().wait(gen, *how, **more)
            finally:
                self._limit.cancel()
        self.answered = time.monotonic()
        return answer

    @asynccontextmanager
    async def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> AsyncIterator[psycopg.AsyncTransaction]:
        """A savepoint. Code survives an error by nothing else, so that whatever it met is noticed here."""
        try:
            async with super().transaction(savepoint_name, force_rollback) as begun:
                yield begun
        except psycopg.Error as error:
            notice(error)
            raise

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
# What answered so shortly before is not asked: to ask takes as long as many a transaction does.
JUST_NOW = 0.5


def limited(conn: Conn, seconds: float | None) -> AbstractContextManager[None]:
    """For whom each answer must come within so many seconds; None leaves the usual patience."""
    return conn.within(seconds) if seconds is not None and isinstance(conn, Impatient) else nullcontext()


def promptly(conn: Conn) -> AbstractContextManager[None]:
    """For what any server answers at once: one that hangs is left after two seconds."""
    if not isinstance(conn, Impatient):
        return nullcontext()
    return conn.within(ANSWERS_WITHIN if conn.patience is None else min(conn.patience, ANSWERS_WITHIN))


async def check(conn: Conn) -> None:
    """Whether a pooled connection still leads anywhere. Raises psycopg.OperationalError."""
    if isinstance(conn, Impatient) and time.monotonic() - conn.answered < JUST_NOW:
        return
    with promptly(conn):
        await conn.execute(NOTHING)
