"""Our own message coming back is recognised, settles what was in doubt, and proves one sending only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tallybook.core import echoes, ingest, outbox
from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, Settlement
from tallybook.core.db import Conn, Database
from tallybook.core.echoes import Match, proofs
from tallybook.core.messages import Identity, Incoming, Outgoing, Stored
from tallybook.core.sending import deliver
from tests.core.posted import STOP, Provider, change, look, make_due, post

GROUP, OTHER = "120363000000000001@g.us", "120363000000000002@g.us"
WORDS = "Invalid Drop Number\nDrop DR1752104 is not in the valid list for Lawley."
_numbers = count(1)


class Sender(Provider):
    """A provider that gives no id, as a bridge's own API."""

    async def send(self, outgoing: Outgoing) -> str:
        await super().send(outgoing)
        return ""


def sender(*answers: Exception) -> Sender:
    return Sender(Settlement.BY_ECHO, *answers)


def a_reply(key: str = "a", text: str = WORDS) -> Outgoing:
    return Outgoing("pigeon", "primary", GROUP, key, {"text": text}, "drop:DR1752104" + key)


def heard(text: str = WORDS, *, chat: str = GROUP, from_us: bool = True, ago: timedelta = timedelta(0)) -> Incoming:
    return Incoming(
        channel="pigeon", account="primary", scope=chat, external_id=f"3EB0{next(_numbers):08}", chat=chat,
        sender=Identity("27820000099"), said_at=datetime.now(UTC) - ago, text=text, content_hash=text.encode()[:16],
        from_us=from_us,
    )  # fmt: skip


class Listener:
    """A module that does nothing but recognise what we sent."""

    def __init__(self) -> None:
        self.found: set[int] = set()

    def read(self, stored: Sequence[Stored]) -> list[int]:
        return [one.id for one in stored]

    async def file(self, conn: Conn, business: Business, ids: list[int]) -> list[str]:
        self.found |= set(await echoes.come_back(conn, business.id, ids))
        return []


async def come_back(db: Database, business: Business, *heard_now: Incoming) -> int:
    """Stores messages as the bridge's reader hands them over; returns how many say what we sent."""
    listener = Listener()
    async with db.transaction() as conn:
        await ingest.absorb(conn, business, heard_now, listener)
    return len(listener.found)


async def put(db: Database, business: Business, *outgoing: Outgoing) -> None:
    for one in outgoing:
        await db.run("put", lambda conn, one=one: outbox.put(conn, business.id, one))


@pytest.mark.parametrize("text", [WORDS, f"@27820000001 {WORDS}", f"@27820000001 @27820000002 {WORDS}"])
async def test_what_had_no_answer_is_settled_by_our_own_message(db: Database, business: Business, text: str) -> None:
    await put(db, business, a_reply())
    await deliver(db, business.id, post(sender(OutcomeUnknown("the line broke"))), STOP)
    assert await look(db) == [("unknown",)]
    assert await come_back(db, business, heard(text)) == 1
    assert await look(db, "state, reason, external_id is not null") == [("delivered", None, True)]
    await make_due(db)
    again = sender()
    assert await deliver(db, business.id, post(again), STOP) == 0
    assert again.sent == []


async def test_what_is_parked_by_then_is_settled_all_the_same(db: Database, business: Business) -> None:
    await put(db, business, a_reply())
    await deliver(db, business.id, post(sender(OutcomeUnknown("the line broke"))), STOP)
    await make_due(db)
    await deliver(db, business.id, post(sender()), STOP)
    assert await look(db) == [("parked",)]
    await come_back(db, business, heard())
    assert await look(db) == [("delivered",)]


