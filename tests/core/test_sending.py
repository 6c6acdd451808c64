"""A send without an answer is never simply repeated: it is settled as its channel declares, or a person is asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, Settlement
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Outgoing, Status
from tallybook.core.outcomes import Became
from tallybook.core.sending import Post, deliver
from tests.core.posted import STOP, LookedUp, Provider, a_message, change, look, make_due, post, put, told

BROKEN = OutcomeUnknown("the line broke")


async def test_without_an_answer_a_reporting_channel_sends_again_once_and_then_asks(
    db: Database, business: Business
) -> None:
    provider = Provider(Settlement.BY_REPORT, BROKEN, BROKEN)
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db, "state, resent, reason") == [("unknown", False, "the line broke")]
    assert await deliver(db, business.id, post(provider), STOP) == 0, "its report is awaited first"
    await make_due(db)
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db, "state, resent") == [("unknown", True)]
    await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db) == [("parked",)]


async def test_without_an_answer_a_silent_channel_asks_a_person_at_once(db: Database, business: Business) -> None:
    provider = Provider(Settlement.NEVER, BROKEN)
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db, "state, reason") == [
        ("parked", "the line broke; only a person can find out whether it was sent")
    ]


async def test_without_an_answer_a_provider_that_can_be_asked_is_asked_and_not_sent_to(
    db: Database, business: Business
) -> None:
    provider = LookedUp(Settlement.BY_LOOKUP, BROKEN)
    provider.sent.append("a")  # it had been sent before the line broke
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    await make_due(db)
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db, "state, external_id") == [("sent", "id-of-a")]
    assert provider.sent == ["a"]


async def test_a_provider_that_can_be_asked_is_asked_each_time_and_after_six_tries_a_person(
    db: Database, business: Business
) -> None:
    provider = LookedUp(Settlement.BY_LOOKUP, *([BROKEN] * 9))
    await put(db, business, "a")
    for tries in range(1, 7):
        await deliver(db, business.id, post(provider), STOP)
        assert len(provider.asked) == tries - 1, "what is said again is looked for before"
        await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db, "state, attempts") == [("parked", 6)]


async def test_a_sender_that_fails_in_an_unforeseen_way_leaves_the_outcome_unknown(
    db: Database, business: Business
) -> None:
    provider = Provider(Settlement.BY_REPORT, KeyError("27820000001"))
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db, "state, reason") == [("unknown", "KeyError in Provider.send")]


class Slow(Provider):
    async def send(self, outgoing: Outgoing) -> str:
        await asyncio.Event().wait()
        return await super().send(outgoing)


async def test_a_send_that_hangs_is_unknown_and_its_neighbour_is_sent(db: Database, business: Business) -> None:
    slow, quick = Slow(name="slow"), Provider()
    await db.run("put", lambda conn: outbox.put(conn, business.id, a_message(channel="slow")))
    await put(db, business, "b")
    senders = Post({"slow": slow, "pigeon": quick}, timeout=0.2)
    await deliver(db, business.id, senders, STOP)
    assert await look(db) == [("unknown",), ("sent",)]


@pytest.mark.parametrize(
    ("settlement", "then"),
    [(Settlement.BY_REPORT, "unknown"), (Settlement.BY_ECHO, "unknown"), (Settlement.NEVER, "parked")],
)
async def test_a_lease_found_expired_means_that_the_outcome_is_unknown(
    db: Database, business: Business, settlement: Settlement, then: str
) -> None:
    await put(db, business, "a")
    await change(db, "state = 'sending', claimed_by = gen_random_uuid(), lease_until = now() - interval '1 second'")
    assert await deliver(db, business.id, post(Provider(settlement)), STOP) == 0
    assert await look(db) == [(then,)]


async def test_a_late_yes_is_still_a_yes(db: Database, business: Business) -> None:
    """The lease ended while the provider was thinking: another worker found it unknown, then the answer came."""

    class Thinking(Provider):
        async def send(self, outgoing: Outgoing) -> str:
            await change(db, "lease_until = now() - interval '1 second'")
            await deliver(db, business.id, post(Provider()), STOP)
            assert await look(db) == [("unknown",)]
            return await super().send(outgoing)

    await put(db, business, "a")
    await deliver(db, business.id, post(Thinking()), STOP)
    assert await look(db, "state, external_id, reason") == [("sent", "id-of-a", None)]


async def test_a_report_settles_what_was_unknown_and_it_is_not_sent_again(db: Database, business: Business) -> None:
    provider = Provider(Settlement.BY_REPORT, BROKEN)
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    await db.run("settle", lambda conn: outbox.settle(conn, business.id, told(Status.DELIVERED)))
    await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db, "state, reason") == [("delivered", None)]


SENDER = """
import asyncio, sys
from tallybook.core.channel import Settlement
from tallybook.core.db import open_database
from tallybook.core.sending import Post, deliver

