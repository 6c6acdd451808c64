"""What a business has done by itself: its rules, what they did, what one would have done, and its opening hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox import automation_rules, hours
from tallybook.inbox.automation_rules import World
from tallybook.inbox.automation_types import (
    Actions,
    Cause,
    Daily,
    Draft,
    Facts,
    Keyword,
    Kind,
    LabelPut,
    Outcome,
    Reminder,
    Rule,
    Run,
)
from tallybook.inbox.hours import Hours
from tallybook.inbox.store import automation as store
from tallybook.inbox.store import automation_causes as causes
from tallybook.inbox.store import automation_trying as trying
from tallybook.inbox.store import labels
from tallybook.inbox.store.automation import Sought

from .automation_causes import TOPIC

FIRED_WITHIN = timedelta(days=30)  # in which it is counted how often a rule fired
TRIED = timedelta(days=7)
SHOWN = 50  # of what a rule would have done
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NO_RULE = "There is no such rule."


class Would(msgspec.Struct, frozen=True):
    """What a rule would have done in a thread at a moment. ``words``: what it would have said; ``name``: to whom."""

    conversation_id: int
    name: str
    at: datetime
    words: str
    by_template: bool


class Tried(msgspec.Struct, frozen=True):
    """What a rule would have done in the last days: how often, the newest of that, and why not, by reason."""

    looked_at: int
    done: int
    newest: list[Would]
    skipped: dict[str, int]


async def listed(conn: Conn, caller: Caller, now: datetime) -> list[Rule]:
    """All rules, with how often each fired within 30 days. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.listed(conn, caller.business_id, now - FIRED_WITHIN)


async def one(conn: Conn, caller: Caller, rule_id: int, now: datetime) -> Rule:
    """Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    rule = await store.one(conn, caller.business_id, rule_id, now - FIRED_WITHIN)
    if rule is None:
        raise NotFound(NO_RULE)
    return rule


async def add(conn: Conn, caller: Caller, draft: Draft) -> int:
    """Writes down a rule, which is off; its number. Raises NotAllowed and Invalid."""
    require(caller, Right.LEAD)
    draft = await checked(conn, caller, draft)
    number = await store.add(conn, caller.business_id, draft)
    await _told(conn, caller, "automation.rule_added", number, None, draft)
    return number


async def change(conn: Conn, caller: Caller, rule_id: int, draft: Draft, now: datetime) -> None:
    """Has a rule be another one. Where it is on, it is so from this moment on. Raises NotAllowed, NotFound, Invalid."""
    require(caller, Right.LEAD)
    draft = await checked(conn, caller, draft)
    before = await _held(conn, caller, rule_id, now)
    if _draft(before) != draft:
        await store.change(conn, caller.business_id, rule_id, draft, now)
        await _told(conn, caller, "automation.rule_changed", rule_id, _draft(before), draft)


async def turn(conn: Conn, caller: Caller, rule_id: int, now: datetime, *, on: bool) -> Rule:
    """Switches a rule on or off; as it is already changes nothing. Raises NotAllowed, NotFound, Invalid."""
    require(caller, Right.LEAD)
    before = await _held(conn, caller, rule_id, now)
    if on:
        await checked(conn, caller, _draft(before))
    if await store.turn(conn, caller.business_id, rule_id, now, on=on):
        action = "automation.rule_on" if on else "automation.rule_off"
        await _told(conn, caller, action, rule_id, None, None)
    return await one(conn, caller, rule_id, now)


async def remove(conn: Conn, caller: Caller, rule_id: int, now: datetime) -> None:
    """Takes a rule away with the list of what it did; what it sent stays. Raises NotAllowed and NotFound."""
    require(caller, Right.LEAD)
    before = await _held(conn, caller, rule_id, now)
    await store.remove(conn, caller.business_id, rule_id)
    await _told(conn, caller, "automation.rule_removed", rule_id, _draft(before), None)


async def runs(conn: Conn, caller: Caller, sought: Sought) -> list[Run]:
    """What rules did, the newest first. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.runs(conn, caller.business_id, sought)


