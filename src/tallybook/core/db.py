"""The pool, and the one place in the code base that commits.

Works behind a pooler in transaction mode: nothing is prepared on the server, locks are transaction-level, and the
environment's schema is set inside each transaction.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias, TypeVar

import psycopg
import stamina
import stamina.instrumentation
from prometheus_client import Counter
from psycopg import errors as pg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from . import arbiter_named, connection, environment_names, violations, violations_kept
from .errors import Invalid, WrongSetup
from .outage import POOL_LOG, Outage

Conn: TypeAlias = connection.Conn
T = TypeVar("T")

PROD = environment_names.PROD
TRANSIENT = (
    pg.SerializationFailure,
    pg.DeadlockDetected,
    pg.LockNotAvailable,
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.IdleInTransactionSessionTimeout,
    PoolTimeout,
)
TRIES = 5
# After a long outage the pool's own back-off would wait for minutes more; whoever asks next makes it try at once.
RECONNECT_SECONDS = 2.0
# How much longer than the server's own limit of a statement its answer is waited for.
GRACE_SECONDS = 5.0
NUL_IN_TEXT = "A text holds a character that cannot be stored (NUL). Take it out and try again."
OUT_OF_RANGE = "A number is larger than any that can be stored. Check it and try again."
# Whoever asks while the database is known to be away is told so soon.
AWAY_SECONDS = 1.0
# And so soon, who has another answer. A connection that is there is had in no time; to ask has the pool try for one.
AT_ONCE_SECONDS = 0.02

# Its own hook would log each retry with the error's text, which may quote a row.
stamina.instrumentation.set_on_retry_hooks(())
retried = Counter("tallybook_transaction_retries_total", "Transactions run again after a passing fault.", ["what"])
ended = Counter(
    "tallybook_transactions_retried_total", "What became of transactions that were run again.", ["what", "outcome"]
)


def schema_of(environment: str) -> str:
    """The PostgreSQL schema of an environment: ``public`` for prod, else the environment's own name.

    Everything that names a schema passes here. Raises WrongSetup for a name that another schema or role has.
    """
    if not environment_names.is_plain(environment):
        raise WrongSetup(
            f"“{environment}” cannot be the name of an environment: use small letters, digits and _, "
            "beginning with a letter."
        )
    if environment_names.is_reserved(environment):
        raise WrongSetup(
            f"“{environment}” cannot be the name of an environment: the database uses it for other things."
        )
    return environment_names.PRODUCTION_SCHEMA if environment == PROD else environment


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed if it is simply run again.

    A plain OperationalError without a SQLSTATE is a lost or refused connection.
    """
    if isinstance(error, TRANSIENT):
        return True
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate is None or error.sqlstate[:2] == "08")


def _may_pass(error: Exception) -> bool:
    """What ``run`` tries again at once. A pool without a connection has waited long enough already."""
    return is_transient(error) and not isinstance(error, PoolTimeout)


def _holds_nul(error: BaseException) -> bool:
    """Whether a text held a NUL: psycopg refuses it before it is sent, the server where it stands in JSON."""
    is_psycopgs = type(error) is psycopg.DataError and error.sqlstate is None
    return isinstance(error, pg.UntranslatableCharacter) or (is_psycopgs and "NUL" in str(error))


def _refusal(error: BaseException) -> Invalid | None:
    """What to say of a value, whoever gave it, that PostgreSQL cannot hold; None where it is another error."""
    if isinstance(error, pg.NumericValueOutOfRange):
        return Invalid(OUT_OF_RANGE)
    return Invalid(NUL_IN_TEXT) if _holds_nul(error) else None


async def _commit(conn: Conn) -> None:
    """Commits. The server answers a commit after a swallowed error with a rollback, and calls that a success."""
    done = await conn.execute("commit")
    if done.statusmessage != "COMMIT":
        raise RuntimeError("an error was swallowed inside the transaction, so nothing was kept")


