"""Who belongs to a discipline, from when on and until when: joining, leaving, and taking either back.

What is over stays as it was. Each is previewed first (``rules_members``), and done by that look or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.triage.rules_members import belonging, is_for_good
from tallybook.triage.store import people as store
from tallybook.triage.types import Membership, Person

from .doing import Actor, held_as_is, require_lead, tell, turned
from .people import put_people


async def join(
    conn: Conn, actor: Actor, team_id: int, discipline: str, person: Person, now: datetime, *,
    at: datetime | None = None, version: int | None = None,
) -> bool:  # fmt: skip
    """``join_all`` for one discipline; whether they did not belong to it. Raises as it does."""
    return bool(await join_all(conn, actor, team_id, [discipline], person, now, at=at, version=version))


async def join_all(
    conn: Conn, actor: Actor, team_id: int, disciplines: Sequence[str], person: Person, now: datetime, *,
    at: datetime | None = None, version: int | None = None,
) -> list[str]:  # fmt: skip
    """Has somebody belong to disciplines from a moment on, or from now on; those to which they did not.

    It takes back an end, and brings a beginning forward, that were planned for later. Who stands on a roster has their
    turns from then on. ``version`` is that of the preview on which somebody decided. Raises NotAllowed, Invalid and
    NotFound, and Conflict where the rota is another by now.
    """
    require_lead(actor)
    at = now if at is None else at
    check_joining(at, now)
    named = await put_people(conn, actor, [person])
    facts = await held_as_is(conn, actor, team_id)
    if not set(disciplines) <= {one.code for one in facts.disciplines if one.in_use(now)}:
        raise Invalid("There is no such discipline, or it is not used any more.")
    new = [code for code in dict.fromkeys(disciplines) if not is_for_good(facts, code, person.slack_id, at)]
    if new:
        # Their new name, just now, has turned the rota if they ever belonged to it.
        renamed = named if any(one.person == person.slack_id for one in facts.memberships) else 0
        _check_version(version, facts.version - renamed)
        await turned(conn, actor, team_id)
    for code in new:
        await store.join(conn, actor.business_id, team_id, code, person.slack_id, at)
        theirs = belonging(facts, code, person.slack_id, at)
        since = min((one.since for one in theirs if one.since <= at), default=at)
        after = {"discipline": code, "since": since.isoformat(), "until": None}
        await tell(conn, actor, "person.joined", "triage person", person.slack_id, _told(theirs), after)
    return new


async def leave(
    conn: Conn, actor: Actor, team_id: int, discipline: str | None, slack_id: str, at: datetime, *, now: datetime,
    version: int | None = None,
) -> list[str]:  # fmt: skip
    """Has somebody belong to a discipline, or to all (None), no longer from a moment on; those that it was.

    From then on the next of the roster has their turns. Where the discipline is named, an end that was planned earlier
    is put off. ``version`` is that of the preview on which somebody decided.
    Raises NotAllowed, Invalid and NotFound, and Conflict where the rota is another by now.
    """
    require_lead(actor)
    check_leaving(at, now)
    facts = await held_as_is(conn, actor, team_id)
    left = await store.leave(conn, actor.business_id, team_id, discipline, slack_id, at, now)
    if left:
        _check_version(version, facts.version)
        await turned(conn, actor, team_id)
    for code in left:
        was = _told(belonging(facts, code, slack_id, now))
        after = {"discipline": code, "until": at.isoformat()}
        await tell(conn, actor, "person.left", "triage person", slack_id, was, after)
    return left


def _check_version(seen: int | None, now: int) -> None:
    if seen not in {None, now}:
        raise Conflict("The rota was changed meanwhile. Look at what this would change now.", version=now)


def _told(theirs: Sequence[Membership]) -> dict[str, Any] | None:
    """Somebody's time in a discipline as it was: the one that runs, else the first that is ahead."""
    if not theirs:
        return None
    was, until = theirs[0], theirs[0].until
    since = was.since.isoformat()
    return {"discipline": was.discipline, "since": since, "until": until.isoformat() if until is not None else None}


def check_joining(at: datetime, now: datetime) -> None:
    """Raises Invalid."""
    if at < now:
        raise Invalid("Nobody joins in the past: who was on duty then is not changed any more.")


def check_leaving(at: datetime, now: datetime) -> None:
    """Raises Invalid."""
    if at < now:
        raise Invalid("Nobody leaves in the past: who was on duty then is not changed any more.")
