"""Transactions: one commit, retried where that may help and nowhere else."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import psycopg
import pytest
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from tallybook.core import connection
from tallybook.core import db as databases
from tallybook.core.db import Conn, Database, ended, is_transient, open_database, retried, schema_of
from tallybook.core.errors import WrongSetup
from tests.postgres import Server

ADD = "insert into businesses (name) values (%(name)s)"
COUNT = "select count(*) from businesses"
END = "select pg_terminate_backend(%(pid)s::int, 5000)"


async def count(conn: Conn) -> int:
    row = await (await conn.execute(COUNT)).fetchone()
    assert row is not None
    return int(row[0])


async def number_of(conn: Conn) -> int:
    return conn.info.backend_pid


def tries(what: str) -> float:
    return retried.labels(what)._value.get()


async def test_a_transaction_that_raises_leaves_nothing(db: Database) -> None:
    async def half(conn: Conn) -> None:
        await conn.execute(ADD, {"name": "Half"})
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await db.run("half", half)
    assert await db.run("count", count) == 0


async def test_the_schema_is_set_inside_the_transaction(db: Database) -> None:
    async with db.transaction() as conn:
        row = await (await conn.execute("select current_schema(), current_setting('lock_timeout')")).fetchone()
    assert row == ("public", "5s")


@pytest.mark.parametrize("just_now", [0.0, 60.0], ids=["asked before", "not asked"])
async def test_a_pooled_connection_that_died_costs_nobody_their_work(
    database_url: str, superuser_url: str, monkeypatch: pytest.MonkeyPatch, just_now: float
) -> None:
    monkeypatch.setattr(connection, "JUST_NOW", just_now)
    async with (
        open_database(database_url, "prod", size=1) as db,
        await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as somebody,
    ):
        await somebody.execute(END, {"pid": await db.run("whose", number_of)})
        assert await db.run("count", count) == 0


@pytest.mark.parametrize("error", [pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable])
async def test_a_passing_fault_is_tried_again_and_counted(db: Database, error: type[Exception]) -> None:
    failures = iter([error("once"), error("twice")])
    before = tries("passing")

    async def work(conn: Conn) -> int:
        await conn.execute(ADD, {"name": "Once"})
        for failure in failures:
            raise failure
        return await count(conn)

    done = ended.labels("passing", "done")._value.get()
    assert await db.run("passing", work) == 1
    assert tries("passing") == before + 2
    assert ended.labels("passing", "done")._value.get() == done + 1


@pytest.mark.parametrize("most", [1, 3])
async def test_it_is_tried_as_often_as_is_set_and_its_failure_is_counted(database_url: str, most: int) -> None:
    begun = 0

    async def work(conn: Conn) -> None:
        nonlocal begun
        begun += 1
        raise pg.SerializationFailure("again and again")

    failed = ended.labels("never", "failed")._value.get()
    async with open_database(database_url, "prod", tries=most) as db:
        with pytest.raises(pg.SerializationFailure):
            await db.run("never", work)
    assert begun == most
    assert ended.labels("never", "failed")._value.get() == failed + (most > 1)


async def test_tries_are_bounded(db: Database) -> None:
    calls = 0

    async def work(_: Conn) -> None:
        nonlocal calls
        calls += 1
        raise pg.SerializationFailure

    with pytest.raises(pg.SerializationFailure):
        await db.run("bounded", work)
    assert calls == databases.TRIES


async def test_any_other_error_is_not_tried_again(db: Database) -> None:
    calls = 0

    async def work(_: Conn) -> None:
        nonlocal calls
        calls += 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await db.run("other", work)
    assert calls == 1


async def test_a_transaction_inside_another_is_refused(db: Database) -> None:
    """A retry inside somebody else's transaction would repeat half of it."""

    async def outer(_: Conn) -> None:
        await db.run("inner", count)

    with pytest.raises(RuntimeError, match="inside another"):
        await db.run("outer", outer)


