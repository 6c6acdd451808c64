"""Rules fire: each once for what happened, in one transaction with all that it does.

What may make a rule fire is written down where it happens (automation_causes.py), or found by the clock (``look``).
Whoever holds the thread takes it and decides; the run is unique, so that nobody does it again, however often and by
however many it is found, and whoever is killed before the commit has done nothing.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from dataclasses import dataclass, replace
from datetime import datetime
from datetime import time as wall_time
from functools import partial

import psycopg
import structlog
from msgspec import structs
from prometheus_client import Counter

from tallybook.core import wall_clock
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, is_transient
from tallybook.core.errors import TallybookError
from tallybook.core.work import reason_of
from tallybook.inbox import automation_rules
from tallybook.inbox.automation_rules import World
from tallybook.inbox.automation_types import (
    Cause,
    Daily,
    Decision,
    Facts,
    Kind,
    Outcome,
    Reminder,
    Rule,
    Silence,
    Starts,
)
from tallybook.inbox.running_clock import by_now
from tallybook.inbox.store import answers
from tallybook.inbox.store import automation as store
from tallybook.inbox.store import automation_causes as causes
from tallybook.inbox.store import sending as sending_store
from tallybook.inbox.store import threads as threads_store
from tallybook.inbox.store.automation import NewRun
from tallybook.inbox.store.automation_causes import SilenceRule
from tallybook.inbox.store.sending import Held
from tallybook.inbox.thread_types import Place

from . import appointment_replies, leaving
from .automation_causes import STARTS, acting
from .automation_doing import Doing, do

AT_ONCE = 200  # causes of a look
LOOKS = 20  # times ``causes.LOOKED_AT`` threads, in which one look seeks who is silent
BY_CLOCK = [Starts.DAILY, Starts.SILENCE, Starts.APPOINTMENT]
BROKE = "something failed inside the program"

log = structlog.get_logger()
runs = Counter("tallybook_automation_runs_total", "What rules did about what happened.", ["outcome"])


async def look(db: Database, business: Business, now: datetime, places: dict[int, Place] | None = None) -> int:
    """Finds what the clock causes: days, silences and appointments. How many causes are new.

    ``places`` is kept by the caller between looks: of each rule by its number, how far it was looked who is silent.
    """
    found = 0
    for rule in await db.run("rules by the clock", lambda conn: store.active(conn, business.id, BY_CLOCK)):
        if isinstance(rule.trigger, Silence):
            found += await _find_silent(db, business, rule, now, {} if places is None else places)
        else:
            found += await db.run("find what is due", partial(_due, business=business, rule=rule, now=now))
    return found


async def _find_silent(db: Database, business: Business, rule: Rule, now: datetime, places: dict[int, Place]) -> int:
    """A transaction for each so many threads, and so many of these a look; the next look goes on from there."""
    if not isinstance(rule.trigger, Silence):
        return 0
    found, after = 0, places.get(rule.id)
    seek = partial(causes.find_silent, of=SilenceRule(business.id, rule, rule.trigger), now=now)
    for _ in range(LOOKS):
        new, after = await db.run("find who is silent", partial(seek, after=after))
        found += new
        if after is None:
            places.pop(rule.id, None)
            break
        places[rule.id] = after
    return found


async def _due(conn: Conn, business: Business, rule: Rule, now: datetime) -> int:
    if isinstance(rule.trigger, Reminder):
        return await causes.find_reminders(conn, business.id, rule, rule.trigger.minutes, now)
    return await _begin_day(conn, business, rule, now)


async def _begin_day(conn: Conn, business: Business, rule: Rule, now: datetime) -> int:
    if not isinstance(rule.trigger, Daily):
        return 0
    day = now.astimezone(business.zone).date()
    hour, minute = (int(part) for part in rule.trigger.at.split(":"))
    wall = datetime.combine(day, wall_time(hour, minute))
    at = wall_clock.instant(wall, business.zone)
    begun = rule.active_since is not None and rule.active_since <= at
    if day.weekday() not in rule.trigger.weekdays or not begun:
        return 0
    if not at <= now <= at + automation_rules.LATE[Kind.DAY]:
        return 0
    return await causes.begin_day(conn, business.id, rule, day, at)


async def fire_due(db: Database, business: Business, now: datetime) -> dict[Outcome, int]:
    """Decides on everything that waits; how many runs ended how. May be repeated, and run by several at once.

    A thread that somebody else holds is waited for only when everything else is done.
    """
    made: Tally[Outcome] = Tally()
    begun = time.monotonic()
    busy: list[_Turn] = []
    last = 0
    while found := await db.run(
        "find causes", partial(causes.waiting, business_id=business.id, after=last, limit=AT_ONCE)
    ):
        last = found[-1][0]
        for one in found:
            turn = _Turn(business, by_now(now, begun), *one[1:])
            outcomes = await _taken(db, turn)
            busy += [turn] if outcomes is None else []
            made.update(outcomes or ())
    for turn in busy:
        made.update(await _taken(db, replace(turn, now=by_now(now, begun), waits=True)) or ())
    for outcome, count in made.items():
        runs.labels(outcome).inc(count)
    return dict(made)


async def _taken(db: Database, turn: _Turn) -> list[Outcome] | None:
    """How the runs of one cause ended; None where somebody else holds its thread."""
    try:
        return await db.run("fire", turn.work)
    except Exception as error:
        if is_transient(error):
            raise
        # It would be found again for ever: it is taken away, and told.
        log.exception("A cause of automation could not be decided on", business=turn.business.id)
        take = partial(causes.take, business_id=turn.business.id, key=turn.key, rule_id=turn.rule_id)
        await db.run("give up", take)
        return []


@dataclass(frozen=True)
class _Turn:
    """One cause in the hands of one worker; ``waits`` for whoever holds its thread."""

    business: Business
    now: datetime
    key: str
    rule_id: int
    conversation_id: int
    waits: bool = False

    async def work(self, conn: Conn) -> list[Outcome] | None:
        """How its runs ended; None where somebody else holds the thread."""
        thread = await self._held(conn)
        if thread is None:
            if not await causes.is_there(conn, self.business.id, self.conversation_id):
                await causes.take(conn, self.business.id, self.key, self.rule_id)
            return None
        cause = await causes.take(conn, self.business.id, self.key, self.rule_id)
        if cause is None:
            return []
        found = await self._facts(conn, thread, cause)
        if found is None or (cause.kind is Kind.MESSAGE and found.heard is None):
            return []
        followed = structs.replace(cause, conversation_id=thread.id)
        world = World(await store.hours(conn, self.business.id), self.business.zone, self.now)
        if cause.kind is Kind.MESSAGE:
            await appointment_replies.read(conn, self.business, thread, cause, self.now)
        outcomes = []
        until = automation_rules.useful_until(cause, found.booked)
        for rule in await store.active(conn, self.business.id, STARTS[cause.kind], cause.rule_id):
            outcome = await self._decide(conn, Doing(self.business, rule, thread, found, world, until=until), followed)
            outcomes += [outcome] if outcome is not None else []
            if outcome is Outcome.DONE and rule.actions.sends:
                # So that many rules at once stay below the limit too.
                found = structs.replace(found, sent=found.sent + 1)
        return outcomes

    async def _held(self, conn: Conn) -> Held | None:
        """The thread, or the one into which it went; None while somebody else holds it, or there is none."""
        for number in (self.conversation_id, await threads_store.kept(conn, self.business.id, self.conversation_id)):
            if number is not None and (self.waits or await answers.hold(conn, self.business.id, [number])):
                held = await sending_store.hold(conn, self.business.id, number)
                if held is not None:
                    return held
        return None

    async def _facts(self, conn: Conn, thread: Held, cause: Cause) -> Facts | None:
        window = await leaving.window_of(conn, self.business.id, thread, self.now)
        followed = structs.replace(cause, conversation_id=thread.id)
        return await causes.facts(conn, self.business.id, followed, self.now, free=window.open)

    async def _decide(self, conn: Conn, doing: Doing, cause: Cause) -> Outcome | None:
        decision = automation_rules.decide(doing.rule, cause, doing.facts, doing.world)
        if decision is None:
            return None
        try:
            with acting():
                async with conn.transaction():
                    return await self._run(conn, doing, decision)
        except Exception as error:
            if is_transient(error) or conn.closed:
                raise
            reason = error.message if isinstance(error, TallybookError) else BROKE
            if not isinstance(error, TallybookError):
                # A traceback would print the server's detail line, which holds the key's values.
                trace = not isinstance(error, psycopg.Error)
                log.warning("A rule failed", rule=doing.rule.id, reason=reason_of(error), exc_info=trace)
            failed = Decision(decision.key, Outcome.FAILED, reason)
            return await self._run(conn, doing, failed)

    async def _run(self, conn: Conn, doing: Doing, decision: Decision) -> Outcome | None:
        """Writes the run down, and, where that is new, does it. None where it was done before."""
        new = NewRun(doing.rule.id, decision.key, doing.thread.id, decision.outcome, decision.reason, self.now)
        run_id = await store.run(conn, self.business.id, new)
        if run_id is None:
            return None
        if decision.outcome is Outcome.DONE:
            await do(conn, replace(doing, run_id=run_id, by_template=decision.by_template, cause=decision.key))
        return decision.outcome
