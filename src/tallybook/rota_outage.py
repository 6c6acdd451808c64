"""That the database is away, told in Slack to who leads a rota: once when it goes and once when it is back.

By the copy of the rota, since nothing can be asked; who was told is kept with the outage's other alarms.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw

from . import rota_snapshot
from .core.alarm_letters import Target
from .core.channel import Refused
from .core.messages import Outgoing
from .core.numbers import number_in
from .core.outage_alarm import Kept, number_of
from .settings import Settings
from .triage.blocks import notices
from .triage.blocks.showing import Seen
from .triage.service.telling import CHANNEL
from .triage.snapshot import Known


def targets(settings: Settings) -> list[Target]:
    """A team of each channel of who leads."""
    found = rota_snapshot.shelf(rota_snapshot.path_of(settings)).current()
    rooms: dict[tuple[str, str], Target] = {}
    for one in found.teams if found is not None else ():
        if one.admin_channel:
            rooms.setdefault(
                (one.account, one.admin_channel), Target(CHANNEL, f"{one.business_id}:{one.facts.team.id}")
            )
    return list(rooms.values())


def letter(settings: Settings, kept: Kept, target: Target, now: datetime) -> Outgoing:
    """What a team's channel is told of an outage. Raises Refused where nobody knows the team any more."""
    shelf = rota_snapshot.shelf(rota_snapshot.path_of(settings))
    found = shelf.current()
    known = _known(found.teams if found is not None else [], target)
    seen = Seen(shelf.schedule(known), now, known.language)
    begun = kept.begun_at or now
    if kept.event == "ended":
        message = notices.left(seen, max((kept.ended_at or now) - begun, timedelta(0)))
    else:
        message = notices.entered(seen, begun)
    body: dict[str, Any] = {
        "text": str(message.text), "blocks": Raw(msgspec.json.encode(message.blocks, enc_hook=str)),
    }  # fmt: skip
    key = f"alarm:database:{number_of(kept)}:{kept.event}:{CHANNEL}:{target.to}"
    return Outgoing(CHANNEL, known.account, known.admin_channel, key, body)


def _known(teams: list[Known], target: Target) -> Known:
    business_id, _, team_id = target.to.partition(":")
    asked = (number_in(business_id), number_in(team_id))
    for one in teams:
        if (one.business_id, one.facts.team.id) == asked and one.admin_channel:
            return one
    raise Refused("nobody of this team is told of anything any more")
