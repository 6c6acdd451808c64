"""A status in Slack that says that somebody is away until a moment: an absence until then, or until it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from tallybook.core.db import Conn
from tallybook.triage import rules_away
from tallybook.triage.store import statuses as store

from .doing import Actor
from .following import Source, schedules_of, step

NAME = "slack"
# Slack's own two statuses of who is away, and what people take for the same; by what kind of absence it is.
AWAY: Mapping[str, str] = {
    **dict.fromkeys((":palm_tree:", ":beach_with_umbrella:", ":desert_island:", ":luggage:", ":airplane:"), "leave"),
    **dict.fromkeys((":face_with_thermometer:", ":thermometer:", ":hospital:", ":sneezing_face:"), "sick"),
}


class Status(msgspec.Struct, frozen=True):
    """A status as it was set at ``said_at``: its emoji, and until when; None is until it is changed."""

    person: str
    emoji: str
    until: datetime | None
    said_at: datetime


async def follow(conn: Conn, business_id: int, status: Status, now: datetime) -> None:
    """Has somebody who is known be absent as their status says; nothing by one that another has overtaken.

    It counts only with an end, and where it lasts over a quarter of a turn.
    """
    if not await store.heard(conn, business_id, status.person, status.said_at):
        return
    there = await store.absences(conn, business_id, status.person, now)
    kind, until, said = AWAY.get(status.emoji), status.until, []
    if kind is not None and until is not None and until > now:
        since = min([now, *(one.starts_at for one in there)])
        schedules = await schedules_of(conn, business_id, status.person, now)
        if rules_away.is_of_note(schedules, status.person, since, until):
            said = [(now, min(until, since + store.LONGEST))]
    source = Source(status.person, NAME, kind or "leave")
    await step(conn, Actor(business_id, NAME), source, rules_away.followed(there, said, now), now)
