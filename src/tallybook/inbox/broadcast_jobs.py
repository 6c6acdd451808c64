"""Runs broadcasts, all day, a recipient at a time, each in a transaction with what became of it.

Only a few messages of a broadcast wait in the outbox at a time, so that whatever people and the bot answer is never
behind thousands. Who dies leaves nothing half done; any number of workers share one broadcast.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

import structlog
from prometheus_client import Counter

from tallybook.core.db import Conn, Database
from tallybook.core.errors import TallybookError
from tallybook.core.standing import Rhythm, again_and_again
from tallybook.core.wakeups import wake_up

from . import broadcast_rules as rules
from . import template_rules
from .service import broadcasts, consent, leaving, outcomes, templates
from .store import broadcast_runs as store
from .store import broadcasts as list_store
from .store import sending as sending_store
from .store.broadcast_runs import Next, Person
from .types import Source

IN_THE_OUTBOX = 20  # messages of one broadcast that wait to be sent, at most
EVERY_SECONDS = 2.0
WAITS = "Broadcasts wait"
NO_THREAD = "There is no conversation with them any more."
ALREADY = "They got it under another name of theirs."

handled = Counter("tallybook_broadcast_recipients_total", "Recipients of broadcasts, by what was done.", ["done"])
log = structlog.get_logger(__name__)


async def keep_broadcasting(db: Database, stop: asyncio.Event, wake: asyncio.Event) -> None:
    """Runs every business's broadcasts until ``stop`` is set."""
    await again_and_again(db, Rhythm(stop, EVERY_SECONDS, wake), partial(look, db, stop), WAITS)


async def look(db: Database, stop: asyncio.Event) -> None:
    """Puts as much of each broadcast into the outbox as has room there."""
    for business_id in await db.run("look for broadcasts", store.busy):
        await db.run("begin broadcasts", partial(_begin, business_id))
        for due in await db.run("list broadcasts", partial(_due, business_id)):
            await run(db, business_id, due.id, IN_THE_OUTBOX - due.waiting, stop)


async def _begin(business_id: int, conn: Conn) -> None:
    if await store.start(conn, business_id):
        await wake_up(conn, outcomes.TOPIC, business_id)


async def _due(business_id: int, conn: Conn) -> list[store.Due]:
    return await store.due(conn, business_id)


async def run(db: Database, business_id: int, broadcast_id: int, room: int, stop: asyncio.Event) -> None:
    """Takes recipients while there is room; ends the broadcast when nobody waits and everything has left."""
    while room > 0 and not stop.is_set():
        done = await db.run("broadcast", partial(step, business_id, broadcast_id))
        if done is None:
            break
        handled.labels(done).inc()
        room -= done == "processing"
    else:
        return
    await db.run("end broadcast", partial(_end, business_id, broadcast_id))


async def step(business_id: int, broadcast_id: int, conn: Conn) -> str | None:
    """One recipient: put into the outbox, or left out with why. Returns which; None where nobody waits."""
    found = await store.take(conn, business_id, broadcast_id)
    if found is None:
        return None
    state, reason, message_id = await _left(conn, business_id, broadcast_id, found)
    await store.write(conn, business_id, (broadcast_id, found.contact_id), (state, reason[:300], message_id))
    return state


async def _left(conn: Conn, business_id: int, broadcast_id: int, found: Next) -> tuple[str, str, int | None]:
    who, held = await _hold(conn, business_id, broadcast_id, found.contact_id)
    if who is None or held is None:
        return "skipped", NO_THREAD, None
    # Once more, now that it leaves: since the look hours may have passed.
    why = await _why_not(conn, business_id, who)
    if why is not None:
        return "skipped", why, None
    try:
        template = await templates.named(conn, business_id, held.account, found.template, found.language)
        values = broadcasts.values_for(found.places, who.name, who.phone, found.given)
        content = template_rules.fill(template, values)
        now = datetime.now(UTC)
        refusal = await leaving.may_leave(conn, business_id, held, content, now)
        if refusal is not None:
            return "skipped", refusal, None
        (key,) = broadcasts.keys_of(broadcast_id, [found.contact_id])
        message_id = await leaving.leave(
            conn, business_id, held, content, source=Source.AUTOMATION, key=key, now=now, by=found.who,
            until=now + rules.USEFUL,
        )  # fmt: skip
    except TallybookError as error:
        return "skipped", error.message, None
    return "processing", "", message_id


async def _hold(
    conn: Conn, business_id: int, broadcast_id: int, contact_id: int
) -> tuple[Person | None, sending_store.Held | None]:
    """A recipient and their thread, which nobody else writes to until the transaction ends.

    Two recipients that were joined have one thread: only who holds it sees whether the other has got it by now.
    """
    who = await store.person(conn, business_id, broadcast_id, contact_id)
    while who is not None:
        held = await sending_store.hold(conn, business_id, who.conversation_id)
        before, who = who, await store.person(conn, business_id, broadcast_id, contact_id)
        if who is None or who.conversation_id == before.conversation_id:
            return who, held
    return None, None


async def _why_not(conn: Conn, business_id: int, who: Person) -> str | None:
    if who.blocked:
        return rules.WHY["blocked"]
    if who.reached:
        return ALREADY
    return rules.WHY["opted_out"] if await consent.wants_none(conn, business_id, who.conversation_id) else None


async def _end(business_id: int, broadcast_id: int, conn: Conn) -> None:
    found = await list_store.one(conn, business_id, broadcast_id, rules.STOPPED)
    if found is None or found.state != "running" or found.counts.get("queued") or found.counts.get("unknown"):
        return
    state = rules.ended(found.counts)
    if await store.end(conn, business_id, broadcast_id, state, datetime.now(UTC)):
        await wake_up(conn, outcomes.TOPIC, business_id)
        log.info("A broadcast is over", broadcast=broadcast_id, state=state, recipients=found.total)
