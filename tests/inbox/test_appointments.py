"""Customers are reminded of a meeting once for each time before it, of the time that holds, and answer by a button."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox.automation_types import Outcome
from tallybook.inbox.service import appointments, automation_firing, merging
from tallybook.inbox.service.appointments import Appointment, Wanted
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import body, change, message, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import fire, only_thread, ran, rule, written
from tests.world import Someone

SAID = "select body from whatsapp_message where direction = 'out' order by id"
REMIND = {"on": "appointment", "minutes": [120]}
TEXT = {"text": "{title} at {time}", "confirm": True}


def meeting(shop: Business, minutes: float, **more: Any) -> Wanted:
    """Half an hour that begins so many minutes from now."""
    starts = (datetime.now(UTC) + timedelta(minutes=minutes)).astimezone(shop.zone).replace(tzinfo=None)
    return Wanted("Visit", starts, starts + timedelta(minutes=30), **({"key": "k"} | more))


async def book(db: Database, who: Someone, minutes: float, **more: Any) -> Appointment:
    wanted, now = meeting(who.business, minutes, **more), datetime.now(UTC) - timedelta(seconds=1)
    thread = more.get("thread") or await only_thread(db)
    return await db.run("book", lambda conn: appointments.book_in(conn, who.caller, thread, wanted, now))


async def work(db: Database, shop: Business, minutes: float) -> dict[Outcome, int]:
    return await fire(db, shop, after=minutes * 60)


def press(payload: str, number: int) -> dict[str, Any]:
    reply = {"type": "button_reply", "button_reply": {"id": payload, "title": "Confirm"}}
    return message("interactive", number, interactive=reply) | {"timestamp": str(int(datetime.now(UTC).timestamp()))}


async def test_of_each_meeting_and_time_before_it_a_customer_is_reminded_once(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    await rule(db, bia, {"on": "appointment", "minutes": [120, 30]}, actions=TEXT)
    await come(db, said(written("Hi")))
    first = await book(db, duma, 180)
    assert (await book(db, duma, 180)).id == first.id
    assert await work(db, shop, 50) == {}
    found = await asyncio.gather(*(work(db, shop, 62) for _ in range(8)))
    assert sum(one.get(Outcome.DONE, 0) for one in found) == 1
    assert await work(db, shop, 151) == {Outcome.DONE: 1}
    assert len(await rows(db, SAID)) == 2
    assert "▫ Confirm" in (await rows(db, SAID))[0][0]


async def test_one_that_moves_is_reminded_of_by_its_new_time_alone(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    await rule(db, bia, REMIND, actions=TEXT)
    await come(db, said(written("Hi")))
    made = await book(db, duma, 180)
    later = meeting(shop, 300)
    moved = await db.run("move", lambda conn: appointments.change(conn, duma.caller, made.id, later, datetime.now(UTC)))
    assert moved.moves == 1
    assert await work(db, shop, 62) == {}
    assert await work(db, shop, 182) == {Outcome.DONE: 1}
    assert await rows(db, "select cause from automation_runs") == [(f"appointment:{made.id}:1:120",)]


async def test_one_that_moves_between_the_finding_and_the_saying_is_not_said(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    await rule(db, bia, REMIND, actions=TEXT)
    await come(db, said(written("Hi")))
    made = await book(db, duma, 180)
    now = datetime.now(UTC) + timedelta(minutes=62)
    assert await automation_firing.look(db, shop, now) == 1
    later = meeting(shop, 300)
    await db.run("move", lambda conn: appointments.change(conn, duma.caller, made.id, later, datetime.now(UTC)))
    assert await automation_firing.fire_due(db, shop, now) == {Outcome.SKIPPED: 1}
    assert await ran(db) == [("skipped", "the appointment was moved")]


async def test_nothing_is_said_of_one_that_is_cancelled_or_was_booked_too_late_for_it(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    await rule(db, bia, REMIND, actions=TEXT)
    await come(db, said(written("Hi")))
    made = await book(db, duma, 180)
    await book(db, duma, 60, key="soon")
    now = datetime.now(UTC)
    for _ in range(2):
        await db.run("cancel", lambda conn: appointments.set_status(conn, duma.caller, made.id, "cancelled", now))
    assert await work(db, shop, 62) == {}
    assert await rows(db, SAID) == []


async def test_a_button_confirms_or_cancels_the_meeting_as_it_is_now(
    db: Database, shop: Business, duma: Someone
) -> None:
    await come(db, said(written("Hi")))
    made = await book(db, duma, 180)

    async def status() -> str:
        ((found,),) = await rows(db, f"select status from appointments where id = {made.id}")
        return str(found)

    for number, payload, becomes in (
        (11, f"appointment:{made.id}:1:confirm", "booked"),
        (12, f"appointment:{made.id + 9}:0:confirm", "booked"),
        (13, f"appointment:{made.id}:0:confirm", "confirmed"),
        (14, f"appointment:{made.id}:0:cancel", "cancelled"),
        (15, f"appointment:{made.id}:0:confirm", "cancelled"),
    ):
        await come(db, said(press(payload, number)))
        await fire(db, shop)
        assert await status() == becomes
    stranger = press(f"appointment:{made.id}:0:confirm", 16) | {"from": bodies.OTHER}
    await come(db, body(change("messages", stranger)))
    await fire(db, shop)
    assert await status() == "cancelled"
    told = await rows(db, "select who, after->>'status' from audit_log where who = 'Customer' order by id")
    assert told == [("Customer", "confirmed"), ("Customer", "cancelled")]


async def test_meetings_go_with_their_contact_and_come_back(
    db: Database, shop: Business, duma: Someone, root: Someone
) -> None:
    await come(db, said(written("Hi")), body(change("messages", written("Hello", 2) | {"from": bodies.OTHER})))
    (_, (other,)) = await rows(db, "select id from whatsapp_conversation order by id")
    wanted, now = meeting(shop, 180), datetime.now(UTC)
    await db.run("book", lambda conn: appointments.book_in(conn, duma.caller, other, wanted, now))
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    assert await rows(db, "select contact_id from appointments") == [(1,)]
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert await rows(db, "select contact_id from appointments") == [(2,)]


async def test_a_meeting_that_cannot_be_is_refused_and_nobody_reaches_another_s(
    db: Database, shop: Business, duma: Someone
) -> None:
    await come(db, said(written("Hi")))
    made = await book(db, duma, 180)
    caio = await db.run("add", world.caio)
    now = datetime.now(UTC)
    starts = datetime(2026, 1, 1, 9)
    with pytest.raises(NotFound):
        await db.run("look", lambda conn: appointments.one(conn, caio.caller, made.id))
    backwards = Wanted("Visit", starts, starts, key="x")
    with pytest.raises(Invalid):
        await db.run("change", lambda conn: appointments.change(conn, duma.caller, made.id, backwards, now))
    with pytest.raises(Invalid):
        await db.run("status", lambda conn: appointments.set_status(conn, duma.caller, made.id, "maybe", now))


async def test_a_template_s_quick_replies_carry_what_confirms_and_cancels(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    buttons = [{"type": "URL", "text": "Map", "url": "https://example.org"}] + [
        {"type": "QUICK_REPLY", "text": text} for text in ("Confirm", "Cancel")
    ]
    parts = [{"type": "BODY", "text": "{{1}} at {{2}}"}, {"type": "BUTTONS", "buttons": buttons}]
    add = """insert into inbox_templates (waba, name, language, status, components, told_at)
        values ('1', 'reminder', 'en', 'approved', %s, now())"""
    async with db.transaction() as conn:
        await conn.execute(add, [Jsonb(parts)])
    template = {"name": "reminder", "language": "en", "values": ["{title}", "{time}"]}
    await rule(db, bia, REMIND, actions={"template": template, "confirm": True})
    await come(db, said(written("Hi", 1, -25 * 3600)))
    made = await book(db, duma, 180)
    assert await work(db, shop, 62) == {Outcome.DONE: 1}
    ((sent,),) = await rows(db, "select body->'template'->'components' from outbox")
    assert sent[0]["parameters"][0] == {"type": "text", "text": "Visit"}
    payloads = [(one["index"], one["parameters"][0]["payload"]) for one in sent[1:]]
    assert payloads == [("1", f"appointment:{made.id}:0:confirm"), ("2", f"appointment:{made.id}:0:cancel")]
    assert (await rows(db, SAID))[0][0].startswith("Visit at ")
