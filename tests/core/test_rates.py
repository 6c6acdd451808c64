"""A number sends only so fast, however many workers send by it; what is over the limit waits and is not lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from tallybook.core import outbox
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, Refused, Settlement, Unreachable
from tallybook.core.db import Database
from tallybook.core.messages import Outgoing
from tallybook.core.rates import Limit, Limits
from tallybook.core.sending import Post, deliver
from tests import world
from tests.core.posted import STOP, Provider, change, look, make_due, post


class Slow(Provider):
    """A provider that may be sent to only so fast."""

    def __init__(self, limits: Limits, *answers: Exception) -> None:
        super().__init__(Settlement.BY_ECHO, *answers)
        self.limits = limits


def a_message(key: str, account: str = "velo", to: str = "group", topic: str | None = None) -> Outgoing:
    return Outgoing("pigeon", account, to, key, {"text": key}, topic)


async def put(db: Database, business: Business, *messages: Outgoing) -> None:
    async def work(conn: object) -> None:
        for message in messages:
            await outbox.put(conn, business.id, message)

    await db.run("put", work)


async def execute(db: Database, statement: str) -> list[tuple]:
    async with db.transaction() as conn:
        cursor = await conn.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []


async def pass_time(db: Database, seconds: float) -> None:
    """As if so many seconds had gone by."""
    by = f"interval '{seconds} seconds'"
    await execute(db, f"update sending_moments set at = at - {by}")
    await execute(db, f"update sending_lines set open_at = open_at - {by}")
    await execute(db, f"update outbox set not_before = not_before - {by}")


async def test_what_is_over_a_limit_waits_and_leaves_when_it_may(db: Database, business: Business) -> None:
    provider = Slow(Limits((Limit(2, 60), Limit(3, 3600))))
    await put(db, business, *(a_message(str(n)) for n in range(4)))
    assert await deliver(db, business.id, post(provider), STOP) == 2
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db, "state, attempts") == [("sent", 1), ("sent", 1), ("waiting", 0), ("waiting", 0)]
    await pass_time(db, 59)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    await pass_time(db, 2)
    assert await deliver(db, business.id, post(provider), STOP) == 1, "three in an hour"
    await pass_time(db, 3540)
    assert await deliver(db, business.id, post(provider), STOP) == 1
    assert provider.sent == ["0", "1", "2", "3"]


async def test_each_number_of_each_business_has_limits_of_its_own(db: Database, business: Business) -> None:
    other = await db.run("other", world.kinneret_tours)
    provider = Slow(Limits((Limit(1, 60),)))
    await put(db, business, a_message("a"), a_message("b"), a_message("c", account="second", to="another"))
    await put(db, other, a_message("d"), a_message("e"))
    assert await deliver(db, business.id, post(provider), STOP) == 2
    assert await deliver(db, other.id, post(provider), STOP) == 1
    assert sorted(provider.sent) == ["a", "c", "d"]


async def test_what_cools_down_holds_only_its_own_topic_back(db: Database, business: Business) -> None:
    provider = Slow(Limits((Limit(100, 60),), cooldown=3600))
    topics = {"a": "DR1", "b": "DR1", "c": "DR2", "d": "DR1"}
    await put(db, business, *(a_message(key, topic=topic) for key, topic in topics.items()))
    assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 2
    assert provider.sent == ["a", "c"]
    await pass_time(db, 3601)
    assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 1
    await pass_time(db, 3601)
    assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 1
    assert provider.sent == ["a", "c", "b", "d"]


async def test_a_worker_that_has_just_started_sends_nothing_yet(db: Database, business: Business) -> None:
    provider = Slow(Limits(grace=300))
    await put(db, business, a_message("a"))
    assert await deliver(db, business.id, post(provider), STOP) == 0
    older = post(provider, begun=time.monotonic() - 301)
    assert await deliver(db, business.id, older, STOP) == 1


async def test_a_provider_that_is_away_costs_a_try_now_and_then_and_uses_up_nothing(
    db: Database, business: Business
) -> None:
    provider = Slow(Limits((Limit(2, 60),)), *[Unreachable("no connection")] * 3)
    await put(db, business, *(a_message(str(n), topic=str(n)) for n in range(5)))
    for wait in (2, 4, 8):
        assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 1
        assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 0, "the line is closed"
        assert await execute(db, "select count(*) from sending_moments") == [(0,)]
        await pass_time(db, wait)
    assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 2
    assert await execute(db, "select failures from sending_lines") == [(0,)]


async def test_a_refusal_uses_up_nothing_and_a_missing_answer_does(db: Database, business: Business) -> None:
    provider = Slow(Limits((Limit(1, 60),)), Refused("no"), OutcomeUnknown("the line broke"))
    await put(db, business, *(a_message(key, topic=key) for key in "abc"))
    assert await deliver(db, business.id, post(provider, at_once=1), STOP) == 2
    assert await look(db) == [("parked",), ("unknown",), ("waiting",)]


async def test_what_never_comes_back_is_not_sent_again_but_asked_about(db: Database, business: Business) -> None:
    provider = Slow(Limits(), OutcomeUnknown("the line broke"))
    await put(db, business, a_message("a"))
    await deliver(db, business.id, post(provider), STOP)
    assert await look(db) == [("unknown",)]
    assert await deliver(db, business.id, post(provider), STOP) == 0, "its coming back is awaited first"
    await make_due(db)
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert await look(db, "state, reason") == [
        ("parked", "the line broke; only a person can find out whether it was sent")
    ]
    assert provider.sent == []


async def test_ten_thousand_that_wait_for_their_number_cost_next_to_nothing(db: Database, business: Business) -> None:
    provider = Slow(Limits((Limit(1, 60),)))
    await put(db, business, a_message("first"))
    await execute(
        db,
        "insert into outbox (business_id, channel, account, recipient, dedup_key, body, topic) "
        f"select {business.id}, 'pigeon', 'velo', 'group', n::text, '{{}}', n::text from generate_series(1, 10000) n",
    )
    assert await deliver(db, business.id, post(provider), STOP) == 1
    begun = time.monotonic()
    assert await deliver(db, business.id, post(provider), STOP) == 0
    assert time.monotonic() - begun < 3
    assert await execute(db, "select count(*) from outbox where state = 'waiting' and attempts = 0") == [(10_000,)]


SENDER = """
import asyncio, sys, time
from tallybook.core.channel import Settlement
from tallybook.core.db import open_database
from tallybook.core.rates import Limit, Limits
from tallybook.core.sending import Post, deliver

