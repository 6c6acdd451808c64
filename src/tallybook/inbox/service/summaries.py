"""Summaries of conversations that are over: the product's own, a model's where there is one, a person's for good.

Each conversation is given to a model once: by a job whose key is the conversation's number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import msgspec

from tallybook.core import audit, businesses, jobs
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.jobs import Held, NewJob
from tallybook.core.wakeups import wake_up
from tallybook.inbox import finding_rules, lead_rules
from tallybook.inbox.finding_rules import Standing, Take
from tallybook.inbox.lead_rules import Facts
from tallybook.inbox.session_rules import LONGEST_SUMMARY
from tallybook.inbox.session_types import By, Session, Spoken, Summarise
from tallybook.inbox.store import leads as lead_store
from tallybook.inbox.store import sessions as store
from tallybook.inbox.store.leads import Lead
from tallybook.inbox.store.sessions import Current

from . import leads, sessions
from .filing import TOPIC

KIND = "inbox.summarise"
AT_ONCE = 500
MODEL = "model"


class Summary(msgspec.Struct, frozen=True):
    """How the conversation of a thread stands: what goes on, and what is over, the latest first."""

    current: Current
    sessions: list[Session]

    @property
    def text(self) -> str:
        return self.current.summary or ""


async def of_thread(conn: Conn, caller: Caller, conversation_id: int) -> Summary:
    """The summaries of a thread. Raises NotAllowed, NotFound."""
    require(caller, Right.SEE)
    return Summary(*await sessions.of_thread(conn, caller.business_id, conversation_id))


async def write(conn: Conn, caller: Caller, conversation_id: int, text: str) -> Summary:
    """Writes the summary of the thread's latest conversation that is over; nothing but a person replaces it.

    Raises NotAllowed, NotFound, Invalid for a text of no use, Conflict while none is over.
    """
    require(caller, Right.ANSWER)
    text = text.replace("\r\n", "\n").strip()
    if not 1 <= len(text) <= LONGEST_SUMMARY or "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise Invalid("A summary has 1 to 4,000 characters.")
    found = await of_thread(conn, caller, conversation_id)
    if not found.sessions:
        raise Conflict("No conversation in this thread is over yet. Close the thread, then write its summary.")
    latest = found.sessions[0]
    if (latest.summary, latest.summary_by) == (text, By.PERSON):
        return found
    await store.write(conn, caller.business_id, latest.id, text, (By.PERSON, caller.name), datetime.now(UTC))
    told = {"conversation": latest.number}
    subject = str(conversation_id)
    await audit.record_by(conn, caller, "summary.written", "conversation", subject, None, told)
    await wake_up(conn, TOPIC, caller.business_id)
    return await of_thread(conn, caller, conversation_id)


async def take_over(conn: Conn, caller: Caller, conversation_id: int, number: int, what: Take) -> Summary:
    """Has the lead be what a conversation that is over suggests. A repeat changes nothing.

    Nothing that a person wrote is replaced. Raises NotAllowed, NotFound, and Conflict where it does not suggest that,
    or not any more.
    """
    require(caller, Right.ANSWER)
    found = await of_thread(conn, caller, conversation_id)
    session = next((one for one in found.sessions if one.number == number), None)
    lead = await leads.of_thread(conn, caller, conversation_id)
    if session is None or lead is None:
        raise NotFound("There is no such conversation, or its customer is no lead.")
    if what not in finding_rules.open_of(session, found.sessions[0].number, _standing(lead)):
        if finding_rules.is_done(session, what, _standing(lead)):
            return found
        raise Conflict("This is not suggested any more: somebody changed the lead meanwhile.")
    told = session.findings
    if what is Take.STATUS and told.status is not None:
        await leads.change(conn, caller, lead.id, told.status, f"summary:{session.id}")
    elif what is Take.NAME:
        await leads.edit(conn, caller, lead.id, Facts(told.name or "", lead.email, lead.notes))
    else:
        await leads.edit(conn, caller, lead.id, Facts(lead.given, told.email or "", lead.notes))
    return await of_thread(conn, caller, conversation_id)


async def suggested(conn: Conn, caller: Caller, conversation_id: int, found: Summary) -> dict[int, list[Take]]:
    """What each conversation of a thread still suggests, by its number."""
    lead = await leads.of_thread(conn, caller, conversation_id)
    if lead is None or not found.sessions:
        return {}
    latest, standing = found.sessions[0].number, _standing(lead)
    return {one.number: finding_rules.open_of(one, latest, standing) for one in found.sessions}


def _standing(lead: Lead) -> Standing:
    return Standing(lead.status, lead.status_entered_at, lead.given, lead.email)


async def ask_for(db: Database, business: Business, *, has_model: bool) -> int:
    """Has a model asked for the summary of everything that is over; where there is none, it is asked for none of it."""
    total = 0
    while True:
        count = await db.run("ask for summaries", partial(_ask_for_some, business, has_model=has_model))
        total += count
        if count < AT_ONCE:
            return total


async def _ask_for_some(business: Business, conn: Conn, *, has_model: bool) -> int:
    found = await store.take_wanted(conn, business.id, AT_ONCE)
    if has_model and found:
        wanted = [NewJob(KIND, f"{business.id}:{one}", {"session": one}, business.id) for one in found]
        await jobs.enqueue(conn, wanted)
    return len(found)


async def run_job(summarise: Summarise, held: Held) -> None:
    """Asks a model for one summary. What a person wrote meanwhile stands; a fault has it tried again later."""
    session_id = int(held.job.args["session"])
    gist = None
    read = partial(_read, held.job.business_id, session_id)
    business, spoken, statuses = await held.db.run("read a conversation", read)
    if business is not None and spoken:
        gist = await summarise(business, spoken, statuses)

    async def finish(conn: Conn) -> None:
        if business is not None and gist is not None and gist.text.strip():
            short = gist.text.strip().replace("\0", "")[:LONGEST_SUMMARY]
            if await store.write(conn, business.id, session_id, short, (By.MODEL, MODEL), datetime.now(UTC)):
                await store.find(conn, business.id, session_id, gist)
                await wake_up(conn, TOPIC, business.id)
        await held.finish(conn)

    await held.db.run("write a summary", finish)


async def _read(
    business_id: int | None, session_id: int, conn: Conn
) -> tuple[Business | None, list[Spoken], list[str]]:
    """The business, what was said, and the statuses to which the customer might come: none where they are no lead."""
    business = next((one for one in await businesses.every(conn) if one.id == business_id), None)
    if business is None:
        return None, [], []
    spoken = await store.spoken(conn, business.id, session_id)
    kept = await lead_store.statuses(conn, business.id) or lead_rules.FIRST
    is_lead = await store.is_of_a_lead(conn, business.id, session_id)
    return business, spoken, [one.status for one in kept] if is_lead else []