@pytest.mark.parametrize(
    "other",
    [
        heard(from_us=False),
        heard(chat=OTHER),
        heard(WORDS + "!"),
        heard("DR1752104 done"),
        heard(ago=timedelta(hours=1)),
    ],
    ids=["somebody else's", "another chat", "other words", "a post", "long before"],
)
async def test_nothing_else_settles_it(db: Database, business: Business, other: Incoming) -> None:
    await put(db, business, a_reply())
    await deliver(db, business.id, post(sender(OutcomeUnknown("the line broke"))), STOP)
    await come_back(db, business, other)
    assert await look(db) == [("unknown",)]


async def test_our_words_from_anybody_are_recognised(db: Database, business: Business) -> None:
    """A second number that nobody has told us is ours must not be answered, or we would answer ourselves for ever."""
    await put(db, business, a_reply())
    await deliver(db, business.id, post(sender()), STOP)
    assert await come_back(db, business, heard(f"@27820000001 {WORDS}", from_us=False)) == 1
    assert await come_back(db, business, heard("DR1752104", from_us=False)) == 0


async def test_words_that_we_never_tried_to_say_are_anybodys(db: Database, business: Business) -> None:
    await put(db, business, a_reply())
    assert await come_back(db, business, heard(from_us=False)) == 0
    await change(db, "state = 'dropped', done_at = now()")
    assert await come_back(db, business, heard(from_us=False)) == 0


@pytest.mark.parametrize("from_us", [False, True])
async def test_words_that_we_said_another_day_are_anybodys(db: Database, business: Business, *, from_us: bool) -> None:
    await put(db, business, a_reply())
    await deliver(db, business.id, post(sender()), STOP)
    assert await come_back(db, business, heard(from_us=from_us, ago=timedelta(hours=1))) == 0
    await change(db, "created_at = now() - interval '3 days', tried_at = now() - interval '25 hours'")
    assert await come_back(db, business, heard(from_us=from_us)) == 0
    await change(db, "tried_at = now() - interval '23 hours'")
    assert await come_back(db, business, heard(from_us=from_us)) == 1


async def test_one_message_proves_one_sending(db: Database, business: Business) -> None:
    await put(db, business, a_reply("a"), a_reply("b"), a_reply("c"))
    line_breaks = [OutcomeUnknown("the line broke")] * 2
    await deliver(db, business.id, post(sender(*line_breaks), at_once=1), STOP)
    assert await look(db) == [("unknown",), ("unknown",), ("sent",)]
    message = heard()
    await come_back(db, business, message)
    assert await look(db) == [("delivered",), ("unknown",), ("sent",)]
    await come_back(db, business, message)
    assert await look(db) == [("delivered",), ("unknown",), ("sent",)], "the same one again proves nothing more"
    await come_back(db, business, heard(), heard())
    assert await look(db) == [("delivered",), ("delivered",), ("delivered",)]


async def test_the_providers_id_decides_before_the_words(db: Database, business: Business) -> None:
    await put(db, business, a_reply("a"), a_reply("b"))
    await deliver(db, business.id, post(sender(), at_once=1), STOP)
    message = heard()
    await change(db, f"external_id = '{message.external_id}' where dedup_key = 'b'")
    await come_back(db, business, message)
    assert await look(db) == [("sent",), ("delivered",)]


async def test_what_was_never_tried_is_not_proved(db: Database, business: Business) -> None:
    await put(db, business, a_reply())
    assert await come_back(db, business, heard()) == 1
    assert await look(db) == [("waiting",)]


async def test_two_readers_at_once_prove_it_once(db: Database, business: Business) -> None:
    await put(db, business, a_reply("a"), a_reply("b"))
    await deliver(db, business.id, post(sender(), at_once=1), STOP)
    message = heard()
    await asyncio.gather(*(come_back(db, business, message) for _ in range(4)))
    assert await look(db) == [("delivered",), ("sent",)]


def test_two_that_match_each_other_twice_make_two_pairs() -> None:
    matches = [Match(m, f"id{m}", o, by_id=False, proves=True) for m in (1, 2) for o in (10, 11)]
    assert {outgoing: match.message_id for outgoing, match in proofs(matches).items()} == {10: 1, 11: 2}
