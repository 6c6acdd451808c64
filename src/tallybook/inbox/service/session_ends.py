"""The end of a run of conversation, in the transaction of what ends it, under the lock of its thread."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from prometheus_client import Counter

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.inbox import finding_rules, lead_rules, responder, session_rules
from tallybook.inbox.session_types import Ended, Topic
from tallybook.inbox.store import answers, leads
from tallybook.inbox.store import sessions as store
from tallybook.inbox.store.sessions import End

ended = Counter("tallybook_inbox_sessions_ended_total", "Runs of conversation that ended, by what ended them.", ["by"])


async def end(conn: Conn, business: Business, conversations: Collection[int], of: End) -> int:
    """Ends the conversations that go on in threads that the caller holds, each with a summary; how many did."""
    if not conversations:
        return 0
    found = await store.facts(conn, business.id, conversations)
    kept = await _statuses(conn, business.id) if any(one.lead_status for one in found) else []
    told = {}
    for one in found:
        summary = session_rules.local_summary(one, of.by, of.who, business.locale)
        told[one.id] = (one, summary, finding_rules.local(one, await _topic(conn, business.id, one.asked), kept))
    if told:
        await store.end(conn, business.id, told, of)
    await store.stop(conn, business.id, conversations)
    return len(told)


async def _statuses(conn: Conn, business_id: int) -> list[str]:
    return [one.status for one in await leads.statuses(conn, business_id) or lead_rules.FIRST]


async def _topic(conn: Conn, business_id: int, asked: str) -> Topic | None:
    sought = responder.sought(asked)
    known = await answers.known(conn, business_id, sought) if sought else []
    return finding_rules.topic_of(asked, known) if known else None


async def end_joined(conn: Conn, business_id: int, conversation_id: int) -> None:
    """Ends the conversation of a thread behind which another's come that are over. The caller holds both."""
    business = next(one for one in await businesses.every(conn) if one.id == business_id)
    await end(conn, business, [conversation_id], End(datetime.now(UTC), Ended.JOINED))
