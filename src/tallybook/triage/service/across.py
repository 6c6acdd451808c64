"""Somebody on duty in two teams of a business at once: found from either team, told once.

Who reads a channel is not known, so that a channel is told the other team's part only where it is that team's channel
too. The person has both duties, and who leads has an account that sees all teams of the business.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

import structlog

from tallybook.core.db import Conn
from tallybook.triage.blocks import troubles as words
from tallybook.triage.blocks.limits import Message
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.rules import Schedule
from tallybook.triage.rules_across import Across, across
from tallybook.triage.rules_notices import AHEAD, BACK
from tallybook.triage.store import facts as facts_store
from tallybook.triage.store import told as store

from . import telling
from .schedules import Schedules, is_of_one_team
from .telling import Audience, Notice

KIND = "double"

log = structlog.get_logger(__name__)


async def found(
    conn: Conn, schedules: Schedules, business_id: int, schedule: Schedule, since: datetime, until: datetime
) -> list[Across]:
    """Where somebody of a team is on duty in another team of the business at once, in order of time."""
    teams = await facts_store.sharing(conn, business_id, schedule.facts.team.id, since)
    others = [await schedules.of(conn, business_id, team) for team in teams]
    return across(schedule, others, since, until)


async def foresee(conn: Conn, schedules: Schedules, to: Audience) -> None:
    """Tells of it in the coming weeks whom it concerns and who leads either team, each once, whichever looks first.

    Of two teams that change at once, the look that begins last sees both changes.
    """
    now, business_id = to.now, to.business_id
    audiences = {to.team_id: to} | await _others(conn, schedules, to)
    others = [one.schedule for one in audiences.values() if one is not to]
    notices: dict[tuple[int, str, str, str], tuple[Audience, Audience, Across]] = {}
    for one in across(to.schedule, others, now - BACK, now + AHEAD):
        if one.ends_at <= now:
            continue
        pair = audiences[one.one.team_id], audiences[one.other.team_id]
        for mine, theirs in (pair, pair[::-1]):
            for recipient in (one.person, *await telling.deciders(conn, mine)):
                # Under the lower team's number, so that it is the same one from both sides.
                notices.setdefault((one.one.team_id, KIND, one.named, recipient), (mine, theirs, one))
    new = await store.first_time(conn, business_id, sorted(notices), now) if notices else set()
    for key in sorted(new):
        mine, theirs, one = notices[key]
        notice = Notice(KIND, telling.hashed(one.named), one.ends_at, partial(_says, mine, theirs, one))
        await telling.tell(conn, mine, notice, [key[3]])


async def _others(conn: Conn, schedules: Schedules, to: Audience) -> dict[int, Audience]:
    """The teams that share people with this one. One that cannot be read is left: its own look finds the same."""
    found: dict[int, Audience] = {}
    for team in await facts_store.sharing(conn, to.business_id, to.team_id, to.now - BACK):
        try:
            async with conn.transaction():
                found[team] = await telling.audience(conn, schedules, to.business_id, team, to.now)
        except Exception as error:
            if not is_of_one_team(error):
                raise
            log.exception("A rota cannot be read beside another", business=to.business_id, team=team)
    return found


def _says(mine: Audience, theirs: Audience, one: Across, seen: Seen) -> Message:
    channel = mine.manner.admin_channel
    is_both = not channel or channel == theirs.manner.admin_channel
    return words.across(seen, theirs.seen(seen.reader), one, is_both=is_both)
