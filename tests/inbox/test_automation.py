"""A rule fires once for each cause, whoever looks, and never for what is old, late, its own, or too often."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import Invalid, NotAllowed
from tallybook.inbox.automation_types import Outcome
from tallybook.inbox.hours import Hours
from tallybook.inbox.service import automation, automation_firing, customers, labels, leads, merging, sending, threads
from tallybook.inbox.store import automation as store
from tests import world
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import CUSTOMER, OURS, body, change, said
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import OURS as SAID_BY_US
from tests.inbox.automated import OUTBOX, draft, fire, only_thread, ran, rule, written
from tests.inbox.test_hooks import Receiver, deliver, hook
from tests.world import Someone

COME_BACK = """
insert into inbox_templates (waba, name, language, status, components, told_at)
values ('1', 'come_back', 'en', 'approved', '[{"type": "BODY", "text": "{{1}}, are you still there?"}]', now())
"""
ANY = {"on": "any"}
DONE = ("done", "")


async def test_what_a_customer_says_is_answered_once_and_the_run_says_so(
    db: Database, shop: Business, bia: Someone
) -> None:
    await rule(db, bia, {"on": "keyword", "words": ["price"]})
    await come(db, said(written("What is the PRICE?")), said(written("Priceless", 2)))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert await fire(db, shop) == {}
    assert await ran(db) == [DONE]
    assert await rows(db, SAID_BY_US) == [("Thank you, Naledi", "automation", "text")]
    assert await rows(db, OUTBOX) == [("automation:1", "Thank you, Naledi")]
    assert await rows(db, "select count(*)::int from automation_causes") == [(0,)]
    told = await rows(db, "select who, subject from audit_log where action = 'automation.fired'")
    assert told == [("Automation: A rule", "conversation")]


async def test_eight_workers_at_once_fire_once(db: Database, shop: Business, bia: Someone) -> None:
    await rule(db, bia, ANY)
    await rule(db, bia, {"on": "silence", "of": "us", "hours": 1}, actions={"hand_over": True})
    await come(db, said(*[written("Hello", number) for number in range(1, 5)]))
    found = await asyncio.gather(*(fire(db, shop) for _ in range(8)))
    assert sum(one.get(Outcome.DONE, 0) for one in found) == len(await rows(db, OUTBOX)) == 4
    found = await asyncio.gather(*(fire(db, shop, after=3700) for _ in range(8)))
    assert sum(one.get(Outcome.DONE, 0) for one in found) == 1
    assert (await rows(db, "select bot_active from whatsapp_conversation")) == [(False,)]


async def test_who_is_killed_before_the_commit_has_done_nothing_and_another_does_it(
    db: Database, shop: Business, bia: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rule(db, bia, ANY, actions={"text": "Hello", "assign_to": bia.account_id})
    await come(db, said(written("Hi")))

    class Killed(BaseException):
        pass

    async def die(*_: Any) -> None:
        raise Killed

    for where, last in ((store, "run"), (automation_firing, "do")):
        monkeypatch.setattr(where, last, die)
        with pytest.raises(Killed):
            await fire(db, shop)
        monkeypatch.undo()
        assert await ran(db) == await rows(db, OUTBOX) == []
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert len(await rows(db, OUTBOX)) == 1


async def test_echoes_history_and_its_own_words_fire_nothing(db: Database, shop: Business, bia: Someone) -> None:
    await rule(db, bia, ANY)
    ours = written("Hello from us", 40) | {"from": OURS, "to": CUSTOMER}
    await come(db, body(change("message_echoes", ours)), body(change("history", bodies.PAST, field="history")))
    assert await fire(db, shop) == {}
    await come(db, said(written("Hi", 7001)))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert await fire(db, shop) == {}
    assert await ran(db) == [DONE]


@pytest.mark.parametrize(
    ("seconds", "since", "reason"),
    [
        (-3000, -3600, "it happened too long ago"),
        (-60, 0, "it happened before the rule was switched on"),
    ],
)
async def test_what_is_old_fires_nothing_and_the_run_says_why(
    db: Database, shop: Business, bia: Someone, seconds: float, since: float, reason: str
) -> None:
    await rule(db, bia, ANY, since=datetime.now(UTC) + timedelta(seconds=since))
    await come(db, said(written("Hi", 1, seconds)))
    assert await fire(db, shop) == {Outcome.SKIPPED: 1}
    assert await ran(db) == [("skipped", reason)]
    assert await rows(db, OUTBOX) == []


async def test_no_customer_is_written_to_more_than_five_times_an_hour(
    db: Database, shop: Business, bia: Someone
) -> None:
    for _ in range(2):
        await rule(db, bia, ANY)
    await come(db, said(*[written("Hi", number) for number in range(1, 5)]))
    await fire(db, shop)
    assert len(await rows(db, OUTBOX)) == 5
    assert [row[0] for row in await ran(db)].count("skipped") == 3


async def test_what_automation_does_is_no_cause_of_anything(db: Database, shop: Business, bia: Someone) -> None:
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "New", "blue"))
    await rule(db, bia, {"on": "first"}, actions={"label": label, "assign_to": bia.account_id, "webhook": True})
    await rule(db, bia, {"on": "label", "label": label})
    await come(db, said(written("Hi")))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert await fire(db, shop) == {}
    thread = await only_thread(db)
    assert await rows(db, "select conversation_id, label_id from conversation_labels") == [(thread, label)]
    assert await rows(db, "select assigned_to from whatsapp_conversation") == [(bia.account_id,)]
    await db.run("off", lambda conn: labels.put(conn, bia.caller, [thread], label, off=True))
    await db.run("on", lambda conn: labels.put(conn, bia.caller, [thread], label))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert "automation" in [row[1] for row in await rows(db, SAID_BY_US)]


async def test_a_rule_tells_the_programs_that_listen_and_tells_them_once(
    db: Database, shop: Business, bia: Someone
) -> None:
    await hook(db, shop, ["automation.fired"])
    await rule(db, bia, {"on": "first"}, actions={"webhook": True})
    await come(db, said(written("Hi")))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    receiver = Receiver()
    for _ in range(2):
        await deliver(db, receiver)
    assert [json.loads(call.body)["type"] for call in receiver.calls] == ["automation.fired"]


async def test_outside_hours_is_answered_once_until_it_opens_again(db: Database, shop: Business, bia: Someone) -> None:
    closed = Hours(week=[[] for _ in range(7)])
    await db.run("hours", lambda conn: automation.set_opening(conn, bia.caller, closed))
    await rule(db, bia, {"on": "closed"})
    await rule(db, bia, {"on": "open"})
    await come(db, said(written("Hi")), said(written("Anybody?", 2)))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    always = Hours(week=[[("00:00", "24:00")] for _ in range(7)])
    await db.run("hours", lambda conn: automation.set_opening(conn, bia.caller, always))
    await come(db, said(written("And now?", 3)), said(written("And now?", 4)))
    assert await fire(db, shop) == {Outcome.DONE: 1}
    assert await ran(db) == [DONE, DONE]


@pytest.mark.parametrize(("known", "ended"), [(True, "done"), (False, "failed")])
async def test_outside_the_window_the_template_leaves_or_the_run_says_why_nothing_does(
    db: Database, shop: Business, bia: Someone, duma: Someone, known: bool, ended: str
) -> None:
    if known:
        async with db.transaction() as conn:
            await conn.execute(COME_BACK)
    await rule(db, bia, {"on": "silence", "of": "customer", "hours": 30})
    template = {"name": "come_back", "language": "en", "values": ["{name}"]}
    await rule(
        db, bia, {"on": "silence", "of": "customer", "hours": 30}, actions={"text": "Hello", "template": template}
    )
    await come(db, said(written("Hi", 1, -31 * 3600)))
    thread = await only_thread(db)
    async with db.transaction() as conn:
        await conn.execute("update conversation_windows set last_inbound_at = now()")
    await db.run("answer", lambda conn: sending.send_text(conn, duma.caller, thread, "Hello!", "k"))
    async with db.transaction() as conn:
        await conn.execute("update conversation_windows set last_inbound_at = now() - interval '31 hours'")
        await conn.execute("update whatsapp_message set said_at = now() - interval '30 hours 1 minute' where seq = 2")
    await fire(db, shop)
    assert (await ran(db))[0] == ("skipped", "only a template may be sent, and the rule has none")
    assert [row[0] for row in await ran(db)] == ["skipped", ended]
    left = "select body->'template'->>'name' from outbox where body ? 'template'"
    assert await rows(db, left) == ([("come_back",)] if known else [])


async def test_silence_is_noticed_once_and_not_once_somebody_spoke(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    await rule(db, bia, {"on": "silence", "of": "us", "hours": 2}, actions={"hand_over": True})
    await come(db, said(written("Hi", 1, -3600)))
    assert await fire(db, shop) == {}
    now = datetime.now(UTC) + timedelta(hours=1, minutes=1)
    assert await automation_firing.look(db, shop, now) == 1
    thread = await only_thread(db)
    await db.run("answer", lambda conn: sending.send_text(conn, duma.caller, thread, "Hello!", "k"))
    assert await automation_firing.fire_due(db, shop, now) == {Outcome.SKIPPED: 1}
    assert await ran(db) == [("skipped", "somebody has written since")]
    assert await fire(db, shop, after=7300) == {}


async def test_a_day_begins_once_for_each_open_thread_that_fits(db: Database, shop: Business, bia: Someone) -> None:
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "Call", "blue"))
    await come(db, said(written("Hi")), body(change("messages", written("Hello", 2) | {"from": bodies.OTHER})))
    ((first,), _) = await rows(db, "select id from whatsapp_conversation order by id")
    await db.run("put", lambda conn: labels.put(conn, bia.caller, [first], label))
    now = datetime.now(UTC)
    local = now.astimezone(shop.zone)
    trigger = {"on": "daily", "at": f"{local:%H:%M}", "weekdays": list(range(7))}
    since = local.replace(second=0, microsecond=0) - timedelta(seconds=1)
    with pytest.raises(Invalid, match="Say which threads"):
        await rule(db, bia, trigger)
    await rule(db, bia, trigger, conditions={"labels": [label]}, since=since)
    found = await asyncio.gather(*(automation_firing.look(db, shop, now) for _ in range(8)))
    assert sum(found) == 1
    assert await automation_firing.fire_due(db, shop, now) == {Outcome.DONE: 1}
    assert await automation_firing.look(db, shop, now + timedelta(minutes=10)) == 0
    assert await rows(db, "select conversation_id from automation_runs") == [(first,)]


async def test_a_thread_s_runs_follow_it_into_another_and_come_back(
    db: Database, shop: Business, bia: Someone, root: Someone
) -> None:
    await rule(db, bia, ANY)
    await come(db, said(written("Hi")), body(change("messages", written("Hello", 2) | {"from": bodies.OTHER})))
    await fire(db, shop)
    before = await rows(db, "select id, conversation_id from automation_runs order by id")
    joined = await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    assert len({row[0] for row in await rows(db, "select conversation_id from automation_runs")}) == 1
    await come(db, body(change("messages", written("Late", 3) | {"from": bodies.OTHER})))
    await db.run("part", lambda conn: merging.undo(conn, root.caller, joined))
    assert await rows(db, "select id, conversation_id from automation_runs order by id") == before
    assert await fire(db, shop) == {Outcome.DONE: 1}


async def test_a_cause_of_a_thread_that_went_into_another_is_decided_on_there(
    db: Database, shop: Business, bia: Someone, root: Someone
) -> None:
    await rule(db, bia, ANY)
    await come(db, said(written("Hi")), body(change("messages", written("Hello", 2) | {"from": bodies.OTHER})))
    await db.run("join", lambda conn: merging.join(conn, shop, 1, 2, root.caller))
    assert await fire(db, shop) == {Outcome.DONE: 2}
    assert await rows(db, "select distinct conversation_id from automation_runs") == [(await only_thread(db),)]


async def test_what_a_rule_would_have_done_is_told_and_nothing_is_done(
    db: Database, shop: Business, bia: Someone
) -> None:
    await come(db, said(written("What is the price?", 1, -86400)), said(written("Hi", 2, -60)))
    would = draft({"on": "keyword", "words": ["price"]})
    tried = await db.run("try", lambda conn: automation.tried(conn, bia.caller, would, datetime.now(UTC)))
    assert (tried.looked_at, tried.done, tried.newest[0].words) == (2, 1, "Thank you, Naledi")
    silent = draft({"on": "silence", "of": "us", "hours": 3}, actions={"hand_over": True})
    tried = await db.run("try", lambda conn: automation.tried(conn, bia.caller, silent, datetime.now(UTC)))
    assert tried.done == 1
    assert await ran(db) == await rows(db, OUTBOX) == []


async def test_a_rule_that_cannot_do_what_it_says_fails_and_says_why(
    db: Database, shop: Business, bia: Someone
) -> None:
    await rule(db, bia, ANY, actions={"text": "Hi", "assign_to": 999})
    await come(db, said(written("Hi")))
    assert await fire(db, shop) == {Outcome.FAILED: 1}
    assert (await ran(db))[0][0] == "failed"
    assert await rows(db, OUTBOX) == []


async def test_only_who_may_lead_writes_rules_and_nobody_reaches_another_s(
    db: Database, shop: Business, bia: Someone, duma: Someone
) -> None:
    number = await rule(db, bia, ANY)
    caio = await db.run("add", world.caio)
    with pytest.raises(NotAllowed):
        await rule(db, duma, ANY)
    with pytest.raises(Exception, match="no such rule"):
        await db.run("look", lambda conn: automation.one(conn, caio.caller, number, datetime.now(UTC)))
    assert await db.run("list", lambda conn: threads.threads(conn, caio.caller, threads.Filter.ALL, "", None, 5)) == []
    with pytest.raises(Invalid, match="what is to be done"):
        await rule(db, bia, ANY, actions={})


async def test_a_status_that_a_lead_comes_to_and_a_label_that_is_put_start_rules_by_themselves(
    db: Database, shop: Business, bia: Someone
) -> None:
    """Nothing but the services that people use is called."""
    label = await db.run("label", lambda conn: labels.add(conn, bia.caller, "VIP", "blue"))
    await rule(db, bia, {"on": "label", "label": label})
    await rule(db, bia, {"on": "status", "status": "won"})
    await come(db, said(written("Hi")))
    thread = await only_thread(db)
    await db.run("put", lambda conn: labels.put(conn, bia.caller, [thread], label))
    made = await db.run("lead", lambda conn: customers.make_lead(conn, bia.caller, thread, ""))
    assert made.lead_id is not None
    lead = made.lead_id
    for _ in range(2):
        await db.run("move", lambda conn: leads.change(conn, bia.caller, lead, "won", "k"))
    await fire(db, shop)
    causes = await rows(db, "select split_part(cause, ':', 1), outcome from automation_runs order by rule_id")
    assert causes == [("label", "done"), ("status", "done")]
