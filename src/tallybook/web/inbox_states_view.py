"""How threads stand and what was said in them, as the inbox's pages show it."""

from __future__ import annotations

from typing import Any

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.marking import N_
from tallybook.inbox import finding_rules, session_rules
from tallybook.inbox.service import summaries
from tallybook.inbox.service.threads import Thread
from tallybook.inbox.session_types import By

from .times import Clock

ASLEEP = N_("Snoozed until {time}")
ASLEEP_SOMEDAY = N_("Snoozed until the customer writes")
SHOWN = 3  # conversations in the panel
WRITERS = {
    By.LOCAL: N_("Counted by Tallybook"),
    By.MODEL: N_("Written by a language model"),
    By.PERSON: N_("Written by {name}"),
}
TOPIC_SOURCES = {
    finding_rules.KNOWN_ANSWER: N_("Like a known question: {sure}"),
    finding_rules.MODEL: N_("A language model says so: {sure}"),
}


def asleep(thread: Thread, clock: Clock) -> str:
    """How long a thread is snoozed, in words; empty where it is not."""
    if thread.snoozed_until is None:
        return ""
    if thread.snoozed_until == session_rules.SOMEDAY:
        return clock.words.gettext(ASLEEP_SOMEDAY)
    return clock.words.gettext(ASLEEP).replace("{time}", clock.short(thread.snoozed_until))


async def of_thread(conn: Conn, caller: Caller, thread: Thread) -> dict[str, Any]:
    """What the panel shows of a thread's conversations."""
    found = await summaries.of_thread(conn, caller, thread.id)
    suggested = await summaries.suggested(conn, caller, thread.id, found)
    return {
        "summary": found, "past_talks": found.sessions[:SHOWN], "summary_writers": WRITERS, "suggested": suggested,
        "topic_sources": TOPIC_SOURCES,
    }  # fmt: skip
