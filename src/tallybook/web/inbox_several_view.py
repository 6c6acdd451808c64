"""Choosing several threads in the list: what can be done to them, and what the list says came of it."""

from __future__ import annotations

import re
from typing import Any

from tallybook.core.callers import Caller, Right, may
from tallybook.core.db import Conn
from tallybook.core.marking import N_
from tallybook.inbox.service import teams
from tallybook.inbox.service.several import AT_ONCE

from .times import Clock

DONE = {
    "close": N_("Closed"), "reopen": N_("Opened again"), "snooze": N_("Snoozed"), "read": N_("Marked as read"),
    "label": N_("Labelled"), "unlabel": N_("Label taken off"), "assign": N_("Assigned"),
    "unassign": N_("Given to nobody"),
}  # fmt: skip
NONE, MANY = "none", "many"
REFUSED = {
    NONE: N_("Nothing was done: no thread was chosen."),
    MANY: N_("Nothing was done: at most {most} threads are changed at once."),
}
NOTHING = N_("Nothing changed")
_DID = re.compile(r"([a-z]+)-([0-9]{1,3})-([0-9]{1,3})")


def write(act: str, changed: int, left: int) -> str:
    """What came of an act, as an address carries it. Pure."""
    return f"{act}-{changed}-{left}"


def said(text: str, clock: Clock) -> str:
    """What write() wrote, or why nothing was done, in words; empty for anything else. Pure."""
    say = clock.words
    if text in REFUSED:
        return say.gettext(REFUSED[text]).replace("{most}", str(AT_ONCE))
    found = _DID.fullmatch(text)
    if found is None or found[1] not in DONE:
        return ""
    changed, left = int(found[2]), int(found[3])
    count = say.ngettext("%(num)s thread", "%(num)s threads", changed) % {"num": changed}
    parts = [f"{say.gettext(DONE[found[1]])}: {count}" if changed else say.gettext(NOTHING)]
    if left:
        parts.append(say.ngettext("%(num)s was so already", "%(num)s were so already", left) % {"num": left})
    return " · ".join(parts)


async def of_list(conn: Conn, caller: Caller, did: str, clock: Clock) -> dict[str, Any]:
    """To whom the chosen threads can be given, how many can be chosen, and what came of the last act."""
    givable = await teams.members(conn, caller) if may(caller, Right.ANSWER) else []
    return {"givable": givable, "at_once": AT_ONCE, "did": said(did, clock)}