@dataclass(frozen=True)
class Database:
    """One environment's schema on one server. ``run`` is how everything is written and read."""

    pool: AsyncConnectionPool[Conn]
    environment: str
    begin: str
    tries: int = TRIES
    outage: Outage = field(default_factory=lambda: Outage("tallybook"))
    refusals: violations_kept.Book = field(default_factory=violations_kept.Book)
    is_patient: bool = True

    @property
    def at_once(self) -> Database:
        """The same, for who has another answer: while the database is known to be away they do not wait for it."""
        return replace(self, is_patient=False)

    @property
    def is_away(self) -> bool:
        """Whether the last try to reach the database failed; that was told already."""
        return self.outage.lasts

    @asynccontextmanager
    async def transaction(
        self, within: float | None = None, what: str = "a transaction of no name"
    ) -> AsyncIterator[Conn]:
        """One transaction: committed when the block ends, rolled back when it raises. Not retried.

        ``within``: seconds for a connection and for each answer, shorter than usual, for who only looks how it is.
        Where a constraint said no in it, also behind a savepoint, that is recorded when it is over, as met in ``what``.
        Raises Invalid for a text or a number, whoever gave it, that PostgreSQL cannot hold.
        """
        if connection.met.get() is not None:
            raise RuntimeError("a transaction inside another one: pass the connection on instead")
        met: list[connection.Met] = []
        async with self._connection(within) as conn:
            try:
                async with self.begun(conn, met):
                    yield conn
            finally:
                if met:
                    await violations_kept.keep(_InHand(self, conn), met, what)

    @asynccontextmanager
    async def begun(self, conn: Conn, met: list[connection.Met]) -> AsyncIterator[Conn]:
        """The same on a connection that is held already; what was met in it is put into ``met`` and not recorded."""
        token = connection.met.set(met)
        try:
            with connection.promptly(conn):
                await conn.execute(self.begin)
            self.outage.over()
            yield conn
            await _commit(conn)
            self.outage.over()
        except BaseException as error:
            if isinstance(error, psycopg.Error):
                connection.notice(error)
            if not conn.closed and not conn.broken:
                with suppress(psycopg.Error):  # the pool replaces a connection that cannot even roll back
                    await conn.execute("rollback")
            if (refusal := _refusal(error)) is not None:
                raise refusal from None
            raise
        finally:
            connection.met.reset(token)

    @asynccontextmanager
    async def _connection(self, within: float | None) -> AsyncIterator[Conn]:
        while_away = AWAY_SECONDS if self.is_patient else AT_ONCE_SECONDS
        asked_at = time.monotonic()
        async with AsyncExitStack() as stack:
            try:
                conn = await stack.enter_async_context(self.pool.connection(while_away if self.is_away else within))
            except PoolTimeout as error:
                if self.outage.answered_at < asked_at:  # else it answers others, and they have every connection
                    self.outage.begun(str(error))
                raise
            stack.enter_context(connection.limited(conn, within))
            yield conn

    async def run(self, what: str, work: Callable[[Conn], Awaitable[T]]) -> T:
        """Runs ``work`` in a transaction of its own, again after a passing fault, at most ``tries`` times in all.

        ``work`` must therefore have no effect outside the connection it is given. ``what`` names it in the metrics.
        Raises UnexpectedViolation where a constraint said no and ``work`` did not handle it; the case is recorded.
        """
        try:
            return await self._tried(what, work)
        except violations.WATCHED as error:
            # Without its cause: a traceback would print the server's detail line, which holds the key's values.
            raise violations.unexpected(error) from None

    async def _tried(self, what: str, work: Callable[[Conn], Awaitable[T]]) -> T:
        tried = 0
        try:
            async for attempt in stamina.retry_context(
                on=_may_pass, attempts=self.tries, timeout=20, wait_initial=0.05
            ):
                with attempt:
                    tried = attempt.num
                    if tried > 1:
                        retried.labels(what).inc()
                    async with self.transaction(what=what) as conn:
                        done = await work(conn)
                    if tried > 1:
                        ended.labels(what, "done").inc()
                    return done
        except Exception:
            if tried > 1:
                ended.labels(what, "failed").inc()
            raise
        raise AssertionError("unreachable: the last attempt raises")


@dataclass(frozen=True)
class _InHand:
    """A database by the one connection that somebody holds.

    A refusal is recorded by this: for a second connection it would stand behind everybody who waits for one, and in a
    storm of refusals nothing would be written while the storm lasts.
    """

    database: Database
    conn: Conn

    @property
    def refusals(self) -> violations_kept.Book:
        return self.database.refusals

    @asynccontextmanager
    async def transaction(self, within: float | None = None) -> AsyncIterator[Conn]:
        with connection.limited(self.conn, within):
            async with self.database.begun(self.conn, []) as conn:
                yield conn


@asynccontextmanager
async def open_database(
    url: str,
    environment: str,
    *,
    size: int = 10,
    lock_timeout: str = "5s",
    statement_timeout: str = "60s",
    tries: int = TRIES,
) -> AsyncIterator[Database]:
    """A pool of ``size`` connections on one environment. Opens at once, even while the server is away.

    ``url`` may lead to a pooler. The timeouts hold inside each transaction, so that no pooler setting is needed.
    Where the server does not keep them, since it hangs, its connections are cut: a passing fault, after which ``run``
    tries again, ``tries`` times in all.
    """
    schema = schema_of(environment)
    begin = (
        f"begin; set local search_path to {schema}, extensions; set local lock_timeout = '{lock_timeout}'; "
        f"set local statement_timeout = '{statement_timeout}'"
    )
    pool: AsyncConnectionPool[Conn] = AsyncConnectionPool(
        url,
        connection_class=connection.Impatient,
        kwargs={
            "autocommit": True,
            "prepare_threshold": None,
            "application_name": "tallybook",
            "cursor_factory": arbiter_named.Naming,
            **connection.LINE,
        },
        min_size=1,
        max_size=size,
        timeout=5,
        reconnect_timeout=RECONNECT_SECONDS,
        open=False,
        configure=partial(_configure, _seconds(statement_timeout)),
        check=connection.check,
        name=f"tallybook-{environment}",
    )
    outage = Outage(pool.name)
    database = Database(pool, environment, begin, tries, outage)
    POOL_LOG.addFilter(outage)
    try:
        await pool.open()
        yield database
    finally:
        if not database.is_away:
            await violations_kept.flush(database)
        await pool.close()
        POOL_LOG.removeFilter(outage)


async def _configure(limit: float | None, conn: Conn) -> None:
    if isinstance(conn, connection.Impatient) and limit is not None:
        conn.patience = limit + GRACE_SECONDS


def _seconds(timeout: str) -> float | None:
    """A limit as PostgreSQL spells it, in whole seconds or minutes; None where there is none."""
    number, unit = int(timeout.rstrip("smin")), timeout.lstrip("0123456789")
    return number * {"s": 1.0, "min": 60.0}[unit] if number else None
