"""The end of a run of conversation, in the transaction of what ends it, under the lock of its thread."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from prometheus_client import Counter

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.inbox import session_rules
from tallybook.inbox.session_types import Ended
from tallybook.inbox.store import sessions as store
from tallybook.inbox.store.sessions import End

ended = Counter("tallybook_inbox_sessions_ended_total", "Runs of conversation that ended, by what ended them.", ["by"])


async def end(conn: Conn, business: Business, conversations: Collection[int], of: End) -> int:
    """Ends the conversations that go on in threads that the caller holds, each with a summary; how many did."""
    if not conversations:
        return 0
    found = await store.facts(conn, business.id, conversations)
    told = {one.id: (one, session_rules.local_summary(one, of.by, of.who, business.locale)) for one in found}
    if told:
        await store.end(conn, business.id, told, of)
    await store.stop(conn, business.id, conversations)
    return len(told)


async def end_joined(conn: Conn, business_id: int, conversation_id: int) -> None:
    """Ends the conversation of a thread behind which another's come that are over. The caller holds both."""
    business = next(one for one in await businesses.every(conn) if one.id == business_id)
    await end(conn, business, [conversation_id], End(datetime.now(UTC), Ended.JOINED))
