"""What goes out is sent once; where nobody can know whether it was sent, a person is asked."""

from __future__ import annotations

import asyncio

import msgspec

from tallybook.core import outbox, sending, unsettled
from tallybook.core.businesses import Business
from tallybook.core.channel import RateLimited, Refused, Settlement, Unreachable
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.messages import Outgoing, Status
from tallybook.core.sending import deliver
from tests import world
from tests.core.posted import STOP, Provider, a_message, look, make_due, post, put, told
from tests.core.prepared import prepare


async def test_a_key_is_put_once_per_business_and_channel(conn: Conn, business: Business) -> None:
    other = await world.kinneret_tours(conn)
    assert await outbox.put(conn, business.id, a_message())
    assert not await outbox.put(conn, business.id, a_message())
    assert await outbox.put(conn, business.id, a_message(channel="telegram"))
    assert await outbox.put(conn, other.id, a_message())


async def test_the_server_understands_every_statement(conn: Conn) -> None:
    found = {
        name: text
        for module in (outbox, sending, unsettled)
        for name, text in vars(module).items()
        if name.isupper() and isinstance(text, str) and " " in text
    }
    assert len(found) == 12
    for name, text in found.items():
        await prepare(conn, name, text)


async def test_what_is_put_is_sent_once_and_in_order(db: Database, business: Business) -> None:
    provider = Provider()
    await put(db, business, *map(str, range(10)))
    assert await deliver(db, business.id, post(provider), STOP) == 10
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert provider.sent == [str(n) for n in range(10)]
    assert await look(db, "state, external_id, done_at is not null") == [
        ("sent", f"id-of-{n}", True) for n in range(10)
    ]


async def test_eight_senders_at_once_send_each_message_once(db: Database, business: Business) -> None:
    provider = Provider()
    for n in range(40):
        await put(db, business, str(n), to=f"278200000{n:02}")
    await asyncio.gather(*(deliver(db, business.id, post(provider, at_once=2), STOP) for _ in range(8)))
    assert sorted(provider.sent, key=int) == [str(n) for n in range(40)]


async def test_one_business_does_not_send_anothers(db: Database, business: Business) -> None:
    provider = Provider()
    other = await db.run("other", world.kinneret_tours)
    await put(db, other, "theirs")
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await db.run("busy", outbox.busy) == [other.id]


async def test_a_passing_error_is_tried_again_when_the_provider_says(db: Database, business: Business) -> None:
    provider = Provider(Settlement.NEVER, RateLimited("slow down", retry_after=300), Unreachable("no route"))
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    wait = "state, reason, not_before > now() + interval '290 seconds'"
    assert await look(db, wait) == [("waiting", "slow down", True)]
    await make_due(db)
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db, "state, reason, attempts") == [("waiting", "no route", 2)]
    await make_due(db)
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db) == [("sent",)]
    assert provider.sent == ["a"]


async def test_a_message_that_waits_holds_back_the_next_one_to_the_same_person_alone(
    db: Database, business: Business
) -> None:
    provider = Provider(Settlement.NEVER, RateLimited("slow down", retry_after=300))
    await put(db, business, "first", "second")
    await put(db, business, "to somebody else", to="27820000002@s.whatsapp.net")
    await deliver(db, business.id, post(provider, at_once=1), STOP)
    assert provider.sent == ["to somebody else"]
    await make_due(db)
    await deliver(db, business.id, post(provider), STOP)
    assert provider.sent[1:] == ["first", "second"]


async def test_a_refused_message_is_parked_and_sent_again_only_when_a_person_says_so(
    db: Database, business: Business
) -> None:
    provider = Provider(Settlement.BY_REPORT, Refused("this number has no WhatsApp"))
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    (parked,) = await db.run("look", lambda conn: outbox.aside(conn, business.id))
    assert (parked.state, parked.reason) == (Status.PARKED, "this number has no WhatsApp")
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await db.run("replay", lambda conn: outbox.replay(conn, business.id, [parked.id])) == {parked.id}
    await deliver(db, business.id, post(provider), STOP)
    assert provider.sent == ["a"]


async def test_a_status_only_rises(db: Database, business: Business) -> None:
    await put(db, business, "a")
    await deliver(db, business.id, post(Provider()), STOP)
    for status, then in [
        (Status.READ, "read"),
        (Status.DELIVERED, "read"),
        (Status.SENT, "read"),
        (Status.PARKED, "read"),
    ]:
        report = told(status, external_id="id-of-a")
        assert await db.run("settle", lambda conn, report=report: outbox.settle(conn, business.id, report))
        assert await look(db) == [(then,)]


async def test_a_report_of_nothing_of_ours_says_so(conn: Conn, business: Business) -> None:
    other = await world.kinneret_tours(conn)
    await outbox.put(conn, other.id, a_message())
    assert not await outbox.settle(conn, business.id, told(Status.READ))


async def test_a_report_that_overtakes_our_record_is_not_undone_by_it(db: Database, business: Business) -> None:
    class Reporting(Provider):
        async def send(self, outgoing: Outgoing) -> str:
            await db.run("settle", lambda conn: outbox.settle(conn, business.id, told(Status.DELIVERED)))
            return await super().send(outgoing)

    await put(db, business, "a")
    await deliver(db, business.id, post(Reporting()), STOP)
    assert await look(db, "state, external_id") == [("delivered", "id-of-a")]


async def test_what_the_provider_gives_up_on_is_parked(db: Database, business: Business) -> None:
    await put(db, business, "a")
    await deliver(db, business.id, post(Provider()), STOP)
    report = msgspec.structs.replace(told(Status.PARKED), reason="the phone was off for 30 days")
    await db.run("settle", lambda conn: outbox.settle(conn, business.id, report))
    assert await look(db, "state, reason") == [("parked", "the phone was off for 30 days")]


async def test_only_prod_sends(dev_url: str, db: Database) -> None:
    async with open_database(dev_url, "dev") as dev:
        business = await dev.run("business", world.velo_fibre)
        provider = Provider()
        await put(dev, business, "to a customer")
        await put(dev, business, "to a tester", to="27820000099")
        await deliver(dev, business.id, post(provider, allowed=frozenset({"27820000099"})), STOP)
        assert provider.sent == ["to a tester"]
        assert await look(dev) == [("captured",), ("sent",)]


async def test_the_loop_sends_what_it_is_woken_for_and_stops(db: Database, business: Business) -> None:
    stop, wake, provider = asyncio.Event(), asyncio.Event(), Provider()
    loop = asyncio.create_task(outbox.run_outbox(db, post(provider), stop, wake, idle=60))
    await put(db, business, "a")
    async with asyncio.timeout(20):
        while not provider.sent:
            wake.set()
            await asyncio.sleep(0.01)  # what was sent is a list, which signals nothing
    stop.set()
    await loop
    assert await look(db) == [("sent",)]
