"""What Slack tells of somebody's status: the emoji, until when, and when it was set. Its words are not looked at."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tallybook.channels.slack.requests import Request
from tallybook.core.db import Conn
from tallybook.triage.service import statuses
from tallybook.triage.service.statuses import Status
from tallybook.triage.store import looks

LAST = 32_503_680_000  # the year 3000, in seconds of 1970


class Profile(msgspec.Struct, frozen=True):
    status_emoji: str = ""
    status_expiration: int = 0


class User(msgspec.Struct, frozen=True):
    id: str = ""
    profile: Profile = Profile()


class Event(msgspec.Struct, frozen=True):
    user: User = User()
    event_ts: str = ""


class Payload(msgspec.Struct, frozen=True):
    event: Event = Event()
    event_time: int = 0


def status_of(request: Request) -> Status | None:
    """The status that an event tells of; None where it is told in no way that we know. Pure."""
    try:
        told = msgspec.json.decode(request.payload, type=Payload)
        seconds = float(told.event.event_ts or told.event_time)
    except (msgspec.ValidationError, ValueError):
        return None
    profile = told.event.user.profile
    if not told.event.user.id or not 0 < seconds < LAST or not 0 <= profile.status_expiration < LAST:
        return None
    until = datetime.fromtimestamp(profile.status_expiration, UTC) if profile.status_expiration else None
    return Status(told.event.user.id, profile.status_emoji, until, datetime.fromtimestamp(seconds, UTC))


async def heed(conn: Conn, business_id: int, request: Request) -> None:
    """Has the rota follow a status, if it is one."""
    status = status_of(request)
    if status is not None:
        await statuses.follow(conn, business_id, status, await looks.clock(conn))
