"""What goes out is sent once; where nobody can know whether it was sent, a person is asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallybook.core import outbox, sending
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, Settlement, Unreachable
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.messages import Outgoing, Status
from tallybook.core.outbox import Report
from tallybook.core.sending import Post, deliver
from tests import world
from tests.core.prepared import prepare

ASKED = "27820000001@s.whatsapp.net"
STOP = asyncio.Event()


class Provider:
    """A provider that remembers what it sent, and answers as it is told: an id, or an error for each send in turn."""

    def __init__(
        self, settlement: Settlement = Settlement.BY_REPORT, *answers: Exception, name: str = "pigeon"
    ) -> None:
        self.name, self.settlement, self.answers = name, settlement, list(answers)
        self.sent: list[str] = []

    async def send(self, outgoing: Outgoing) -> str:
        if self.answers:
            raise self.answers.pop(0)
        self.sent.append(outgoing.dedup_key)
        return f"id-of-{outgoing.dedup_key}"


class LookedUp(Provider):
    """A provider that can be asked what it has sent."""

    async def look_up(self, outgoing: Outgoing) -> str | None:
        return f"id-of-{outgoing.dedup_key}" if outgoing.dedup_key in self.sent else None


def a_message(key: str = "a", to: str = ASKED, channel: str = "pigeon") -> Outgoing:
    return Outgoing(channel, "velo", to, key, {"text": "Please take photo 4 again"})


def post(provider: Provider, **terms: Any) -> Post:
    return Post({provider.name: provider}, **terms)


async def put(db: Database, business: Business, *keys: str, to: str = ASKED) -> None:
    for key in keys:
        await db.run("put", lambda conn, key=key: outbox.put(conn, business.id, a_message(key, to)))


async def look(db: Database, columns: str = "state") -> list[tuple]:
    async with db.transaction() as conn:
        return await (await conn.execute(f"select {columns} from outbox order by id".encode())).fetchall()


async def change(db: Database, assignment: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(f"update outbox set {assignment}".encode())


async def make_due(db: Database) -> None:
    await change(db, "not_before = now() - interval '1 second'")


async def test_a_key_is_put_once_per_business_and_channel(conn: Conn, business: Business) -> None:
    other = await world.kinneret_tours(conn)
    assert await outbox.put(conn, business.id, a_message())
    assert not await outbox.put(conn, business.id, a_message())
    assert await outbox.put(conn, business.id, a_message(channel="telegram"))
    assert await outbox.put(conn, other.id, a_message())


async def test_the_server_understands_every_statement(conn: Conn) -> None:
    found = {
        name: text
        for module in (outbox, sending)
        for name, text in vars(module).items()
        if name.isupper() and isinstance(text, str) and " " in text
    }
    assert len(found) == 10
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


def told(status: Status, **by: str) -> Report:
    return Report(channel="pigeon", status=status, **(by or {"dedup_key": "a"}))


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


async def test_a_report_settles_what_was_unknown_and_it_is_not_sent_again(db: Database, business: Business) -> None:
    provider = Provider(Settlement.BY_REPORT, BROKEN)
    await put(db, business, "a")
    await deliver(db, business.id, post(provider), STOP)
    await db.run("settle", lambda conn: outbox.settle(conn, business.id, told(Status.DELIVERED)))
    await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db, "state, reason") == [("delivered", None)]


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
            await asyncio.sleep(0.05)
    await db.run("settle", lambda conn: outbox.settle(conn, business.id, told(Status.DELIVERED)))
    await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert sent.read_text() == "a\n"
    assert provider.sent == []


async def test_the_loop_sends_what_it_is_woken_for_and_stops(db: Database, business: Business) -> None:
    stop, wake, provider = asyncio.Event(), asyncio.Event(), Provider()
    loop = asyncio.create_task(outbox.run_outbox(db, post(provider), stop, wake, idle=60))
    await put(db, business, "a")
    async with asyncio.timeout(20):
        while not provider.sent:
            wake.set()
            await asyncio.sleep(0.01)
    stop.set()
    await loop
    assert await look(db) == [("sent",)]
