"""Customers who write, and rules, for the tests of automation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.inbox.automation_types import Draft, Outcome
from tallybook.inbox.service import automation, automation_firing
from tests.channels.whatsapp.bodies import text
from tests.core.worked import rows
from tests.world import Someone

RUNS = "select outcome, reason from automation_runs order by id"
OURS = """
select body, source, message_type from whatsapp_message where direction = 'out' and source <> 'human' order by id
"""
OUTBOX = "select dedup_key, body->>'text' from outbox order by id"


def written(words: str, number: int = 1, seconds: float = 0, **more: Any) -> dict[str, Any]:
    """A message of a customer, of this moment or so many seconds later."""
    return text(words, number, timestamp=str(int(datetime.now(UTC).timestamp() + seconds)), **more)


def draft(trigger: dict[str, Any], **more: Any) -> Draft:
    """A rule that says something, unless told otherwise."""
    actions = more.pop("actions", {"text": "Thank you, {name}"})
    told = {"name": "A rule", "trigger": trigger, "actions": actions, "conditions": more.pop("conditions", {})}
    return msgspec.convert(told | more, Draft)


async def rule(db: Database, who: Someone, trigger: dict[str, Any], **more: Any) -> int:
    """A rule that is on, since long ago unless told otherwise."""
    since = more.pop("since", datetime.now(UTC) - timedelta(days=30))
    told = draft(trigger, **more)
    number = await db.run("add", lambda conn: automation.add(conn, who.caller, told))
    await db.run("on", lambda conn: automation.turn(conn, who.caller, number, since, on=True))
    return number


async def fire(db: Database, shop: Business, *, after: float = 1) -> dict[Outcome, int]:
    """What a worker does that looks so many seconds from now."""
    now = datetime.now(UTC) + timedelta(seconds=after)
    await automation_firing.look(db, shop, now)
    return await automation_firing.fire_due(db, shop, now)


async def ran(db: Database) -> list[tuple[Any, ...]]:
    return await rows(db, RUNS)


async def only_thread(db: Database) -> int:
    ((conversation,),) = await rows(db, "select id from whatsapp_conversation")
    return int(conversation)