async def test_two_that_lock_in_opposite_order_both_come_through(db: Database) -> None:
    """A real deadlock: PostgreSQL ends one of the two, and it runs again."""
    await db.run("add", lambda conn: conn.execute("insert into businesses (name) values ('a'), ('b')"))
    met = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        waited = False

        async def work(conn: Conn) -> None:
            nonlocal waited
            await conn.execute("select 1 from businesses where name = %(n)s for update", {"n": first})
            if not waited:
                waited = True
                await met.wait()
            await conn.execute("select 1 from businesses where name = %(n)s for update", {"n": second})

        await db.run("lock", work)

    await asyncio.wait_for(asyncio.gather(lock("a", "b"), lock("b", "a")), 30)


async def test_a_lost_connection_is_replaced_and_the_work_done_once(server: Server) -> None:
    async with open_database(server.url("tallybook_prod"), "prod") as db:
        first = True

        async def work(conn: Conn) -> None:
            nonlocal first
            await conn.execute(ADD, {"name": "After the fall"})
            if first:
                first = False
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                await conn.execute(ADD, {"name": "never"})

        await db.run("lost", work)
        assert await db.run("count", count) == 1


async def test_a_cancelled_transaction_gives_its_connection_back(db: Database) -> None:
    started = asyncio.Event()

    async def work(conn: Conn) -> None:
        await conn.execute(ADD, {"name": "Cancelled"})
        started.set()
        await conn.execute("select pg_sleep(30)")

    task = asyncio.create_task(db.run("cancelled", work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await db.run("count", count) == 0


async def test_a_database_that_is_away_is_not_waited_for_again_and_again() -> None:
    async with open_database("postgresql://nobody@127.0.0.1:1/none", "prod") as away:
        with pytest.raises(PoolTimeout):
            await asyncio.wait_for(away.run("away", count), 8)


async def test_a_database_that_answers_others_is_busy_and_not_away(database_url: str) -> None:
    async with open_database(database_url, "prod", size=1) as db:
        first, second = asyncio.Event(), asyncio.Event()

        async def holds(until: asyncio.Event) -> None:
            async with db.transaction():
                await until.wait()

        async def looks() -> None:
            async with db.transaction(within=0.3):
                raise AssertionError("there is no connection for it")

        async with asyncio.TaskGroup() as group:
            for waiting, until in enumerate((first, second)):
                group.create_task(holds(until))
                await until_waiting(db, waiting)
            look = asyncio.create_task(looks())
            await until_waiting(db, 2)
            first.set()
            with pytest.raises(PoolTimeout):
                await look
            assert not db.is_away
            with pytest.raises(PoolTimeout):
                await looks()
            assert db.is_away, "nobody was answered meanwhile"
            second.set()
        assert not db.is_away


async def until_waiting(db: Database, count: int) -> None:
    """Until so many wait for a connection, and one has it."""
    async with asyncio.timeout(10):
        while db.pool.get_stats()["requests_waiting"] != count or db.pool.get_stats()["pool_available"]:
            await asyncio.sleep(0)  # the pool signals nothing of it


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (psycopg.OperationalError("connection refused"), True),
        (pg.AdminShutdown(), True),
        (pg.UniqueViolation(), False),
        (pg.DiskFull(), False),
        (pg.InvalidPassword(), False),
    ],
)
def test_which_faults_may_pass(error: Exception, passing: bool) -> None:
    assert is_transient(error) is passing


@pytest.mark.parametrize("name", ["Dev", "dev; drop", "", "x" * 40, "1dev"])
def test_an_environment_s_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(WrongSetup):
        schema_of(name)


async def test_an_error_that_was_swallowed_is_no_success(db: Database) -> None:
    """PostgreSQL answers the commit of a broken transaction with a rollback, and no error."""

    async def work(conn: Conn) -> None:
        await conn.execute(ADD, {"name": "Swallowed"})
        with suppress(pg.UndefinedTable):
            await conn.execute("select from no_such_table")

    with pytest.raises(RuntimeError, match="swallowed"):
        await db.run("swallowed", work)
    assert await db.run("count", count) == 0
