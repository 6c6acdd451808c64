"""What somebody leaves for later is said once, at its time on the business's wall, or it is told that it was not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.inbox.service import leaving, merging, scheduled
from tallybook.inbox.service.scheduled import Later, Said, Wanted
from tallybook.inbox.store import scheduled as store
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import body, change, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import only_thread, written
from tests.world import Someone

STATES = "select state, reason from scheduled_messages order by id"
SENT = "select body, source, sent_by from whatsapp_message where direction = 'out' order by id"


def wall(shop: Business, minutes: float) -> datetime:
    """So many minutes from now on the business's wall."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).astimezone(shop.zone).replace(tzinfo=None)


async def leave(db: Database, who: Someone, thread: int, minutes: float = 10, **more: Any) -> Later:
    wanted = Wanted(Said(more.pop("text", "See you then")), wall(who.business, minutes), **({"key": "k"} | more))
    now = datetime.now(UTC)
    return await db.run("later", lambda conn: scheduled.schedule(conn, who.caller, thread, wanted, now))


async def work(db: Database, shop: Business, minutes: float) -> dict[str, int]:
    return await scheduled.send_due(db, shop, datetime.now(UTC) + timedelta(minutes=minutes))


async def test_it_leaves_once_at_its_time_whoever_works(db: Database, shop: Business, duma: Someone) -> None:
    await come(db, said(written("Hi")))
    thread = await only_thread(db)
    first = await leave(db, duma, thread)
    assert (await leave(db, duma, thread, text="Again")).id == first.id
    assert await work(db, shop, 5) == {}
    for _ in range(2):
        await asyncio.gather(*(work(db, shop, 12) for _ in range(8)))
    assert await rows(db, STATES) == [("sent", "")]
    assert await rows(db, SENT) == [("See you then", "human", duma.account_id)]
    assert await rows(db, "select dedup_key from outbox") == [(f"scheduled:{first.id}",)]
    with pytest.raises(Conflict):
        await db.run("cancel", lambda conn: scheduled.cancel(conn, duma.caller, first.id, datetime.now(UTC)))


async def test_who_is_killed_before_the_commit_has_sent_nothing(
    db: Database, shop: Business, duma: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await come(db, said(written("Hi")))
    await leave(db, duma, await only_thread(db))

    class Killed(BaseException):
        pass

    async def die(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(store, "end", die)
    with pytest.raises(Killed):
        await work(db, shop, 12)
    monkeypatch.undo()
    assert await rows(db, STATES) == [("waiting", "")]
    assert await rows(db, SENT) == []
    assert await work(db, shop, 12) == {"sent": 1}


async def test_a_worker_that_was_down_sends_it_late_or_tells_that_it_was_missed(
    db: Database, shop: Business, duma: Someone
) -> None:
    await come(db, said(written("Hi")))
    thread = await only_thread(db)
    await leave(db, duma, thread, key="a")
    assert await work(db, shop, 60) == {"sent": 1}
    late = await leave(db, duma, thread, key="b")
    assert await work(db, shop, 80) == {"missed": 1}
    (check,) = await db.run("health", lambda conn: scheduled.checks(conn, shop, datetime.now(UTC)))
    assert (check.state, check.says) == ("late", "1 message for later was not sent. Open its thread.")
    waiting = await db.run("list", lambda conn: scheduled.waiting(conn, duma.caller, thread))
    assert [(one.state, one.reason) for one in waiting] == [("missed", scheduled.TOO_LATE)]
    await db.run("seen", lambda conn: scheduled.dismiss(conn, duma.caller, late.id, datetime.now(UTC)))
    (check,) = await db.run("health", lambda conn: scheduled.checks(conn, shop, datetime.now(UTC)))
    assert check.state == "ok"


async def test_outside_the_window_it_is_missed_with_the_reason(db: Database, shop: Business, duma: Someone) -> None:
    await come(db, said(written("Hi", 1, -86000)))
    await leave(db, duma, await only_thread(db), 20)
    assert await work(db, shop, 21) == {"missed": 1}
    assert await rows(db, STATES) == [("missed", str(leaving.Why.WINDOW))]


async def test_it_is_not_said_if_the_customer_writes_first(db: Database, shop: Business, duma: Someone) -> None:
    await come(db, said(written("Hi")))
    await leave(db, duma, await only_thread(db), unless_written=True)
    await come(db, said(written("I have it, thanks", 2)))
    assert await work(db, shop, 12) == {"cancelled": 1}
    assert await rows(db, STATES) == [("cancelled", "The customer wrote first.")]


async def test_it_can_be_changed_and_cancelled_until_it_leaves(db: Database, shop: Business, duma: Someone) -> None:
    await come(db, said(written("Hi")))
    later = await leave(db, duma, await only_thread(db))
    now = datetime.now(UTC)

    async def change_it(seen: int) -> Later:
        wanted = Wanted(Said("Rather so"), wall(shop, 30), seen=seen)
        return await db.run("change", lambda conn: scheduled.change(conn, duma.caller, later.id, wanted, now))

    assert (await change_it(0)).words == "Rather so"
    with pytest.raises(Conflict, match="meanwhile"):
        await change_it(0)
    assert await work(db, shop, 12) == {}
    for _ in range(2):
        cancelled = await db.run("cancel", lambda conn: scheduled.cancel(conn, duma.caller, later.id, now))
        assert cancelled.state == "cancelled"
    assert await work(db, shop, 40) == {}


async def test_a_time_that_is_over_or_too_far_is_refused_and_nobody_reaches_another_s(
    db: Database, shop: Business, duma: Someone
) -> None:
    await come(db, said(written("Hi")))
    thread = await only_thread(db)
    for minutes in (-5, 400 * 24 * 60):
        with pytest.raises(Invalid):
            await leave(db, duma, thread, minutes)
    later = await leave(db, duma, thread)
    caio = await db.run("add", world.caio)
    with pytest.raises(NotFound):
        await leave(db, caio, thread)
    with pytest.raises(NotFound):
        await db.run("cancel", lambda conn: scheduled.cancel(conn, caio.caller, later.id, datetime.now(UTC)))


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-03-27T02:30", "2026-03-27T00:00+00:00"),  # the clocks of Jerusalem jump from 02:00 to 03:00
        ("2026-10-25T01:30", "2026-10-24T22:30+00:00"),  # it is 01:30 twice: the first time
        ("2026-07-01T09:00", "2026-07-01T06:00+00:00"),
    ],
)
def test_a_time_is_one_on_the_wall_also_when_the_clocks_are_changed(asked: str, due: str) -> None:
    kinneret = Business(2, "Kinneret Tours", "Asia/Jerusalem", "he")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    found = scheduled.due_at(kinneret, datetime.fromisoformat(asked), now)
    assert found == datetime.fromisoformat(due)


async def test_what_waits_follows_its_thread_into_another_and_comes_back(
    db: Database, shop: Business, duma: Someone, root: Someone
) -> None:
    await come(db, said(written("Hi")), body(change("messages", written("Hello", 2) | {"from": bodies.OTHER})))
    ((one,), (other,)) = await rows(db, "select id from whatsapp_conversation order by id")
    await leave(db, duma, other)
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    assert await rows(db, "select conversation_id from scheduled_messages") == [(one,)]
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert await rows(db, "select conversation_id from scheduled_messages") == [(other,)]
    assert await work(db, shop, 12) == {"sent": 1}
