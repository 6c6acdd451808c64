"""The App Home: filled for who opens it, and made anew for whoever may have it open once it says what is not so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from tallybook.channels.slack import outgoing
from tallybook.core import outbox
from tallybook.core.db import Conn
from tallybook.triage.blocks import home
from tallybook.triage.blocks.limits import Block
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.service import actors, people, telling
from tallybook.triage.service.outcomes import HOME
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store import homes as store
from tallybook.triage.store import overrides
from tallybook.triage.store.homes import Opened

from .places import Places


async def home_of(conn: Conn, business_id: int, seen: Seen, places: Places) -> Block:
    """A team's home with the reader's requests that wait, and what ``places`` there are."""
    waiting = await overrides.waiting(conn, business_id, seen.team.id)
    theirs = [one for one in waiting if one.requested_by == seen.reader]
    picture = await places.picture(conn, business_id, seen)
    return home.home_view(seen, home.Around(theirs, picture, places.page(seen), places.links(seen)))


@dataclass(frozen=True)
class Homes:
    """Homes are made by what is so at that moment, and leave in the order in which they were made."""

    places: Places

    async def opened(self, conn: Conn, business_id: int, account: str, seen: Seen) -> None:
        """Fills the home of who opens it."""
        number = await store.opened(conn, business_id, account, seen.reader, seen.team.id, seen.now)
        await self._put(conn, business_id, Opened(account, seen.reader, number), seen)

    async def show(self, conn: Conn, schedules: Schedules, business_id: int, team_id: int, now: datetime) -> None:
        """Makes the homes of a team anew that say what is no longer so. Raises NotFound."""
        stale = await store.take(conn, business_id, team_id, now)
        if not stale:
            return
        to = await telling.audience(conn, schedules, business_id, team_id, now)
        for one in stale:
            actor = await actors.of_slack(conn, business_id, one.slack_id)
            teams = tuple(await people.teams(conn, actor))
            seen = msgspec.structs.replace(to.seen(one.slack_id), leads=actor.leads, teams=teams)
            await self._put(conn, business_id, one, seen, in_bulk=True)
            telling.told.labels(HOME).inc()

    async def _put(self, conn: Conn, business_id: int, one: Opened, seen: Seen, *, in_bulk: bool = False) -> None:
        """What nobody has just asked for goes after everything that is said to people."""
        view = await home_of(conn, business_id, seen, self.places)
        key = f"{telling.PREFIX}{seen.team.id}:{HOME}:{one.number}:{one.slack_id}"
        out = outgoing.home(one.account, one.slack_id, key, view)
        await outbox.put(conn, business_id, msgspec.structs.replace(out, in_bulk=in_bulk))
