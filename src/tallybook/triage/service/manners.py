"""How a team is told of its rota: set by who leads, and counted from the next thing that is told."""

from __future__ import annotations

import re

from tallybook.core.businesses import LOCALES
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.triage.store import looks
from tallybook.triage.store import manners as store
from tallybook.triage.store import shown as shown_store
from tallybook.triage.types import Manner

from .doing import Actor, plain, require_lead, tell

PEOPLE = "{people}"
PLACE = re.compile(r"([A-Z0-9]{2,50})?")
LONGEST_TOPIC = 250
LONGEST_LATE = 720  # minutes


async def read(conn: Conn, business_id: int, team_id: int) -> Manner:
    """Raises NotFound."""
    found = await store.read(conn, business_id, team_id)
    if found is None:
        raise NotFound("There is no such team.")
    return found


async def change(conn: Conn, actor: Actor, team_id: int, manner: Manner) -> None:
    """Has a team be told in this way. Raises NotAllowed, Invalid, NotFound and Conflict.

    Who gives a topic takes the channel's topic over, whatever stands there; later it is changed only while it is ours.
    """
    require_lead(actor)
    _check(manner)
    await store.hold_all(conn, actor.business_id)
    before = await read(conn, actor.business_id, team_id)
    if manner == before:
        return
    if manner.topic and await store.has_topic(conn, actor.business_id, team_id, manner.channel):
        raise Conflict("Another team writes this channel's topic already.")
    await store.change(conn, actor.business_id, team_id, manner)
    await store.look_anew(conn, actor.business_id, team_id)
    if before.user_group and before.user_group != manner.user_group:
        await looks.soon_of_group(conn, actor.business_id, before.user_group)  # which is without this team now
    if manner.topic and (manner.topic, manner.channel) != (before.topic, before.channel):
        await shown_store.take_over(conn, actor.business_id, "topic", manner.channel)
    await tell(conn, actor, "team.told", "triage team", team_id, plain(before), plain(manner))


def _check(manner: Manner) -> None:
    if not all(PLACE.fullmatch(one) for one in (manner.channel, manner.admin_channel, manner.user_group)):
        raise Invalid("Give Slack's ids, such as C012AB3CD for a channel and S012AB3CD for a user group.")
    if manner.topic and PEOPLE not in manner.topic:
        raise Invalid("A topic needs {people} in it, where who is on duty is to stand.")
    if len(manner.topic) > LONGEST_TOPIC:
        raise Invalid(f"A topic has at most {LONGEST_TOPIC} characters.")
    if manner.topic and not manner.channel:
        raise Invalid("Say in which channel, so that it can have a topic.")
    if manner.language not in {"", *LOCALES}:
        raise Invalid(f"“{manner.language}” is not a language we have: {', '.join(LOCALES)}.")
    if not 1 <= manner.late_after <= LONGEST_LATE:
        raise Invalid(f"Being late begins after a minute at least, and after {LONGEST_LATE} at most.")