class Provider:
    name, settlement, limits = "pigeon", Settlement.BY_ECHO, Limits((Limit(3, 0.5), Limit(8, 2.0)))
    async def send(self, outgoing):
        with open(sys.argv[2], "a") as sent:
            sent.write(outgoing.dedup_key + "\\n")
        return ""

async def main():
    async with open_database(sys.argv[1], "prod", size=4) as db:
        print("ready", flush=True)
        post, until = Post({"pigeon": Provider()}), time.monotonic() + 20
        while time.monotonic() < until:
            await deliver(db, int(sys.argv[3]), post, asyncio.Event())
            async with db.transaction() as conn:
                left = await (await conn.execute("select count(*) from outbox where state <> 'sent'")).fetchone()
            if left[0] == 0:
                return
            await asyncio.sleep(0.02)  # until its number may send again

asyncio.run(main())
"""
# Of every moment, how many there are from it on within each window.
MOST = """
select max((select count(*) from sending_moments l where l.at >= m.at and l.at < m.at + interval '{seconds} seconds'))
from sending_moments m
"""


async def test_several_processes_together_keep_the_limits_and_lose_nothing(
    db: Database, database_url: str, business: Business, tmp_path: Path
) -> None:
    sent = tmp_path / "sent"
    await put(db, business, *(a_message(str(n), to=f"group {n % 4}") for n in range(14)))
    command = [sys.executable, "-c", SENDER, database_url, str(sent), str(business.id)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        ends = await asyncio.gather(*(asyncio.to_thread(process.wait, 30) for process in processes))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert ends == [0, 0, 0]
    assert sorted(map(int, sent.read_text().split())) == list(range(14))
    assert await execute(db, MOST.format(seconds=0.5)) == [(3,)]
    assert await execute(db, MOST.format(seconds=2)) == [(8,)]
    assert await execute(db, "select count(*), count(distinct outgoing_id) from sending_moments") == [(14, 14)]


async def test_a_message_put_by_an_older_release_has_no_topic_and_keeps_its_order(
    db: Database, business: Business
) -> None:
    provider = Slow(Limits((Limit(10, 60),)))
    await put(db, business, a_message("a"), a_message("b", topic="DR1"))
    await change(db, "not_before = now() + case dedup_key when 'a' then interval '1 hour' else interval '0' end")
    assert await deliver(db, business.id, Post({"pigeon": provider}), STOP) == 0
