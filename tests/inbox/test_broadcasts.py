"""A broadcast reaches each recipient once, whoever works or dies, nobody who wants none, and says what came of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from tallybook.core import channel_accounts, people, rates
from tallybook.core import content as contents
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import OutcomeUnknown, Refused, Settlement
from tallybook.core.channel_accounts import NewAccount
from tallybook.core.content import Content, Person
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.messages import Outgoing, Stored
from tallybook.core.rates import Limits
from tallybook.core.sending import Post, deliver
from tallybook.inbox import broadcast_jobs, broadcast_rules
from tallybook.inbox.broadcast_rules import Words
from tallybook.inbox.broadcast_types import New
from tallybook.inbox.service import broadcasts, consent, merging, outcomes, reports, templates
from tallybook.inbox.types import Delivery, Report
from tests.channels.whatsapp.test_received import SEAL
from tests.core.worked import until
from tests.inbox.people import LERATO, NALEDI, NOON, NUMBER, THABO, said, write

TEMPLATE = """
insert into inbox_templates (business_id, waba, name, language, status, category, components, told_at)
values (1, '1', 'offer', 'en', 'approved', 'marketing',
    '[{"type": "BODY", "text": "Hello {{1}}, today only: {{2}}."}]', now())
returning id
"""
OUTBOX = "select recipient, state, dedup_key, priority from outbox order by id"
STOP = asyncio.Event()
LOOP = """
import asyncio, sys
from tallybook.core.db import open_database
from tallybook.inbox import broadcast_jobs

async def main():
    async with open_database(sys.argv[1], "prod") as db:
        stop = asyncio.Event()
        while True:
            await broadcast_jobs.run(db, 1, 1, 5, stop)
            print("put", flush=True)

