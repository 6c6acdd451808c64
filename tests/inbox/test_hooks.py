"""What other programs are told: once for each event and hook, in order, again until it arrives, and by nobody else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tallybook.channels.webhook_out import calls
from tallybook.channels.webhook_out.calls import Answer, Call
from tallybook.channels.webhook_out.signing import signature
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role
from tallybook.core.channel import Refused, Unreachable
from tallybook.core.db import Database
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.sealing import Seal
from tallybook.inbox import hook_events
from tallybook.inbox.hook_events import Event, Kind
from tallybook.inbox.hook_jobs import Pace, Teller
from tallybook.inbox.service import hook_list, hooks, merging, reports
from tallybook.inbox.service.hook_list import New
from tallybook.inbox.store import hook_deliveries
from tallybook.inbox.types import Delivery, Report
from tests.inbox.people import LERATO, NALEDI, NOON, NUMBER, THABO, said, write
from tests.receivers import SECRET, Certificates, webhook_server

SEAL = Seal([b"k" * 32])
URL = "https://hooks.test/told?token=hidden"
EVERYTHING = [kind.value for kind in hook_events.OFFERED]
ROWS = "select event_key, kind, conversation_id, state, attempts, status, says from hook_events order by id"


@dataclass
class Receiver:
    """Somebody who is told, as they would be over the network; ``answer`` decides what they say."""

    answer: Callable[[dict[str, Any]], Answer | Exception] = lambda _: Answer(200, "ok")
    calls: list[Call] = field(default_factory=list)
    inside: int = 0
    most: int = 0
    held: asyncio.Event | None = None

    async def post(self, call: Call) -> Answer:
        self.calls.append(call)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            if self.held is not None:
                await self.held.wait()
            await asyncio.sleep(0)  # whoever else is to come in does
            answer = self.answer(json.loads(call.body))
        finally:
            self.inside -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def told(self, kind: str = "message.received") -> list[str]:
        bodies = [json.loads(call.body) for call in self.calls]
        return [body["message"]["text"] for body in bodies if body["type"] == kind]


def boss(business: Business) -> Caller:
    return Caller(None, "Root", business, Role.ADMIN)


async def hook(db: Database, business: Business, events: list[str] | None = None, name: str = "shop") -> int:
    new = New(name, URL, events or EVERYTHING)
    return (await db.run("add", lambda conn: hook_list.add(conn, boss(business), SEAL, new))).id


async def deliver(db: Database, to: Receiver, **pace: Any) -> None:
    """Everything that is due is told, once."""
    teller, stop = Teller(db, SEAL, to, Pace(**pace)), asyncio.Event()
    await teller.look(stop)
    await asyncio.gather(*teller._running.values())


async def rows(db: Database, statement: str = ROWS) -> list[tuple[Any, ...]]:
    async with db.transaction() as conn:
        return await (await conn.execute(statement.encode())).fetchall()


async def do(db: Database, statement: str) -> None:
    async with db.transaction() as conn:
        await conn.execute(statement.encode())


async def test_what_a_customer_writes_is_told_once_to_each_hook_that_wants_it(db: Database, business: Business) -> None:
    await hook(db, business)
    await hook(db, business, ["lead.status"], "leads")
    message = said(NALEDI, 0)
    await write(db, business, message)
    await write(db, business, message)
    receiver = Receiver()
    await deliver(db, receiver)
    await deliver(db, receiver)
    assert [json.loads(call.body)["type"] for call in receiver.calls] == ["conversation.created", "message.received"]
    call = receiver.calls[1]
    body = json.loads(call.body)
    assert (call.url, call.delivery) == (URL, body["id"])
    assert (body["contact"]["phone"], body["contact"]["name"]) == ("+27820000001", "Naledi")
    assert (body["message"]["text"], body["message"]["source"], body["message"]["place"]) == ("No. 0", "customer", 1)
    assert body["conversation"]["key"] == f"phone:{business.id}:+27820000001"
    assert body["at"] == "2025-12-02T12:00:00.000000Z"


async def test_where_nobody_listens_nothing_is_written(db: Database, business: Business) -> None:
    number = await hook(db, business)
    await db.run("off", lambda conn: hook_list.switch(conn, boss(business), number, on=False))
    await write(db, business, *(said(NALEDI, minute) for minute in range(5)))
    assert await rows(db) == []


async def test_what_was_imported_is_told_to_nobody(db: Database, business: Business) -> None:
    await hook(db, business)
    old = said(NALEDI, 0)
    old = msgspec.structs.replace(old, incoming=msgspec.structs.replace(old.incoming, kind="history"))
    await write(db, business, old, said(THABO, 1))
    kinds = [(row[1], row[2]) for row in await rows(db)]
    assert kinds == [("conversation.created", kinds[0][1]), ("message.received", kinds[0][1])]


async def test_a_thread_is_told_in_its_order_and_one_that_fails_holds_back_itself_alone(
    db: Database, business: Business
) -> None:
    await hook(db, business, ["message.received"])
    await write(db, business, *(said(who, minute) for minute in range(3) for who in (NALEDI, THABO)))
    bad = Receiver(lambda body: Answer(500, "no") if body["contact"]["name"] == "Naledi" else Answer(204))
    await deliver(db, bad)
    assert sorted(bad.told()) == ["No. 0", "No. 0", "No. 1", "No. 2"]
    assert [json.loads(call.body)["message"]["text"] for call in bad.calls if b"Thabo" in call.body] == [
        "No. 0", "No. 1", "No. 2",
    ]  # fmt: skip
    await do(db, "update hook_events set not_before = now()")
    good = Receiver()
    await deliver(db, good)
    assert good.told() == ["No. 0", "No. 1", "No. 2"]
    assert {row[3] for row in await rows(db)} == {"delivered"}


async def test_no_more_than_a_few_are_in_flight_for_one_hook_whoever_sends(db: Database, business: Business) -> None:
    await hook(db, business, ["message.received"])
    await write(db, business, *(said(who, minute) for minute in range(4) for who in (NALEDI, THABO, LERATO)))
    held = asyncio.Event()
    receiver = Receiver(held=held)
    tellers = [Teller(db, SEAL, receiver, Pace(at_once=2)) for _ in range(4)]
    working = [asyncio.create_task(one.deliver((business.id, 1), asyncio.Event())) for one in tellers]
    while receiver.inside < 2:
        await asyncio.sleep(0.01)  # how many are inside is a number, which signals nothing
    held.set()
    await asyncio.gather(*working)
    await deliver(db, receiver)
    assert receiver.most == 2
    assert len(receiver.told()) == 12
    for name in (b"Naledi", b"Thabo", b"Lerato"):
        texts = [json.loads(call.body)["message"]["text"] for call in receiver.calls if name in call.body]
        assert texts == ["No. 0", "No. 1", "No. 2", "No. 3"]


async def test_who_dies_while_telling_is_followed_by_another_and_the_order_stays(
    db: Database, business: Business
) -> None:
    number = await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0), said(NALEDI, 1))
    worker = uuid4()
    claimed = await db.run(
        "claim", lambda conn: hook_deliveries.claim(conn, (business.id, number), worker, 4, 60)
    )  # and never heard of again
    assert claimed is not None
    receiver = Receiver()
    await deliver(db, receiver)
    assert receiver.told() == []
    await do(db, "update hook_events set lease_until = now() where state = 'sending'")
    await deliver(db, receiver)
    assert receiver.told() == ["No. 0", "No. 1"]


async def test_after_a_day_of_tries_an_event_is_given_up_and_the_next_one_has_its_turn(
    db: Database, business: Business
) -> None:
    number = await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0), said(NALEDI, 1))
    bad = Receiver(lambda _: Answer(500, f"wrong\x00 token {URL}\n"))
    await deliver(db, bad)
    first = (await rows(db))[0]
    assert first[3:] == ("waiting", 1, 500, "wrong token …")
    await do(db, "update hook_events set first_tried_at = now() - interval '2 days', not_before = now() where id = 1")
    await deliver(db, bad)
    assert [row[3] for row in await rows(db)] == ["parked", "waiting"]
    await do(db, "update hook_events set not_before = now()")
    assert await db.run("again", lambda conn: hook_list.again(conn, boss(business), number, None)) == 1
    good = Receiver()
    await deliver(db, good)
    assert good.told() == ["No. 0", "No. 1"]


async def test_a_hook_that_only_fails_is_switched_off_with_an_alarm_and_on_again_with_all_that_waited(
    db: Database, business: Business
) -> None:
    number = await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0))
    await do(db, "update hooks set failures = 30, failing_since = now() - interval '13 hours'")
    await deliver(db, Receiver(lambda _: Unreachable("nobody answers at this address")))
    assert await rows(db, "select state from hooks") == [("failed",)]
    checks = await db.run("look", lambda conn: hooks.checks(conn, business, datetime.now(UTC)))
    assert [(one.state, one.says) for one in checks] == [("wrong", "1 webhook was switched off: it only failed.")]
    await write(db, business, said(NALEDI, 1))
    await deliver(db, receiver := Receiver())
    assert receiver.calls == []
    await db.run("on", lambda conn: hook_list.switch(conn, boss(business), number, on=True))
    await deliver(db, receiver)
    assert receiver.told() == ["No. 0", "No. 1"]
    assert (await db.run("look", lambda conn: hooks.checks(conn, business, datetime.now(UTC))))[0].state == "ok"


async def test_a_receiver_that_is_gone_for_good_is_left_alone_at_once(db: Database, business: Business) -> None:
    await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0))
    await deliver(db, Receiver(lambda _: Answer(410)))
    assert await rows(db, "select state from hooks") == [("failed",)]


@pytest.mark.parametrize("trouble", [Refused("internal"), Unreachable("away"), TimeoutError(), ConnectionError("x")])
async def test_no_answer_is_a_try_like_any_other(db: Database, business: Business, trouble: Exception) -> None:
    await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0))
    await deliver(db, Receiver(lambda _: trouble))
    ((_, _, _, state, attempts, status, says),) = await rows(db)
    assert (state, attempts, status) == ("waiting", 1, None)
    assert says


async def test_how_far_our_message_came_is_told_as_it_rises_and_a_repeat_is_not(
    db: Database, business: Business
) -> None:
    await hook(db, business, ["message.sent", "message.status"])
    ours = said(NALEDI, 0, ours=True)
    await write(db, business, ours)

    async def report(status: Delivery) -> None:
        one = Report("whatsapp", NUMBER, ours.incoming.external_id, status, NOON + timedelta(minutes=1))
        await db.run("report", lambda conn: reports.apply(conn, business.id, [one]))

    for status in (Delivery.DELIVERED, Delivery.DELIVERED, Delivery.SENT, Delivery.READ, Delivery.DELIVERED):
        await report(status)
    receiver = Receiver()
    await deliver(db, receiver)
    bodies = [json.loads(call.body) for call in receiver.calls]
    assert [(body["type"], body["message"]["status"]) for body in bodies] == [
        ("message.sent", "sent"), ("message.status", "delivered"), ("message.status", "read"),
    ]  # fmt: skip


async def test_what_waits_follows_its_thread_into_another_and_back(db: Database, business: Business) -> None:
    await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0))
    await write(db, business, said(THABO, 1))
    before = await rows(db)
    joined = await db.run("join", lambda conn: merging.join(conn, business, 1, 2))
    assert {row[2] for row in await rows(db)} == {before[0][2]}
    await db.run("part", lambda conn: merging.undo(conn, boss(business), joined))
    assert await rows(db) == before


async def test_an_event_of_one_key_is_told_once_though_many_write_it_at_once(db: Database, business: Business) -> None:
    await hook(db, business)
    event = Event(Kind.AUTOMATION_FIRED, datetime.now(UTC), key="automation.fired:7")
    work: list[Awaitable[None]] = [
        db.run("tell", lambda conn: hooks.tell(conn, business.id, [event])) for _ in range(20)
    ]
    await asyncio.gather(*work)
    assert [row[0] for row in await rows(db)] == ["automation.fired:7"]


async def test_a_secret_is_shown_once_and_while_it_is_changed_both_sign(db: Database, business: Business) -> None:
    caller = boss(business)
    made = await db.run("add", lambda conn: hook_list.add(conn, caller, SEAL, New("shop", URL, EVERYTHING)))
    again = await db.run("rotate", lambda conn: hook_list.rotate(conn, caller, SEAL, made.id))
    await db.run("test", lambda conn: hook_list.test(conn, caller, made.id))
    await deliver(db, receiver := Receiver())
    assert list(receiver.calls[0].secrets) == [again.secret, made.secret]
    await do(db, "update hooks set old_until = now()")
    await db.run("test", lambda conn: hook_list.test(conn, caller, made.id))
    await deliver(db, receiver)
    assert list(receiver.calls[1].secrets) == [again.secret]
    stored = str(await rows(db, "select to_jsonb(h) from hooks h")) + str(
        await rows(db, "select to_jsonb(a) from audit_log a")
    )
    assert "hidden" not in stored
    assert made.secret not in stored


async def test_only_an_admin_of_the_business_may_have_hooks(db: Database, business: Business) -> None:
    number = await hook(db, business)
    other = Business(business.id + 1, "Other", "UTC", "en")
    lead = Caller(None, "Lead", business, Role.LEAD)
    for caller, error in ((lead, NotAllowed), (boss(other), NotFound)):
        for work in (
            lambda conn, who: hook_list.shown(conn, who, number, None, None, 5),
            lambda conn, who: hook_list.rotate(conn, who, SEAL, number),
            lambda conn, who: hook_list.switch(conn, who, number, on=False),
            lambda conn, who: hook_list.again(conn, who, number, None),
            lambda conn, who: hook_list.test(conn, who, number),
            lambda conn, who: hook_list.remove(conn, who, number),
        ):
            with pytest.raises(error):
                await db.run("try", partial(_asked, work, caller))
    with pytest.raises(Conflict):
        await hook(db, business)


async def _asked(work: Callable[[Any, Caller], Awaitable[Any]], caller: Caller, conn: Any) -> None:
    await work(conn, caller)


@pytest.mark.parametrize(
    ("name", "url", "events"),
    [
        ("", URL, EVERYTHING), ("x", "http://hooks.test/", EVERYTHING), ("x", "https:///a", EVERYTHING),
        ("x", "https://me:secret@hooks.test/", EVERYTHING), ("x", URL, []), ("x", URL, ["test"]),
        ("x", "https://hooks.test:99999/", EVERYTHING), ("x", "https://[bad/", EVERYTHING),
    ],
)  # fmt: skip
async def test_what_cannot_be_told_is_refused_at_once(
    db: Database, business: Business, name: str, url: str, events: list[str]
) -> None:
    with pytest.raises(Invalid):
        await db.run("add", lambda conn: hook_list.add(conn, boss(business), SEAL, New(name, url, events)))


def shape(value: Any) -> Any:
    return {name: shape(one) for name, one in value.items()} if isinstance(value, dict) else None


async def test_what_is_posted_looks_as_the_documents_show_it(db: Database, business: Business) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text("utf-8")
    shown = json.loads(re.findall(r"```text\n(\{.*?)```", page, re.DOTALL)[0])
    number = await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0))
    await db.run("test", lambda conn: hook_list.test(conn, boss(business), number))
    await deliver(db, receiver := Receiver())
    bodies = {json.loads(call.body)["type"]: json.loads(call.body) for call in receiver.calls}
    assert shape(bodies["message.received"]) == shape(shown)
    assert bodies["test"].keys() == shown.keys()
    assert {f"`{kind}`" for kind in Kind} <= set(re.findall(r"`[a-z._]+`", page))


async def test_it_is_posted_signed_by_both_secrets_and_the_first_bytes_of_the_answer_are_kept() -> None:
    certificates = Certificates.made()
    async with webhook_server(certificates.server) as server:
        web = calls.Caller(certificates.client, seconds=5, internal=True)
        call = Call(f"https://localhost:{server.port}/told", ["new", SECRET], "message.received:1", b"{}")
        server.answers = [503]
        server.more = {"retry-after": "7"}
        assert await web.post(call) == Answer(503, "", 7.0)
        for asked, waits in (("86400", 86_400.0), ("999999", 86_400.0)):
            server.answers, server.more = [429], {"retry-after": asked}
            assert hook_events.tried(*msgspec.structs.astuple(await web.post(call))).pause == waits
        head = server.heads[0]
        both = [signature(one, int(head["x-tallybook-timestamp"]), b"{}") for one in ("new", SECRET)]
        assert head["x-tallybook-signature"].split(", ") == both
        assert head["x-tallybook-delivery"] == "message.received:1"
        with pytest.raises(Refused, match="internal"):
            await calls.Caller(certificates.client).post(call)
        server.answers, server.more = [302, None], {"location": f"https://localhost:{server.port}/other"}
        assert (await web.post(call)).status == 302
        with pytest.raises(OSError, match="line broke"):
            await web.post(call)
    assert len(server.heads) == 5
    with pytest.raises(Unreachable):
        await web.post(call)


async def test_it_goes_on_all_day_and_what_is_under_way_comes_to_its_end(db: Database, business: Business) -> None:
    await hook(db, business, ["message.received"])
    receiver, stop, wake = Receiver(held=asyncio.Event()), asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(Teller(db, SEAL, receiver, Pace(idle=0.05)).run(stop, wake))
    await write(db, business, said(NALEDI, 0))
    while not receiver.inside:
        await asyncio.sleep(0.01)  # how many are inside is a number, which signals nothing
    stop.set()
    assert receiver.held is not None
    receiver.held.set()
    await working
    assert [row[3] for row in await rows(db)] == ["delivered"]


async def test_outside_production_nothing_is_told_and_everything_is_kept(db: Database, business: Business) -> None:
    await hook(db, business, ["message.received"])
    await write(db, business, said(NALEDI, 0))
    receiver = Receiver()
    await Teller(replace(db, environment="dev"), SEAL, receiver).deliver((business.id, 1), asyncio.Event())
    assert receiver.calls == []
    assert [row[3] for row in await rows(db)] == ["captured"]