class Provider:
    name, settlement = "pigeon", Settlement.BY_REPORT
    async def send(self, outgoing):
        with open(sys.argv[2], "a") as sent:
            sent.write(outgoing.dedup_key + "\\n")
        print("sent", flush=True)
        await asyncio.Event().wait()

async def main():
    async with open_database(sys.argv[1], "prod", size=2) as db:
        await deliver(db, int(sys.argv[3]), Post({"pigeon": Provider()}, at_once=1, lease=0.5), asyncio.Event())

asyncio.run(main())
"""


async def test_a_sender_killed_after_the_providers_yes_does_not_lead_to_a_second_message(
    db: Database, database_url: str, business: Business, tmp_path: Path
) -> None:
    await put(db, business, "a")
    sent = tmp_path / "sent"
    command = [sys.executable, "-c", SENDER, database_url, str(sent), str(business.id)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        await asyncio.to_thread(process.stdout.readline)
        process.kill()
    provider = Provider(Settlement.BY_REPORT)
    async with asyncio.timeout(20):
        while await look(db) != [("unknown",)]:
            assert await deliver(db, business.id, post(provider), STOP) == 0
            await asyncio.sleep(0.05)  # until the lease is over
    await db.run("settle", lambda conn: outbox.settle(conn, business.id, told(Status.DELIVERED)))
    await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert sent.read_text() == "a\n"
    assert provider.sent == []


OVERDUE = "state = 'sending', claimed_by = gen_random_uuid(), lease_until = now() - interval '1 hour'"


async def test_after_a_long_outage_a_report_is_awaited_before_anything_is_sent_again(
    db: Database, business: Business
) -> None:
    provider = Provider()
    await put(db, business, "a")
    await change(db, OVERDUE)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db, "state, not_before > now() + interval '9 minutes'") == [("unknown", True)]
    await make_due(db)
    assert await deliver(db, business.id, post(provider, listening_since=time.monotonic()), STOP) == 0
    db.outage.begun("the server was switched off")
    assert await deliver(db, business.id, post(provider), STOP) == 0, "reports come again only now"
    db.outage.ended = float("-inf")
    assert await deliver(db, business.id, post(provider), STOP) == 1
    assert provider.sent == ["a"]


async def test_nothing_is_sent_again_while_a_report_of_it_may_wait_to_be_read(db: Database, business: Business) -> None:
    provider = Provider()
    await put(db, business, "a")
    await change(db, OVERDUE)
    await deliver(db, business.id, post(provider), STOP)
    await make_due(db)
    async with db.transaction() as conn:
        await conn.execute("insert into deliveries (channel, body_sha256, body) values ('pigeon', '\\x00', '\\x00')")
    assert await deliver(db, business.id, post(provider), STOP) == 0
    async with db.transaction() as conn:
        await conn.execute("update deliveries set state = 'done', done_at = now()")
    assert await deliver(db, business.id, post(provider), STOP) == 1


@pytest.mark.parametrize(("settlement", "heard"), [(Settlement.NEVER, 1), (Settlement.BY_ECHO, 2)])
async def test_who_waits_for_a_message_hears_that_only_a_person_can_say_what_became_of_it(
    db: Database, business: Business, settlement: Settlement, heard: int
) -> None:
    became: list[Became] = []

    async def tell(_conn: Conn, _business_id: int, told: Sequence[Became]) -> None:
        became.extend(told)

    await put(db, business, "a")
    posted = post(Provider(settlement, BROKEN), tell=tell)
    await deliver(db, business.id, posted, STOP)
    await make_due(db)
    await deliver(db, business.id, posted, STOP)
    assert became[-1] == Became("pigeon", "a", Status.PARKED)
    assert len(became) == heard