asyncio.run(main())
"""


@dataclass
class Line:
    """WhatsApp, as the outbox sees it; ``refuses`` are the recipients of whom it says that they want no more."""

    sent: list[Outgoing] = field(default_factory=list)
    refuses: Sequence[str] = ()
    keeps_silent: Sequence[str] = ()
    name: str = "whatsapp"
    settlement: Settlement = Settlement.BY_REPORT
    limits: Limits = field(default_factory=rates.Limits)

    async def send(self, outgoing: Outgoing) -> str:
        if outgoing.to in self.refuses:
            raise Refused("The customer wants no more marketing messages.")
        if outgoing.to in self.keeps_silent:
            raise OutcomeUnknown("there was no answer")
        self.sent.append(outgoing)
        return f"wamid.ours.{len(self.sent)}"


@pytest.fixture
async def boss(db: Database, business: Business) -> Caller:
    """Who may begin broadcasts, in a business with a number and an approved template."""
    new = NewAccount("whatsapp", NUMBER, token="a-token-of-the-tests")
    await db.run("add", lambda conn: channel_accounts.add(conn, SEAL, people.command_line(business.id), new))
    await rows(db, TEMPLATE)
    return Caller(None, "Bia", business, Role.LEAD)


def new(**more: Any) -> New:
    values: dict[str, Any] = {"key": "k1", "name": "Summer", "template": 1, "account": NUMBER, "kind": "all",
              "places": {"body.1": "{name|friend}", "body.2": "half price"}}  # fmt: skip
    return New(**(values | more))


def phone(number: int) -> str:
    return f"+2782000{number:04}" if number > 99 else f"+278200000{number:02}"


async def rows(db: Database, statement: str) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(statement.encode())).fetchall()


async def begin(db: Database, boss: Caller, **more: Any) -> int:
    return await db.run("begin", lambda conn: broadcasts.start(conn, boss, new(**more)))


async def send(db: Database, line: Line, business: Business) -> None:
    """Everything that is to leave leaves."""
    post = Post({"whatsapp": line}, tell=outcomes.told, stands=consent.stands, listening_since=float("-inf"))
    for _ in range(40):
        await broadcast_jobs.look(db, STOP)
        if not await deliver(db, business.id, post, STOP):
            break
    await broadcast_jobs.look(db, STOP)


async def became(db: Database, boss: Caller, number: int = 1) -> dict[str, int]:
    return (await db.run("look", lambda conn: broadcasts.one(conn, boss, number))).counts


async def state(db: Database, boss: Caller, number: int = 1) -> str:
    return (await db.run("look", lambda conn: broadcasts.one(conn, boss, number))).state


def a_list(count: int, heading: str = "phone,deal") -> bytes:
    return "\n".join([heading, *(f"{phone(one)},deal {one}" for one in range(count))]).encode()


async def test_each_recipient_gets_it_once_with_their_own_values_and_it_says_what_became_of_it(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    preview = await db.run("look", lambda conn: broadcasts.look(conn, boss, new()))
    assert (preview.reaches, preview.out) == (2, {})
    assert "Hello Naledi, today only: half price." in [one.text for one in preview.samples]
    assert await rows(db, OUTBOX) == []
    assert await begin(db, boss) == await begin(db, boss)
    line = Line()
    await send(db, line, business)
    assert sorted(str(one.body["text"]) for one in line.sent) == [
        "Hello Naledi, today only: half price.", "Hello Thabo, today only: half price.",
    ]  # fmt: skip
    assert (await became(db, boss), await state(db, boss)) == ({"sent": 2}, "completed")
    one = Report("whatsapp", NUMBER, "wamid.ours.1", Delivery.READ, datetime.now(UTC))
    await db.run("report", lambda conn: reports.apply(conn, business.id, [one]))
    assert await became(db, boss) == {"sent": 1, "read": 1}
    await write(db, business, said(NALEDI, 5))
    found = await db.run("list", lambda conn: broadcasts.recipients(conn, boss, 1, "", 0, 10))
    assert sorted((row.name, row.replied) for row in found) == [("Naledi", True), ("Thabo", False)]


async def test_who_is_left_out_is_told_with_why_before_it_begins_and_after(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO, LERATO)))
    await rows(db, "update whatsapp_conversation set blocked_at = now() where id = 1 returning id")
    await db.run("stop", lambda conn: consent.say(conn, boss, 2, stopped=True))
    listed = b"phone;deal\n+27820000001;a\n082 000 0002;b\n27 82 000 0003;c\n+27820000003;d\nnothing;e\n+27820000004;f"
    asked = new(kind="list", listed=listed, places={"body.1": "{name|you}", "body.2": "{Deal}"})
    preview = await db.run("look", lambda conn: broadcasts.look(conn, boss, asked))
    assert (preview.reaches, preview.new, preview.out) == (2, 1, {"blocked": 1, "opted_out": 1})
    assert (preview.invalid, preview.duplicates, preview.columns) == ([6], [5], ["deal"])
    await db.run("begin", lambda conn: broadcasts.start(conn, boss, asked))
    line = Line()
    await send(db, line, business)
    assert [(one.to, one.body["text"]) for one in line.sent] == [
        ("+27820000003", "Hello Lerato, today only: c."), ("+27820000004", "Hello you, today only: f."),
    ]  # fmt: skip
    skipped = await db.run("list", lambda conn: broadcasts.recipients(conn, boss, 1, "skipped", 0, 10))
    assert sorted(row.reason for row in skipped) == ["They are blocked.", "They want no more marketing messages."]
    assert await rows(db, "select is_open, inbound from whatsapp_conversation where id = 4") == [(False, 0)]


async def test_eight_workers_reach_each_recipient_once(db: Database, business: Business, boss: Caller) -> None:
    await begin(db, boss, kind="list", listed=a_list(60))
    await db.run("begin", lambda conn: broadcast_jobs._begin(business.id, conn))
    await asyncio.gather(*(broadcast_jobs.run(db, business.id, 1, 100, STOP) for _ in range(8)))
    keys = [row[2] for row in await rows(db, OUTBOX)]
    assert (len(keys), len(set(keys))) == (60, 60)
    assert await rows(db, "select count(*), count(distinct contact_id) from broadcast_recipients") == [(60, 60)]
    assert await became(db, boss) == {"queued": 60}


async def test_a_worker_that_is_killed_leaves_nobody_out_and_nobody_twice(
    db: Database, business: Business, boss: Caller, database_url: str
) -> None:
    await begin(db, boss, kind="list", listed=a_list(40))
    await db.run("begin", lambda conn: broadcast_jobs._begin(business.id, conn))
    for _ in range(2):
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOOP, database_url, stdout=asyncio.subprocess.PIPE
        )
        assert worker.stdout is not None
        assert await asyncio.wait_for(worker.stdout.readline(), 30) == b"put\n"
        worker.kill()
        await worker.wait()
    line = Line()
    await send(db, line, business)
    assert sorted(one.to for one in line.sent) == [phone(one) for one in range(40)]
    assert await state(db, boss) == "completed"


async def test_only_a_few_wait_in_the_outbox_so_that_answers_are_never_behind_thousands(
    db: Database, business: Business, boss: Caller
) -> None:
    await begin(db, boss, kind="list", listed=a_list(60))
    for _ in range(3):
        await broadcast_jobs.look(db, STOP)
    assert {(row[1], row[3]) for row in await rows(db, OUTBOX)} == {("waiting", -1)}, "behind every answer"
    assert len(await rows(db, OUTBOX)) == broadcast_jobs.IN_THE_OUTBOX


async def test_it_waits_for_its_time_is_paused_resumed_and_stopped(
    db: Database, business: Business, boss: Caller
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    await begin(db, boss, kind="list", listed=a_list(30), starts_at=later)
    line = Line()
    await send(db, line, business)
    assert (line.sent, await state(db, boss)) == ([], "queued")
    await rows(db, "update broadcasts set starts_at = now() returning id")

    async def turn(what: str) -> str:
        return (await db.run("turn", lambda conn: broadcasts.turn(conn, boss, 1, what))).state

    assert await turn("pause") == "paused"
    await send(db, line, business)
    assert line.sent == []
    assert await turn("resume") == "queued"
    await broadcast_jobs.look(db, STOP)
    assert await turn("stop") == "cancelled"
    assert await turn("stop") == "cancelled"
    await send(db, line, business)
    assert (line.sent, await became(db, boss)) == ([], {"cancelled": 30})
    with pytest.raises(Conflict):
        await turn("resume")


async def test_who_says_stop_while_it_waits_to_leave_does_not_get_it(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    await begin(db, boss)
    await broadcast_jobs.look(db, STOP)
    assert len(await rows(db, OUTBOX)) == 2
    await write(db, business, word(NALEDI, "  STOP! "))
    line = Line()
    await send(db, line, business)
    assert [one.to for one in line.sent] == ["+27820000002"]
    found = await db.run("list", lambda conn: broadcasts.recipients(conn, boss, 1, "failed", 0, 10))
    assert [(row.name, row.reason, row.opted_out) for row in found] == [("Naledi", consent.WANTS_NONE, True)]


async def test_it_is_over_although_nobody_can_say_whether_one_of_them_got_it(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    await begin(db, boss)
    line = Line(keeps_silent=["+27820000001"])
    for expected in ("running", "running", "partial"):
        await send(db, line, business)
        assert await state(db, boss) == expected
        await rows(db, "update outbox set not_before = now() where state = 'unknown' returning id")
    assert await rows(db, "select status from whatsapp_message where direction = 'out' order by status") == [
        ("failed",), ("sent",),
    ]  # fmt: skip
    ((reason,),) = await rows(db, "select failed_reason from whatsapp_message where status = 'failed'")
    assert reason.endswith("only a person can find out whether it was sent")


async def test_what_whatsapp_refuses_since_they_want_none_is_an_opt_out(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    await begin(db, boss)
    line = Line(refuses=["+27820000001"])
    await send(db, line, business)
    assert await state(db, boss) == "partial"
    key = line.sent[0].dedup_key
    late = Report("whatsapp", NUMBER, "wamid.ours.1", Delivery.FAILED, datetime.now(UTC), key, "Stopped (131050)")
    await db.run("report", lambda conn: reports.apply(conn, business.id, [late]))
    preview = await db.run("look", lambda conn: broadcasts.look(conn, boss, new(key="k2")))
    assert (preview.reaches, preview.out) == (0, {"opted_out": 2})
    with pytest.raises(Invalid, match="nobody"):
        await begin(db, boss, key="k2")


async def test_a_refusal_that_is_told_late_does_not_outweigh_what_they_asked_for_since(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, said(NALEDI, 0))
    await begin(db, boss)
    line = Line()
    await send(db, line, business)
    await write(db, business, preference(NALEDI, "resume", 30))
    key, before = line.sent[0].dedup_key, NOON + timedelta(minutes=20)
    late = Report("whatsapp", NUMBER, "wamid.ours.1", Delivery.FAILED, before, key, "Stopped (131050)")
    await db.run("report", lambda conn: reports.apply(conn, business.id, [late]))
    assert await wants_none(db, boss) == (False, ["preference", "refused"])


def word(person: Person, text: str, **more: Any) -> Stored:
    stored = said(person, 10)
    return msgspec.structs.replace(stored, incoming=msgspec.structs.replace(stored.incoming, text=text, **more))


def preference(person: Person, value: str, minute: int) -> Stored:
    stored = said(person, minute)
    raw = msgspec.Raw(msgspec.json.encode({"value": value, "category": "marketing_messages"}))
    content = contents.written(Content(type="preference", person=person, as_sent=raw))
    incoming = msgspec.structs.replace(stored.incoming, kind="preference", content=content)
    return msgspec.structs.replace(stored, incoming=incoming)


async def wants_none(db: Database, boss: Caller, thread: int = 1) -> tuple[bool, list[str]]:
    found = await db.run("look", lambda conn: consent.of_thread(conn, boss, thread))
    return found.stopped, [one.how for one in found.history]


async def test_the_newest_word_holds_whoever_said_it_and_in_whatever_order_it_comes(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, said(NALEDI, 0), word(NALEDI, "הסר"))
    assert await wants_none(db, boss) == (True, ["keyword"])
    await write(db, business, preference(NALEDI, "resume", 30))
    await write(db, business, preference(NALEDI, "stop", 20))
    assert await wants_none(db, boss) == (False, ["preference", "preference", "keyword"])
    await db.run("say", lambda conn: consent.say(conn, boss, 1, stopped=True))
    await db.run("say", lambda conn: consent.say(conn, boss, 1, stopped=True))
    assert await wants_none(db, boss) == (True, ["person", "preference", "preference", "keyword"])
    words = Words(("enough",), ("more",))
    await db.run("keep", lambda conn: consent.keep_words(conn, boss, words))
    await write(db, business, word(THABO, "stop"), word(LERATO, "Enough."))
    assert [(await wants_none(db, boss, thread))[0] for thread in (2, 3)] == [False, True]


async def test_who_presses_a_button_says_its_words(db: Database, business: Business, boss: Caller) -> None:
    await write(db, business, said(NALEDI, 0), said(THABO, 0), said(LERATO, 0))
    pressed = (("button", NALEDI, "Stop promotions"), ("interactive", THABO, "הפסקת מבצעים"), ("image", LERATO, "stop"))
    await write(db, business, *(typed(kind, word(who, text)) for kind, who, text in pressed))
    assert [(await wants_none(db, boss, thread))[0] for thread in (1, 2, 3)] == [True, True, False]


def typed(kind: str, stored: Stored) -> Stored:
    read = contents.read(stored.incoming.content)
    assert read is not None
    content = contents.written(msgspec.structs.replace(read, type=kind))
    return msgspec.structs.replace(stored, incoming=msgspec.structs.replace(stored.incoming, content=content))


async def test_who_is_joined_has_the_words_of_both_and_who_is_parted_their_own(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, said(NALEDI, 0), word(THABO, "stop"))
    joined = await db.run("join", lambda conn: merging.join(conn, business, 1, 2))
    assert await wants_none(db, boss) == (True, ["keyword"])
    preview = await db.run("look", lambda conn: broadcasts.look(conn, boss, new()))
    assert (preview.reaches, preview.out) == (0, {"opted_out": 1})
    admin = msgspec.structs.replace(boss, role=Role.ADMIN)
    await db.run("part", lambda conn: merging.undo(conn, admin, joined))
    assert [(await wants_none(db, boss, thread))[0] for thread in (1, 2)] == [False, True]


async def test_two_recipients_that_become_one_while_it_runs_get_it_once(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    await begin(db, boss)
    await db.run("join", lambda conn: merging.join(conn, business, 1, 2))
    line = Line()
    await send(db, line, business)
    assert len(line.sent) == 1
    assert await became(db, boss) == {"sent": 1, "skipped": 1}


async def test_two_workers_at_two_recipients_that_became_one_send_it_once(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, *(said(who, 0) for who in (NALEDI, THABO)))
    await begin(db, boss)
    await db.run("begin", lambda conn: broadcast_jobs._begin(business.id, conn))
    await db.run("join", lambda conn: merging.join(conn, business, 1, 2))
    has_begun = asyncio.Event()

    async def other() -> str | None:
        await has_begun.wait()
        return await db.run("other", partial(broadcast_jobs.step, business.id, 1))

    second = asyncio.create_task(other())
    async with db.transaction() as conn:
        assert await broadcast_jobs.step(business.id, 1, conn) == "processing"
        has_begun.set()
        await until(partial(is_waited_for, conn))
    assert await second == "skipped"
    assert len(await rows(db, OUTBOX)) == 1


async def is_waited_for(conn: Conn) -> bool:
    waiting = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
    return await (await conn.execute(waiting)).fetchone() is not None


async def test_no_marketing_template_leaves_by_any_way_to_who_wants_none(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, said(NALEDI, 0), word(NALEDI, "stop"))
    template = await db.run("one", lambda conn: templates.one(conn, boss, 1))
    values = {"body.1": "you", "body.2": "more"}
    with pytest.raises(Conflict, match="no more marketing"):
        await db.run("send", lambda conn: templates.send(conn, boss, 1, template, values, "k"))
    await rows(db, "update inbox_templates set category = 'utility' returning id")
    await db.run("send", lambda conn: templates.send(conn, boss, 1, template, values, "k"))


async def test_only_who_leads_begins_one_and_of_another_business_nothing_is_found(
    db: Database, business: Business, boss: Caller
) -> None:
    await write(db, business, said(NALEDI, 0))
    await begin(db, boss)
    agent = msgspec.structs.replace(boss, role=Role.AGENT)
    other = msgspec.structs.replace(boss, business=Business(business.id + 1, "Other", "UTC", "en"))
    for caller, error in ((agent, NotAllowed), (other, NotFound)):
        with pytest.raises(error):
            await begin(db, caller, key="k2")
        with pytest.raises(error):
            await db.run("stop", partial(broadcasts.turn, caller=caller, broadcast_id=1, what="stop"))
    with pytest.raises(NotFound):
        await db.run("look", lambda conn: broadcasts.recipients(conn, other, 1, "", 0, 5))


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""}, {"kind": "label"}, {"kind": "nobody"}, {"places": {}}, {"account": "another"},
        {"places": {"body.1": "{surname}", "body.2": "x"}}, {"kind": "list", "listed": b"name\nNaledi"},
        {"kind": "list", "listed": b""}, {"starts_at": NOON + timedelta(days=9000)},
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_refused_before_it_begins(
    db: Database, business: Business, boss: Caller, more: dict[str, Any]
) -> None:
    await write(db, business, said(NALEDI, 0))
    with pytest.raises(Invalid):
        await begin(db, boss, **more)
    assert await rows(db, "select 1 from broadcasts") == []


def test_a_list_is_read_whatever_its_columns_are_called_and_however_a_phone_is_written() -> None:
    for data in (b"+27820000001\n+27820000002", "שם,טלפון\nדנה,0820000001\nתמר,082-000-0002".encode()):
        listed = broadcast_rules.read_list(data, "ZA")
        assert [one.phone for one in listed.people] == ["+27820000001", "+27820000002"]
    assert listed.people[0].given == {"שם": "דנה"}


@pytest.mark.parametrize(
    ("text", "known", "reads"),
    [
        ("Hello {name|there}", {"name": "Dana"}, "Hello Dana"), ("Hello {name|there}", {"name": ""}, "Hello there"),
        ("{ Deal } for {phone}", {"deal": "5%", "phone": "+999"}, "5% for +999"), ("a  \n b", {}, "a b"),
    ],
)  # fmt: skip
def test_a_place_is_filled_for_each_with_what_is_known(text: str, known: dict[str, str], reads: str) -> None:
    assert broadcast_rules.filled(text, known) == reads
