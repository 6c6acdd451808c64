"""A body is answered for only once it is durable: in the database, or in the spool while the database is away."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest

from tallybook.core import wakeups
from tallybook.core.db import Database, open_database
from tallybook.core.errors import Unavailable
from tallybook.core.receive import Bounds, Received, Receiver, receiving
from tallybook.core.spool import Spool, status
from tests.core.worked import rows, until
from tests.fakes import NOON, body_of, said
from tests.postgres import Server

LIMIT = 50_000_000
QUICK = Bounds(patience=0.2, look_again=0.05, look_at_most=0.2)
COUNT = "select count(*), count(distinct xmin::text) from deliveries"
BODIES = "select body from deliveries order by id"

KILLED_BEFORE_THE_ANSWER = """
import asyncio, os, signal, sys
from pathlib import Path
from tallybook.core.db import open_database
from tallybook.core.receive import receiving

async def main(url, folder):
    async with open_database(url, "prod") as db, receiving(db, Path(folder), 50_000_000) as receiver:
        await receiver.receive("fake", b"said once")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def open_receiver(db: Database, folder: Path, bounds: Bounds = QUICK) -> AsyncIterator[Receiver]:
    async with receiving(db, folder / "spool", LIMIT, bounds) as receiver:
        yield receiver


async def stored(db: Database) -> list[bytes]:
    return [body for (body,) in await rows(db, BODIES)]


async def spooled(folder: Path) -> int:
    return (await status(folder / "spool")).records


async def test_two_hundred_at_once_share_few_transactions(db: Database, tmp_path: Path) -> None:
    async with open_receiver(db, tmp_path, Bounds()) as receiver:
        await asyncio.gather(*(receiver.receive("fake", body_of(said(str(n)))) for n in range(200)))
        ((count, transactions),) = await rows(db, COUNT)
    assert count == 200
    assert transactions <= 3


async def test_an_identical_retry_is_one_row_and_another_channels_is_its_own(db: Database, tmp_path: Path) -> None:
    async with open_receiver(db, tmp_path) as receiver:
        await asyncio.gather(*(receiver.receive("fake", b"the same") for _ in range(20)))
        await receiver.receive("fake", b"the same")
        await receiver.receive("other", b"the same")
    assert await stored(db) == [b"the same", b"the same"]


