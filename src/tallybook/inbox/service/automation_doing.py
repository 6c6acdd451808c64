"""What a rule does once it fires, in the transaction that writes its run down and holds the thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tallybook.core import audit
from tallybook.core.audit import Named
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict
from tallybook.core.wakeups import wake_up
from tallybook.inbox import automation_rules
from tallybook.inbox.automation_rules import World
from tallybook.inbox.automation_types import Facts, Rule, TemplateChoice
from tallybook.inbox.contents import Content, Text
from tallybook.inbox.desk_types import Owner
from tallybook.inbox.hook_events import Event
from tallybook.inbox.hook_events import Kind as EventKind
from tallybook.inbox.store import answers, marks
from tallybook.inbox.store import automation as store
from tallybook.inbox.store import labels as label_store
from tallybook.inbox.store.marks import Mark
from tallybook.inbox.store.sending import Held
from tallybook.inbox.types import Source

from . import appointment_replies, assigning, hooks, labels, leaving, template_choices
from .filing import TOPIC

WHO = "Automation"
LABEL_GONE = "There is no such label any more."


@dataclass(frozen=True)
class Doing:
    """A rule that fires in a thread, and all that is known there. ``cause`` is what the run is written under.

    What it says is of no use after ``until``.
    """

    business: Business
    rule: Rule
    thread: Held
    facts: Facts
    world: World
    run_id: int = 0
    by_template: bool = False
    cause: str = ""
    until: datetime | None = None

    @property
    def now(self) -> datetime:
        return self.world.now

    @property
    def doer(self) -> Named:
        return Named(self.business.id, f"{WHO}: {self.rule.name}"[:100])


async def do(conn: Conn, doing: Doing) -> None:
    """Does all that the rule asks for, or raises why it cannot, so that nothing of it is done."""
    actions = doing.rule.actions
    if actions.sends:
        await _send(conn, doing)
    if actions.label is not None:
        await _label(conn, doing, actions.label)
    if actions.assign_to is not None:
        await assigning.give(conn, doing.doer, doing.thread.id, Owner(actions.assign_to))
    if actions.hand_over:
        await _hand_over(conn, doing)
    if actions.webhook:
        await _tell(conn, doing)
    told = {"rule": doing.rule.id, "run": doing.run_id}
    await _record(conn, doing, "automation.fired", told)
    await wake_up(conn, TOPIC, doing.business.id)


async def _record(conn: Conn, doing: Doing, action: str, told: Mapping[str, object]) -> None:
    who, thread = doing.doer.name, str(doing.thread.id)
    await audit.record(conn, doing.business.id, who, None, action, "conversation", thread, None, dict(told))


async def _send(conn: Conn, doing: Doing) -> None:
    content = await _content(conn, doing)
    why = await leaving.may_leave(conn, doing.business.id, doing.thread, content, doing.now)
    if why is not None:
        raise leaving.refuse(why)
    key = f"automation:{doing.run_id}"
    message_id = await leaving.leave(
        conn, doing.business.id, doing.thread, content, source=Source.AUTOMATION, key=key, now=doing.now,
        until=doing.until,
    )  # fmt: skip
    await store.said(conn, doing.business.id, doing.run_id, message_id)


async def _content(conn: Conn, doing: Doing) -> Content:
    actions = doing.rule.actions
    if doing.by_template and actions.template is not None:
        return await _template(conn, doing, actions.template)
    text = automation_rules.filled(actions.text, doing.facts, doing.world)
    booked = doing.facts.booked
    if booked is not None and actions.confirm:
        return appointment_replies.asked(text, booked, doing.business.locale).checked()
    return Text(text).checked()


async def _template(conn: Conn, doing: Doing, chosen: TemplateChoice) -> Content:
    values = [automation_rules.filled(one, doing.facts, doing.world) for one in chosen.values]
    choice = TemplateChoice(chosen.name, chosen.language, values)
    booked = doing.facts.booked
    payloads = appointment_replies.payloads(booked) if booked and doing.rule.actions.confirm else ()
    return await template_choices.made_ready(conn, doing.business.id, doing.thread, choice, payloads)


async def _label(conn: Conn, doing: Doing, label: int) -> None:
    known = {one.id for one in await label_store.names(conn, doing.business.id)}
    if label not in known:
        raise Conflict(LABEL_GONE)
    await labels.mark(conn, doing.doer, [doing.thread.id], label)


async def _hand_over(conn: Conn, doing: Doing) -> None:
    """The bot leaves, and the customer's newest message waits for the team again."""
    business_id, thread = doing.business.id, doing.thread.id
    await answers.silence_bot(conn, business_id, thread)
    counters, newest = await marks.lock(conn, business_id, thread, None), await marks.newest(conn, business_id, thread)
    if counters is not None and newest is not None and 0 < counters.last.inbound <= counters.team.inbound:
        seq, before = newest
        await marks.mark_team(conn, business_id, thread, Mark(seq - 1, counters.last.inbound - 1), before)
    await _record(conn, doing, "conversation.handed_over", {"run": doing.run_id})


async def _tell(conn: Conn, doing: Doing) -> None:
    details = {"rule_id": doing.rule.id, "rule": doing.rule.name, "cause": doing.cause.partition(":")[0]}
    key = f"automation:{doing.run_id}"
    event = Event(EventKind.AUTOMATION_FIRED, doing.now, doing.thread.id, details=details, key=key)
    await hooks.tell(conn, doing.business.id, [event])
