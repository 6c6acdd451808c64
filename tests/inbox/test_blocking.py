"""The promise: what a blocked customer writes is kept and opens nothing, and nothing is sent to them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.callers import Role
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, NotAllowed, NotFound
from tallybook.core.messages import Outgoing
from tallybook.core.withdrawing import Claimed
from tallybook.inbox.contents import Text
from tallybook.inbox.service import blocking, leaving, merging, threads
from tallybook.inbox.service.threads import Filter
from tallybook.inbox.store import sending as sending_store
from tallybook.inbox.types import Source
from tests import world
from tests.core.worked import rows
from tests.inbox.automated import rule
from tests.inbox.people import NALEDI, THABO, everything, said, write
from tests.inbox.test_hooks import hook
from tests.world import Someone

STATE = "select last_seq, inbound, inbound - read_inbound, is_open from whatsapp_conversation order by id"


@pytest.fixture
async def duma(db: Database, business: Business) -> Someone:
    changes = {"login": "duma", "name": "Duma Nkosi", "role": Role.AGENT}
    return await db.run("add", lambda conn: world.someone(conn, business, **changes))


async def do(db: Database, what: Any, *asked: Any) -> Any:
    return await db.run("do", lambda conn: what(conn, *asked))


async def shown(db: Database, who: Someone, only: Filter) -> list[str]:
    return [one.name for one in await do(db, threads.threads, who.caller, only, "", None, 50)]


async def test_what_is_written_meanwhile_is_filed_and_waits_for_nobody(
    db: Database, business: Business, duma: Someone
) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    await do(db, threads.mark_read, duma.caller, 1)
    blocks = [do(db, blocking.block, duma.caller, 1, f"Rude {number}") for number in range(4)]
    assert all(one.is_blocked for one in await asyncio.gather(*blocks))
    how = await do(db, blocking.blocked, duma.caller, 1)
    told = await rows(db, "select after ->> 'reason' from audit_log where action = 'conversation.blocked'")
    assert ([(how.reason,)], how.by) == (told, duma.name)
    await write(db, business, said(NALEDI, 5), said(NALEDI, 6))
    assert (await rows(db, STATE))[0] == (3, 1, 0, True)
    assert await rows(db, "select count(*)::int from whatsapp_message where body <> '' and counted") == [(2,)]
    for only in (Filter.ALL, Filter.UNREAD, Filter.UNASSIGNED):
        assert await shown(db, duma, only) == ["Thabo"]
    assert await shown(db, duma, Filter.BLOCKED) == ["Naledi"]
    # Heard again: all of it is there, and what comes from then on waits.
    await asyncio.gather(*(do(db, blocking.unblock, duma.caller, 1) for _ in range(3)))
    assert await rows(db, "select count(*)::int from audit_log where action = 'conversation.unblocked'") == [(1,)]
    await write(db, business, said(NALEDI, 9))
    assert (await rows(db, STATE))[0] == (4, 2, 1, True)
    assert await shown(db, duma, Filter.BLOCKED) == []
    assert sorted(await shown(db, duma, Filter.UNREAD)) == ["Naledi", "Thabo"]


async def test_no_other_program_and_no_rule_hears_of_it_and_that_they_are_blocked_is_told(
    db: Database, business: Business, duma: Someone, root: Someone
) -> None:
    await hook(db, business)
    await rule(db, root, {"on": "any"})
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    await do(db, threads.mark_read, duma.caller, 1)
    (before,) = await rows(db, "select max(id) from hook_events")
    await do(db, blocking.block, duma.caller, 1, "Rude words about a customer")
    await do(db, blocking.block, duma.caller, 1, "")
    # In one batch with what somebody else writes, and with what we type to both on the phone.
    await write(db, business, said(NALEDI, 5), said(THABO, 6), said(NALEDI, 7, ours=True), said(THABO, 8, ours=True))
    await do(db, blocking.unblock, duma.caller, 1)
    await write(db, business, said(NALEDI, 9))
    told = await rows(
        db, f"select kind, conversation_id, coalesce(body #>> '{{message,text}}', body #>> '{{details,what}}'),"
        f" body::text like '%Rude%' from hook_events where id > {before[0]} order by id"
    )  # fmt: skip
    assert told == [
        ("contact.changed", 1, "blocked", False), ("message.sent", 1, "No. 7", False),
        ("message.received", 2, "No. 6", False), ("message.sent", 2, "No. 8", False),
        ("contact.changed", 1, "unblocked", False), ("message.received", 1, "No. 9", False),
    ]  # fmt: skip
    causes = "select m.body from automation_causes a join whatsapp_message m on m.id = a.message_id order by m.body"
    assert await rows(db, causes) == [("No. 1",), ("No. 2",), ("No. 6",), ("No. 9",)]
    assert await rows(db, "select count(*)::int from whatsapp_message where conversation_id = 1") == [(4,)]


async def test_nothing_is_sent_to_them_not_even_what_waited(db: Database, business: Business, duma: Someone) -> None:
    await write(db, business, said(NALEDI, 1))

    async def why(conn: Conn) -> str | None:
        held = await sending_store.hold(conn, business.id, 1)
        assert held is not None
        return await leaving.may_leave(conn, business.id, held, Text("Hi"), datetime.now(UTC))

    async def put(conn: Conn) -> None:
        held = await sending_store.hold(conn, business.id, 1)
        assert held is not None
        await leaving.leave(conn, business.id, held, Text("Hi"), source=Source.HUMAN, key="k", now=datetime.now(UTC))

    await db.run("put", put)
    out = Outgoing("whatsapp", "x", "y", "k", {"text": "Hi"}, "conversation:1")
    claimed = Claimed(1, 1, resent=False, faults=0, tried_at=None, outgoing=out)
    assert await do(db, blocking.stands, business.id, claimed) is None
    await do(db, blocking.block, duma.caller, 1, "")
    assert await db.run("why", why) == leaving.Why.BLOCKED
    assert isinstance(leaving.refuse(leaving.Why.BLOCKED), Conflict)
    assert await do(db, blocking.stands, business.id, claimed) == blocking.WAS_BLOCKED
    await do(db, blocking.unblock, duma.caller, 1)
    assert await db.run("why", why) != leaving.Why.BLOCKED


async def test_who_is_joined_with_somebody_blocked_is_blocked_until_they_are_parted(
    db: Database, business: Business, duma: Someone
) -> None:
    await write(db, business, said(NALEDI, 1), said(THABO, 2))
    await do(db, blocking.block, duma.caller, 2, "Rude")
    before = await everything(db)
    merge = await do(db, merging.join, business, 1, 2)
    assert (await do(db, blocking.blocked, duma.caller, 1)).reason == "Rude"
    await do(db, merging.undo, duma.caller, merge)
    assert await everything(db) == before


async def test_only_who_answers_blocks_and_only_here(
    db: Database, business: Business, ana: Someone, duma: Someone
) -> None:
    await write(db, business, said(NALEDI, 1))
    caio = (await db.run("add", world.caio)).caller
    for what, asked in ((blocking.block, (1, "")), (blocking.unblock, (1,))):
        with pytest.raises(NotAllowed):
            await do(db, what, ana.caller, *asked)
        with pytest.raises(NotFound):
            await do(db, what, caio, *asked)
    assert await do(db, blocking.blocked, caio, 1) is None
