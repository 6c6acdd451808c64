"""What a thread shows of messages for later and of appointments, and how their forms are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.marking import N_
from tallybook.core.numbers import INT_DIGITS, number_in
from tallybook.inbox.automation_types import TemplateChoice
from tallybook.inbox.service import appointments, scheduled
from tallybook.inbox.service.scheduled import Said, Wanted

from .inbox_automation_form import NEXT

NO_TIME = "Choose a day and a time."
STATES = {
    "waiting": N_("Waits"), "sent": N_("Sent"), "cancelled": N_("Cancelled"), "missed": N_("Was not sent"),
    "seen": N_("Was not sent"),
}  # fmt: skip
STATUSES = {
    "booked": N_("Booked"), "confirmed": N_("Confirmed"), "cancelled": N_("Cancelled"), "done": N_("Done"),
}  # fmt: skip
MISTAKES = (
    N_("Choose a day and a time."), N_("Choose a time that is still to come."), N_("Choose a time within a year."),
    N_("This message was sent, or cancelled, meanwhile."),
    N_("Somebody else changed this message meanwhile. Look at it again."), N_("There is no such message."),
    N_("Nothing was sent at its time, and it is too late now."), N_("The customer wrote first."),
    N_("It could not be sent: something failed inside the program."), N_("There is no such template."),
    N_("An appointment ends after it begins."), N_("There is no such appointment."), N_("There is no such contact."),
    N_("Choose a day within three years, and at most a month from beginning to end."),
    N_("An appointment needs a title of at most 200 characters."), N_("A place has at most 200 characters."),
    N_("There is no such status."),
)  # fmt: skip


async def of_thread(conn: Conn, caller: Caller, conversation_id: int) -> dict[str, Any]:
    """What waits to be said in a thread, and the meetings with its customer that are not over."""
    now = datetime.now(UTC)
    found = await appointments.coming(conn, caller, conversation_id, now)
    return {
        "later": await scheduled.waiting(conn, caller, conversation_id),
        "meetings": [one for one in found if one.ends_at > now],
        "meeting_words": STATUSES,
    }


def wall(text: str) -> datetime:
    """A day and a time on the business's wall. Raises Invalid."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(NO_TIME) from None
    if found.tzinfo is not None:
        raise Invalid(NO_TIME)
    return found


def read_later(form: Mapping[str, Any]) -> Wanted:
    """What a form wants to be said later. Raises Invalid."""
    name, _, language = str(form.get("template", "")).partition(NEXT)
    values = [one.strip() for one in str(form.get("values", "")).splitlines() if one.strip()]
    template = TemplateChoice(name, language, values) if name else None
    return Wanted(
        Said("" if template else str(form.get("text", "")).replace("\r\n", "\n"), template),
        wall(str(form.get("at", ""))),
        unless_written=str(form.get("unless_written", "")) == "yes",
        key=str(form.get("key", "")),
        seen=number_in(str(form.get("seen", "")), INT_DIGITS) or 0,
    )


def read_meeting(form: Mapping[str, Any]) -> appointments.Wanted:
    """The meeting that a form wants. Raises Invalid."""
    starts, ends = wall(str(form.get("starts", ""))), wall(str(form.get("ends", "")))
    title, place = str(form.get("title", "")), str(form.get("place", ""))
    return appointments.Wanted(title, starts, ends, place, str(form.get("key", "")))