async def opening(conn: Conn, caller: Caller) -> Hours:
    """When the business is open. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.hours(conn, caller.business_id)


async def set_opening(conn: Conn, caller: Caller, told: Hours) -> Hours:
    """Says when the business is open. Raises NotAllowed and Invalid."""
    require(caller, Right.LEAD)
    told = hours.checked(told)
    before = await store.hours(conn, caller.business_id)
    if before != told:
        await store.set_hours(conn, caller.business_id, told)
        was, now = msgspec.to_builtins(before), msgspec.to_builtins(told)
        await audit.record_by(conn, caller, "automation.hours", "business", "hours", was, now)
    return told


async def checked(conn: Conn, caller: Caller, draft: Draft) -> Draft:
    """A rule that can be. Raises Invalid with what is missing."""
    draft = sound(draft)
    known = {one.id for one in await labels.names(conn, caller.business_id)}
    named = draft.trigger.label if isinstance(draft.trigger, LabelPut) else None
    wanted = {*draft.conditions.labels, *draft.conditions.without, draft.actions.label, named} - {None}
    if not wanted <= known:
        raise Invalid("There is no such label.")
    return draft


def sound(draft: Draft) -> Draft:
    """A rule that makes sense in itself. Raises Invalid. Pure."""
    if not draft.name.strip():
        raise Invalid("A rule needs a name.")
    if "\0" in msgspec.json.encode(draft).decode("unicode_escape", "ignore"):
        raise Invalid("The message holds a character that cannot be sent.")
    actions = msgspec.structs.replace(draft.actions, text=draft.actions.text.strip())
    if actions == Actions() or actions == Actions(confirm=True):
        raise Invalid("Say what is to be done.")
    if actions.confirm and not isinstance(draft.trigger, Reminder):
        raise Invalid("Only what is said of an appointment can have buttons to confirm it.")
    if isinstance(draft.trigger, Daily) and not (draft.conditions.labels or draft.conditions.statuses):
        raise Invalid("Say which threads are meant: choose a label or a status.")
    if isinstance(draft.trigger, Keyword) and not any(automation_rules.plain(one) for one in draft.trigger.words):
        raise Invalid("Say which words are meant.")
    return msgspec.structs.replace(draft, name=draft.name.strip(), actions=actions)


async def tried(conn: Conn, caller: Caller, draft: Draft, now: datetime) -> Tried:
    """What a rule would have done in the last seven days, by what is known today. Does nothing. Raises as add()."""
    require(caller, Right.LEAD)
    draft = await checked(conn, caller, draft)
    rule = Rule(0, draft.name, active=True, trigger=draft.trigger, conditions=draft.conditions, actions=draft.actions)
    rule = msgspec.structs.replace(rule, active_since=LONG_AGO)
    business = caller.business
    opening_hours = await store.hours(conn, business.id)
    found = await trying.happened(conn, business.id, draft.trigger, (now - TRIED, now), business.zone)
    done: dict[str, Would] = {}
    skipped: Counter[str] = Counter()
    for cause in reversed(found):
        facts = await _facts(conn, business.id, cause)
        world = World(opening_hours, business.zone, cause.at)
        decision = automation_rules.decide(rule, cause, facts, world) if facts is not None else None
        if decision is None or facts is None or decision.key in done:
            continue
        if decision.outcome is Outcome.SKIPPED:
            skipped[decision.reason] += 1
            continue
        words = "" if decision.by_template else automation_rules.filled(draft.actions.text, facts, world)
        done[decision.key] = Would(cause.conversation_id, facts.name, cause.at, words, decision.by_template)
    newest = list(reversed(done.values()))[:SHOWN]
    return Tried(len(found), len(done), newest, dict(skipped))


async def _facts(conn: Conn, business_id: int, cause: Cause) -> Facts | None:
    free = cause.kind is Kind.MESSAGE or await trying.was_free(conn, business_id, cause.conversation_id, cause.at)
    found = await causes.facts(conn, business_id, cause, cause.at, free=free)
    if found is None:
        return None
    # It was silent then, whoever spoke since, and nothing else was sent by a rule that is only tried.
    return msgspec.structs.replace(
        found, quiet_us=cause.message_id, quiet_customer=cause.message_id, sent=0, is_open=True
    )


async def _held(conn: Conn, caller: Caller, rule_id: int, now: datetime) -> Rule:
    if not await store.hold(conn, caller.business_id, rule_id):
        raise NotFound(NO_RULE)
    return await one(conn, caller, rule_id, now)


def _draft(rule: Rule) -> Draft:
    return Draft(rule.name, rule.trigger, rule.actions, rule.conditions)


async def _told(
    conn: Conn, caller: Caller, action: str, number: int, before: Draft | None, after: Draft | None
) -> None:
    was, now = (msgspec.to_builtins(one) if one is not None else None for one in (before, after))
    await audit.record_by(conn, caller, action, "automation_rule", str(number), was, now)
    await wake_up(conn, TOPIC, caller.business_id)


def examples(say: Sequence[str]) -> list[Draft]:
    """Three rules to begin with, which say what is given: outside hours, a keyword, and after silence."""
    return [
        msgspec.convert({"name": say[0], "trigger": {"on": "closed"}, "actions": {"text": say[1]}}, Draft),
        msgspec.convert(
            {"name": say[2], "trigger": {"on": "keyword", "words": say[3].split(", ")}, "actions": {"text": say[4]}},
            Draft,
        ),
        msgspec.convert(
            {"name": say[5], "trigger": {"on": "silence", "of": "customer", "hours": 20}, "actions": {"text": say[6]}},
            Draft,
        ),
    ]
