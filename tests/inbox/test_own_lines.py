"""The promise: a thread says in a line of its own that its customer has another phone, and nothing else comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.errors import NotFound
from tallybook.inbox.service import reacting, threads
from tests.channels.whatsapp.bodies import CUSTOMER, NOON, OTHER, body, change, message, said, text
from tests.channels.whatsapp.test_received import come
from tests.core.worked import rows
from tests.inbox.automated import fire, rule
from tests.inbox.test_hooks import hook
from tests.world import Someone

MOVED = body(change("messages", message("system", 9, system={
    "body": "Naledi changed from one number to another", "type": "user_changed_number", "wa_id": OTHER,
})))  # fmt: skip
LINE = ("system", "out", "new_number", f"+{CUSTOMER} → +{OTHER}", "received", False)
LINES = """
select source, direction, message_type, body, status, counted from whatsapp_message where source = 'system'
"""
STANDS = """
select last_body, last_source, extract(epoch from last_message_at)::int,
    extract(epoch from last_customer_message_at)::int, extract(epoch from wrote_at)::int, inbound, session_open,
    is_open,
    (select extract(epoch from max(w.last_inbound_at))::int from conversation_windows w)
from whatsapp_conversation
"""
# As the first inbox's queries count.
UNREAD = """
select count(*)::int from whatsapp_message m join whatsapp_conversation c on c.id = m.conversation_id
where m.direction = 'in' and m.created_at >= c.started_at
"""


async def test_it_moves_no_clock_waits_for_nobody_and_comes_once(db: Database, shop: Business) -> None:
    await come(db, said(text()))
    before = await rows(db, STANDS)
    await come(db, MOVED, MOVED + b" ")
    assert await rows(db, LINES) == [LINE]
    assert await rows(db, STANDS) == before
    assert await rows(db, UNREAD) == [(1,)]
    assert await rows(db, "select canonical_key, last_seq from whatsapp_conversation") == [(f"phone:1:+{OTHER}", 2)]


async def test_it_triggers_nothing(db: Database, shop: Business, bia: Someone) -> None:
    await rule(db, bia, {"on": "any"})
    await hook(db, shop, ["message.received", "message.sent", "message.status", "conversation.created"])
    await come(db, MOVED)
    assert await fire(db, shop) == {}
    assert await rows(db, "select kind from hook_events") == []
    assert await rows(db, "select count(*)::int from outbox") == [(0,)]
    assert await rows(db, "select count(*)::int from reply_decisions") == [(0,)]


async def test_who_never_wrote_is_in_no_list_until_they_do(db: Database, shop: Business, bia: Someone) -> None:
    async def listed() -> list[str]:
        asked = (bia.caller, threads.Filter.ALL, "", None, 50)
        found = await db.run("list", lambda conn: threads.threads(conn, *asked))
        return [one.last_body for one in found]

    await come(db, MOVED)
    assert await listed() == []
    await come(db, said(text("Hello", 3)))
    assert await listed() == ["Hello"]
    assert await rows(db, "select extract(epoch from last_message_at)::int from whatsapp_conversation") == [(NOON + 3,)]
    assert await rows(db, LINES) == [LINE]


async def test_nobody_answers_or_reacts_to_it(db: Database, shop: Business, bia: Someone) -> None:
    await come(db, said(text()), MOVED)
    ((thread, line),) = await rows(db, "select conversation_id, id from whatsapp_message where source = 'system'")

    async def react(conn: Any) -> None:
        await reacting.react(conn, bia.caller, thread, line, "👍", "a key")

    with pytest.raises(NotFound):
        await db.run("react", react)


@pytest.mark.parametrize("told", [
    {"body": "The security code changed", "type": "customer_identity_changed"},
    {"body": "The same number", "type": "user_changed_number", "wa_id": CUSTOMER},
    {"body": "Another id", "type": "user_changed_user_id", "user_id": "ZA.77"},
])  # fmt: skip
async def test_other_news_of_the_customer_is_no_line(db: Database, shop: Business, told: dict[str, Any]) -> None:
    await come(db, said(text()), body(change("messages", message("system", 9, system=told))))
    assert await rows(db, LINES) == []
    assert await rows(db, "select count(*)::int from messages where kind = 'system'") == [(1,)]