async def test_a_group_wakes_the_workers_once(db: Database, tmp_path: Path, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as listener:
        await listener.execute(f"listen {wakeups.channel_of('prod')}".encode())
        async with open_receiver(db, tmp_path, Bounds()) as receiver:
            await asyncio.gather(*(receiver.receive("fake", str(n).encode()) for n in range(50)))
        heard = [notice.payload async for notice in listener.notifies(timeout=0.3)]
    ((_, transactions),) = await rows(db, COUNT)
    assert heard == ["deliveries 0"] * transactions


async def test_a_process_that_is_killed_before_it_could_answer_leaves_one_row_for_the_retry(
    fresh_db: Database, fresh_url: str, tmp_path: Path
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_BEFORE_THE_ANSWER, fresh_url, str(tmp_path / "spool")
    )
    assert await child.wait() == -9
    child._transport.close()
    assert await stored(fresh_db) == [b"said once"]
    async with open_receiver(fresh_db, tmp_path) as receiver:
        await receiver.receive("fake", b"said once")
    assert await stored(fresh_db) == [b"said once"]


async def test_a_commit_that_takes_too_long_is_spooled_too_and_is_one_row_in_the_end(
    db: Database, tmp_path: Path, superuser_url: str
) -> None:
    async with (
        await psycopg.AsyncConnection.connect(superuser_url) as somebody,
        open_receiver(db, tmp_path) as receiver,
    ):
        await somebody.execute("lock table deliveries in share mode")
        await receiver.receive("fake", b"slowly")
        assert receiver.away
        assert await spooled(tmp_path) == 1
        await receiver.receive("fake", b"at once to the spool")
        await somebody.rollback()

        async def taken() -> bool:
            return not receiver.away and await spooled(tmp_path) == 0

        await until(taken)
        await receiver.receive("fake", b"quickly again")
    assert sorted(await stored(db)) == [b"at once to the spool", b"quickly again", b"slowly"]


async def test_with_the_database_stopped_under_load_everything_answered_is_there_afterwards(
    server: Server, tmp_path: Path
) -> None:
    answered: list[bytes] = []
    stop = asyncio.Event()
    numbers = itertools.count()

    async def sender(receiver: Receiver) -> None:
        while not stop.is_set():
            body = b"number %d" % next(numbers)
            try:
                await receiver.receive("fake", body)
            except Unavailable:
                continue
            answered.append(body)
            await asyncio.sleep(0.002)  # as somebody who has more to say

    async with open_database(server.url(), "prod") as db, open_receiver(db, tmp_path) as receiver:
        senders = [asyncio.create_task(sender(receiver)) for _ in range(8)]
        for end in (server.stop, server.kill):
            before = len(answered)
            await until(lambda before=before: _true(len(answered) > before + 50))
            await asyncio.to_thread(end)
            down = len(answered)
            await until(lambda down=down: _true(len(answered) > down + 50))
            assert await spooled(tmp_path) > 0
            await asyncio.to_thread(server.start)
            await until(lambda: _true(not receiver.away))
        stop.set()
        await asyncio.gather(*senders)

        async def emptied() -> bool:
            return await spooled(tmp_path) == 0

        await until(emptied)
        found = await stored(db)
    assert len(found) == len(set(found))
    assert set(answered) <= set(found)


async def _true(value: bool) -> bool:
    return value


async def test_with_the_database_away_and_the_spool_full_the_sender_must_come_again(
    server: Server, tmp_path: Path
) -> None:
    await asyncio.to_thread(server.stop)
    async with (
        open_database(server.url(), "prod") as db,
        receiving(db, tmp_path / "spool", 2000, QUICK) as receiver,
    ):
        await receiver.receive("fake", b"x" * 1500)
        with pytest.raises(Unavailable):
            await receiver.receive("fake", b"y" * 1500)
        await asyncio.to_thread(server.start)

        async def back() -> bool:
            return not receiver.away

        await until(back)
        await receiver.receive("fake", b"y" * 1500)
        assert await stored(db) == [b"x" * 1500, b"y" * 1500]


async def test_what_would_take_too_much_memory_is_refused_and_what_waits_is_kept(
    db: Database, tmp_path: Path, superuser_url: str
) -> None:
    few = Bounds(waiting=3, waiting_bytes=1000, patience=5)
    async with (
        await psycopg.AsyncConnection.connect(superuser_url) as somebody,
        open_receiver(db, tmp_path, few) as receiver,
    ):
        await somebody.execute("lock table deliveries in share mode")
        waiting = [asyncio.create_task(receiver.receive("fake", bytes([n]))) for n in range(3)]
        await asyncio.sleep(0)  # all of them wait
        with pytest.raises(Unavailable):
            await receiver.receive("fake", b"a fourth")
        await somebody.rollback()
        await asyncio.gather(*waiting)
        with pytest.raises(Unavailable):
            await receiver.receive("fake", b"z" * 1001)
        await receiver.receive("fake", b"there is room again")
    assert len(await stored(db)) == 4


async def test_a_sender_that_gives_up_waiting_takes_no_room_and_its_body_is_kept(
    db: Database, tmp_path: Path, superuser_url: str
) -> None:
    async with (
        await psycopg.AsyncConnection.connect(superuser_url) as somebody,
        open_receiver(db, tmp_path, Bounds(answer_within=0.1)) as receiver,
    ):
        await somebody.execute("lock table deliveries in share mode")
        with pytest.raises(Unavailable):
            await receiver.receive("fake", b"impatient")
        await somebody.rollback()

        async def kept() -> bool:
            return await stored(db) == [b"impatient"] and receiver._posts == 0 == receiver._bytes

        await until(kept)


async def test_what_a_dead_process_spooled_is_stored_by_the_next(db: Database, tmp_path: Path) -> None:
    async with Spool.open(tmp_path / "spool", LIMIT) as dead:
        await dead.append(msgspec.msgpack.encode(Received("fake", b"left behind", NOON)))
        await dead.append(b"no record of ours")
    async with open_receiver(db, tmp_path):

        async def taken() -> bool:
            return len(await stored(db)) == 2

        await until(taken)
    assert await rows(db, "select channel, body, received_at from deliveries order by channel") == [
        ("fake", b"left behind", NOON),
        ("unreadable", b"no record of ours", (await rows(db, "select max(received_at) from deliveries"))[0][0]),
    ]


async def test_what_still_waits_is_kept_before_a_receiver_closes(db: Database, tmp_path: Path) -> None:
    async with open_receiver(db, tmp_path, Bounds(group=2)) as receiver:
        waiting = [asyncio.create_task(receiver.receive("fake", bytes([n]))) for n in range(9)]
        await asyncio.sleep(0)  # all of them wait
    await asyncio.gather(*waiting)
    assert len(await stored(db)) == 9
    with pytest.raises(Unavailable):
        await receiver.receive("fake", b"too late")


async def test_a_receiver_closes_at_once_whatever_moment_it_is_told(db: Database, tmp_path: Path) -> None:
    for moments in range(20):
        async with open_receiver(db, tmp_path):
            for _ in range(moments):
                await asyncio.sleep(0)  # a moment: the loop has gone round once
            told = time.monotonic()
        assert time.monotonic() - told < 5
