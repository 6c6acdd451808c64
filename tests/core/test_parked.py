"""What was put aside is seen in one list, and a person replays it; what is in it is shown to that person alone."""

from __future__ import annotations

import asyncio

import pytest

from tallybook.core import deliveries, ingest, jobs, outbox, parked, receive
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.jobs import NewJob
from tallybook.core.messages import Identity, Incoming, Media
from tallybook.core.parked import Ref, Replay, Replayer
from tallybook.core.receive import Received
from tallybook.core.sending import Post, deliver
from tests.core.posted import a_message
from tests.core.worked import rows
from tests.fakes import NOON, Clerk, FakeSender, Files, an_entry

PHOTO = Media("image", "photo.jpg", b"\x01" * 32, 4096)
WRITTEN = Incoming(
    "fake", "velo", "velo", "1", "chat", Identity("27820000001", "+27820000001", "5@lid"), NOON, "poison", b"\x02" * 32,
    from_us=True, media=PHOTO,
)  # fmt: skip


@pytest.fixture
async def clerk(db: Database, business: Business) -> Clerk:
    """A clerk with one of each kind put aside: a delivery, a job, a message, and two messages of ours."""
    clerk = Clerk(poison={"poison"})
    await db.run("absorb", lambda conn: ingest.absorb(conn, business, [WRITTEN], clerk))
    await db.run("renumber", lambda conn: conn.execute("update messages set id = 1"))
    await db.run("store", lambda conn: receive.store(conn, [Received("fake", b"said in private", NOON)]))
    await deliveries.process(db, {"fake": an_entry(clerk)}, asyncio.Event())
    await db.run("ask", lambda conn: jobs.enqueue(conn, [NewJob("tally", "a")]))
    await db.run("park", lambda conn: conn.execute("update jobs set state = 'parked', reason = 'it failed'"))
    for key in ("a", "b"):
        message = a_message(key, to=f"2782000000{key}", channel="fake")
        await db.run("put", lambda conn, message=message: outbox.put(conn, business.id, message))
    sender = FakeSender(orders=["permanent", "unknown"])
    await deliver(db, business.id, Post({"fake": sender}, at_once=1), asyncio.Event())
    return clerk


async def refs(db: Database) -> list[str]:
    return [item.ref for item in await db.run("list", parked.listed)]


async def replay(db: Database, clerk: Clerk, *references: str, **more: bool) -> list[Replay]:
    replayer = Replayer(db, {"fake": clerk.filing}, **more)
    return await replayer.replay([Ref.of(reference) for reference in references])


ALL = ["delivery:1", "job:1", "message:1", "outgoing:1", "outgoing:2"]


async def test_everything_that_is_put_aside_stands_in_one_list(db: Database, clerk: Clerk) -> None:
    items = await db.run("list", parked.listed)
    assert [item.ref for item in items] == ALL
    assert [item.state for item in items] == ["parked", "parked", "parked", "parked", "unknown"]
    assert all(item.reason for item in items)
    assert not any(private in str(items) for private in ("said in private", "poison", "27820000001", "photo 4"))


async def test_the_list_can_be_read_piece_by_piece(db: Database, clerk: Clerk) -> None:
    after, found = None, []
    while piece := await db.run("list", lambda conn, after=after: parked.listed(conn, 2, after)):
        after = piece[-1].ref
        found += [item.ref for item in piece]
    assert found == ALL


async def test_to_a_person_an_item_is_shown_with_what_is_in_it(db: Database, clerk: Clerk) -> None:
    expected = {"delivery:1": ("body", "said in private"), "message:1": ("text", "poison"), "job:1": ("key", "a"),
                "outgoing:1": ("recipient", "2782000000a")}  # fmt: skip
    for reference, (name, value) in expected.items():
        shown = await db.run("show", lambda conn, reference=reference: parked.show(conn, Ref.of(reference)))
        assert shown.item.ref == reference
        assert shown.content[name] == value


@pytest.mark.parametrize(
    "reference", ["message", "message:", "message:x", "note:1", "message:-1", "message:1" + "0" * 30]
)
async def test_a_wrong_reference_is_told_so(reference: str) -> None:
    with pytest.raises(Invalid):
        Ref.of(reference)


async def test_what_is_not_parked_is_neither_shown_nor_replayed(db: Database, clerk: Clerk) -> None:
    with pytest.raises(NotFound):
        await db.run("show", lambda conn: parked.show(conn, Ref.of("message:99")))
    results = await replay(db, clerk, "message:99", "delivery:99", "job:99", "outgoing:99")
    assert [result.replayed for result in results] == [False] * 4


async def test_a_message_that_fails_again_stays_parked_and_leaves_nothing_behind(db: Database, clerk: Clerk) -> None:
    (result,) = await replay(db, clerk, "message:1")
    assert not result.replayed
    assert result.says.startswith("It failed again: ValueError")
    assert "poison" not in result.says
    assert "message:1" in await refs(db)
    assert await rows(db, "select subject_id from audit_log") == []


async def test_a_message_whose_cause_was_mended_is_filed_once_as_it_came(db: Database, clerk: Clerk) -> None:
    clerk.poison.clear()
    handed: list[Incoming] = []

    async def handler(conn, business, stored):
        handed.extend(message.incoming for message in stored)
        return await clerk.file(conn, business, stored)

    filing = deliveries.Filing(Files(handler), "clerk", clerk.hear)
    both = await asyncio.gather(*(Replayer(db, {"fake": filing}).replay([Ref.of("message:1")]) for _ in range(2)))
    assert sorted(result.replayed for (result,) in both) == [False, True]
    assert handed == [WRITTEN]
    assert clerk.told == ["poison"]
    assert await rows(db, "select subject_id from audit_log") == [("poison",)]
    assert "message:1" not in await refs(db)


async def test_a_message_that_nobody_files_here_stays_parked(db: Database, clerk: Clerk) -> None:
    (result,) = await Replayer(db, {}).replay([Ref.of("message:1")])
    assert not result.replayed
    assert "message:1" in await refs(db)


async def test_deliveries_jobs_and_refused_messages_wait_again(db: Database, clerk: Clerk) -> None:
    results = await replay(db, clerk, "delivery:1", "job:1", "outgoing:1")
    assert all(result.replayed for result in results)
    assert await refs(db) == ["message:1", "outgoing:2"]
    for table in ("deliveries", "jobs", "outbox where id = 1"):
        assert await rows(db, f"select state from {table}") == [("waiting",)]


async def test_what_may_have_been_sent_is_sent_again_only_when_a_person_insists(
    db: Database, business: Business, clerk: Clerk
) -> None:
    (result,) = await replay(db, clerk, "outgoing:2")
    assert not result.replayed
    assert "--send-again" in result.says
    assert "outgoing:2" in await refs(db)
    (result,) = await replay(db, clerk, "outgoing:2", even_unknown=True)
    assert result.replayed
    sender = FakeSender()
    await deliver(db, business.id, Post({"fake": sender}), asyncio.Event())
    assert sender.sent == ["b"]
