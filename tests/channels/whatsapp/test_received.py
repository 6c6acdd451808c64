"""From what was received to the rows: each update once whatever the batching, and nobody's kept until owned."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallybook.channels.whatsapp.webhook import WhatsAppWebhook
from tallybook.core import arrivals, channel_accounts, deliveries, parked, people, receive
from tallybook.core.businesses import Business
from tallybook.core.channel_accounts import Added, NewAccount
from tallybook.core.db import Conn, Database
from tallybook.core.deliveries import ChannelEntry, Filing
from tallybook.core.errors import Conflict
from tallybook.core.parked import Ref, Replayer
from tallybook.core.receive import Received
from tallybook.core.sealing import Seal
from tallybook.settings import Settings
from tallybook.told_channels import entry_of, told_channels
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import NUMBER, WABA, body, change, said, text
from tests.core.worked import rows
from tests.fakes import Clerk

HOOK = WhatsAppWebhook([bodies.SECRET], "a token of ours")
SEAL = Seal([b"k" * 32])
AS_FILED = """
select account, external_id, kind, chat, sender_raw, sender_phone, said_at, text, from_us, content::text
from messages order by account, external_id, kind
"""


async def add(db: Database, business: Business, account: str = NUMBER, **more: str) -> Added:
    new = NewAccount("whatsapp", account, **more)
    caller = people.command_line(business.id)
    return await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, caller, new))


async def come(db: Database, *some: bytes) -> None:
    """As if they had been posted, one after the other, and processed."""
    for one in some:
        received = [Received("whatsapp", one, datetime.now(UTC))]
        await db.run("store", lambda conn, received=received: receive.store(conn, received))
    await process(db)


async def process(db: Database, entry: ChannelEntry | None = None) -> None:
    await deliveries.process(db, {"whatsapp": entry or entry_of(HOOK)}, asyncio.Event())


async def test_each_update_is_a_row_and_its_repeat_is_none(db: Database, business: Business) -> None:
    await add(db, business)
    await add(db, business, f"waba:{WABA}")
    await come(db, bodies.EVERYTHING)
    first = await rows(db, AS_FILED)
    assert len(first) == len(HOOK.parse(bodies.EVERYTHING))
    await come(db, bodies.EVERYTHING + b"\n", body(*reversed(bodies.CHANGES), time=bodies.NOON))
    assert await rows(db, AS_FILED) == first
    assert await rows(db, "select count(*) from message_revisions") == [(0,)]
    assert await rows(db, "select distinct state from deliveries") == [("done",)]


async def test_what_a_later_delivery_adds_enriches_the_row_and_the_earlier_is_kept(
    db: Database, business: Business
) -> None:
    await add(db, business)
    price = {"pricing": {"billable": True, "category": "service"}}
    await come(db, body(change("statuses", bodies.status("sent"))))
    await come(db, body(change("statuses", bodies.status("sent", **price))))
    ((enriched, revision),) = await rows(db, "select content->'as_sent'->'pricing', revision from messages")
    assert (enriched, revision) == (price["pricing"], 1)
    ((before,),) = await rows(db, "select content->'as_sent' from message_revisions")
    assert "pricing" not in before


UPDATES = [
    *(change("messages", update, contacts=[bodies.contact()]) for update in bodies.EVERY_TYPE),
    *(change("statuses", update) for update in bodies.STATUSES),
    *bodies.CHANGES[2:],
]


@st.composite
def batches(draw: st.DrawFn) -> list[bytes]:
    """The same updates in any order, some of them several times, put together in any way."""
    order = draw(st.permutations(UPDATES)) + draw(st.lists(st.sampled_from(UPDATES), max_size=8))
    found: list[bytes] = []
    while order:
        size = draw(st.integers(1, 9))
        found.append(body(*order[:size], time=bodies.NOON))
        order = order[size:]
    return found


async def filed(db: Database, business: Business, some: list[bytes]) -> list[tuple[Any, ...]]:
    async def forget(conn: Conn) -> None:
        for table in ("message_revisions", "messages", "deliveries", "channel_arrivals"):
            await conn.execute(f"delete from {table}".encode())

    await db.run("forget", forget)
    await come(db, *some)
    return await rows(db, AS_FILED)


async def test_any_order_repetition_and_batching_ends_in_the_same_rows(db: Database, business: Business) -> None:
    await add(db, business)
    await add(db, business, f"waba:{WABA}")
    expected = await filed(db, business, [body(*UPDATES, time=bodies.NOON)])
    assert len(expected) == len(HOOK.parse(body(*UPDATES, time=bodies.NOON)))
    counts = await rows(db, "select messages, updates from channel_arrivals order by account")
    loop = asyncio.get_running_loop()

    @given(batches())
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def any_batches(some: list[bytes]) -> None:
        assert asyncio.run_coroutine_threadsafe(filed(db, business, some), loop).result(60) == expected
        again = asyncio.run_coroutine_threadsafe(
            rows(db, "select messages, updates from channel_arrivals order by account"), loop
        )
        assert again.result(60) == counts

    await asyncio.to_thread(any_batches)


async def test_several_workers_at_once_file_each_update_once(db: Database, business: Business) -> None:
    await add(db, business)
    await add(db, business, f"waba:{WABA}")
    shuffled = random.Random(7)
    some = [Received("whatsapp", body(*shuffled.sample(UPDATES, 12), time=n), now()) for n in range(40)]
    await db.run("store", lambda conn: receive.store(conn, some))
    await asyncio.gather(*(process(db) for _ in range(4)))
    assert await rows(db, "select state, count(*) from deliveries group by state") == [("done", 40)]
    found = await rows(db, "select count(*), count(distinct (account, external_id, kind)) from messages")
    assert found[0][0] == found[0][1]
    assert await rows(db, "select sum(updates)::int from channel_arrivals") == [(found[0][0],)]


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_poison_update_is_parked_alone_and_replayed_with_all_that_it_said(
    db: Database, business: Business
) -> None:
    await add(db, business)
    clerk = Clerk(poison={"poison"})
    received = [Received("whatsapp", said(text("one"), text("poison", 2), text("three", 3)), now())]
    await db.run("store", lambda conn: receive.store(conn, received))
    poisoned = ChannelEntry(HOOK, clerk.filing, entry_of(HOOK).businesses)
    await process(db, poisoned)
    assert sorted(clerk.told) == ["one", "three"]
    (item,) = await db.run("list", parked.listed)
    assert item.ref.startswith("message:")
    seen: list[Any] = []

    class Looks(Clerk):
        async def file(self, conn: Conn, business: Business, stored: list[Any]) -> list[str]:
            seen.extend(stored)
            return []

    looks = Looks()
    await Replayer(db, {"whatsapp": Filing(looks, looks.topic)}).replay([Ref.of(item.ref)])
    assert [one.incoming.text for one in seen] == ["poison"]
    assert json.loads(seen[0].incoming.content)["person"]["name"] == "Naledi"
    assert await db.run("list", parked.listed) == []


async def test_a_bad_frame_is_a_row_of_its_own_and_its_neighbours_are_filed(db: Database, business: Business) -> None:
    await add(db, business)
    frame = {"entry": [{"id": WABA, "changes": [change("messages", text()), None]}, None, {"id": WABA, "time": {}}]}
    await come(db, json.dumps(frame).encode(), json.dumps(frame).encode() + b" ")
    assert await rows(db, "select kind, count(*) from messages group by kind order by kind") == [
        ("message", 1), ("unreadable", 3),
    ]  # fmt: skip
    assert await rows(db, "select distinct state from deliveries") == [("done",)]
    changes = [change("messages", text("two", 2)), change("messages", text("theirs", 3), number="2")]
    await add(db, business, "2")
    await come(db, json.dumps({"entry": [{"id": "8", "changes": changes}, 7]}).encode())
    assert await rows(db, "select text from messages where kind = 'message' order by text") == [
        ("Is it open today?",), ("theirs",), ("two",),
    ]  # fmt: skip
    assert await rows(db, "select state, count(*) from deliveries group by state order by state") == [
        ("done", 2), ("parked", 1),
    ]  # fmt: skip


async def test_what_came_for_nobody_s_number_is_filed_as_soon_as_somebody_has_it(
    db: Database, business: Business
) -> None:
    await come(db, said(text()), said(text("another's", 2), number="2"))
    assert await rows(db, "select state, reason from deliveries") == [("parked", deliveries.NOBODYS)] * 2
    assert await add(db, business) == Added(new=True, waiting_again=2)
    await process(db)
    assert await rows(db, "select text from messages") == [("Is it open today?",)]
    assert await rows(db, "select state from deliveries order by id") == [("done",), ("parked",)]


async def test_absurdly_long_ids_are_rows_like_others(db: Database, business: Business) -> None:
    await add(db, business)
    odd = [{"id": "9" * 5000}, {"from": "9" * 5000}, {"group_id": "x" * 5000}]
    await come(db, said(*(text(number=number) | one for number, one in enumerate(odd)), text(number=9)))
    assert await rows(db, "select count(*), count(parked_reason) from messages") == [(4, 0)]


async def test_a_number_that_is_added_while_its_delivery_is_filed_misses_nothing(
    db: Database, business: Business
) -> None:
    """Who files has looked for the owner and not yet parked: who adds waits for him, and then finds it parked."""
    looked, go_on = asyncio.Event(), asyncio.Event()
    entry = entry_of(HOOK)

    async def slowly(conn: Conn, accounts: Any) -> Any:
        found = await entry.businesses(conn, accounts)
        looked.set()
        await go_on.wait()
        return found

    received = [Received("whatsapp", said(text()), now())]
    await db.run("store", lambda conn: receive.store(conn, received))
    filing = asyncio.create_task(process(db, ChannelEntry(HOOK, entry.filing, slowly)))
    await looked.wait()
    adding = asyncio.create_task(add(db, business))
    await until_waiting(db)
    go_on.set()
    await filing
    assert (await adding).waiting_again == 1
    await process(db)
    assert await rows(db, "select state from deliveries") == [("done",)]


async def until_waiting(db: Database) -> None:
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    async with asyncio.timeout(20):
        while await rows(db, waiting) == [(0,)]:
            await asyncio.sleep(0.01)  # a lock that is waited for is seen by looking alone


async def test_a_number_belongs_to_one_business_and_its_messages_to_no_other(db: Database, business: Business) -> None:
    other = await db.run("add business", world.kinneret_tours)
    await add(db, business)
    await add(db, other, "2")
    with pytest.raises(Conflict):
        await add(db, other)
    await come(db, body(change("messages", text()), change("messages", text("theirs"), number="2")))
    assert await rows(db, "select business_id, text from messages order by business_id") == [
        (business.id, "Is it open today?"), (other.id, "theirs"),
    ]  # fmt: skip
    checks = [
        await db.run("look", lambda conn, one=one: arrivals.checks(conn, one, now())) for one in (business, other)
    ]
    assert [[check.name for check in found] for found in checks] == [[f"whatsapp {NUMBER}"], ["whatsapp 2"]]


async def test_health_says_what_came_for_each_number_and_when(db: Database, business: Business) -> None:
    await add(db, business, label="Front desk")
    (before,) = await db.run("look", lambda conn: arrivals.checks(conn, business, now()))
    assert (before.name, before.state, before.says) == (f"whatsapp Front desk ({NUMBER})", "late", arrivals.NOTHING_YET)
    new = NewAccount("whatsapp", f"waba:{WABA}", may_be_silent=True)
    system = people.command_line(business.id)
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, system, new))
    assert len(await db.run("look", lambda conn: arrivals.checks(conn, business, now()))) == 1, "it may be silent"
    await come(db, said(text(), text("Hello?", 2)), body(change("statuses", bodies.status("read"))))
    (after,) = await db.run("look", lambda conn: arrivals.checks(conn, business, now()))
    assert (after.state, after.facts["messages"], after.facts["updates"]) == ("ok", 2, 3)
    assert after.since is not None
    assert str(after.facts["newest_at"]).startswith("2025-12-02T12:00:02")


async def test_without_a_secret_there_is_no_such_webhook() -> None:
    assert told_channels(Settings.load({})) == {}
    both = {"TALLYBOOK_WHATSAPP_APP_SECRET": "a,b", "TALLYBOOK_GATEWAY_SECRET": "c"}
    assert set(told_channels(Settings.load(both))) == {"whatsapp", "gateway"}
