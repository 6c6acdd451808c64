"""What is told by itself: left in the outbox in the transaction of what caused it, once for each recipient.

The words are those of ``blocks``; where and to whom is decided here. A message's key names the team, the kind, the
moment and the recipient, so that it is never there twice, whoever puts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw
from prometheus_client import Counter

from tallybook.core import outbox
from tallybook.core.callers import RIGHTS_OF_ROLE, Right
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.messages import Outgoing
from tallybook.triage.blocks import announcing as words
from tallybook.triage.blocks import troubles
from tallybook.triage.blocks.limits import Message
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.rules import Schedule
from tallybook.triage.rules_announce import HeadsUp
from tallybook.triage.rules_cover import Clash, Double
from tallybook.triage.rules_notices import Trouble, concerned
from tallybook.triage.rules_roster import Change
from tallybook.triage.store import manners
from tallybook.triage.store import told as store
from tallybook.triage.types import Manner

from .announcing import Moved
from .schedules import Schedules

CHANNEL = "slack"
PREFIX = "triage:"
# A hand-over that could not be told by then, and is another by then, is told with the next one.
TELLABLE = timedelta(hours=1)
PEOPLE = ("U", "W")  # what the ids of people begin with

told = Counter("tallybook_rota_told_total", "Messages about the rota that were left to be sent, by kind.", ["kind"])


class Audience(msgspec.Struct, frozen=True):
    """A team as it is told: by which account of the channel, in which language, by which facts, at which moment."""

    business_id: int
    team_id: int
    account: str
    language: str
    manner: Manner
    schedule: Schedule
    now: datetime

    def seen(self, reader: str = "") -> Seen:
        return Seen(self.schedule, self.now, self.language, reader)


class Notice(msgspec.Struct, frozen=True):
    """One thing that is told: its ``kind`` and ``about`` are of its key; after ``until`` it is told no more.

    ``replaces``: the kind and the matter of the notice in whose place this one is shown.
    """

    kind: str
    about: str
    until: datetime | None
    says: Callable[[Seen], Message]
    replaces: tuple[str, str] | None = None


def hashed(matter: str) -> str:
    """What a notice is about, short enough for a message's key."""
    return hashlib.sha256(matter.encode()).hexdigest()[:16]


async def audience(conn: Conn, schedules: Schedules, business_id: int, team_id: int, now: datetime) -> Audience:
    """Raises NotFound."""
    return await audience_of(conn, business_id, await schedules.of(conn, business_id, team_id), now)


async def audience_of(conn: Conn, business_id: int, schedule: Schedule, now: datetime) -> Audience:
    """The same by a schedule that the caller has. Raises NotFound."""
    team_id = schedule.facts.team.id
    manner = await manners.read(conn, business_id, team_id)
    if manner is None:
        raise NotFound("There is no such team.")
    account, language = await manners.workspace(conn, business_id, CHANNEL)
    return Audience(business_id, team_id, account, manner.language or language, manner, schedule, now)


async def handed(conn: Conn, to: Audience, moved: Moved) -> None:
    """Tells the channel, and whoever came and went, that others are on duty; nothing where that was told before."""
    change = moved.boundary
    if change is None:
        return

    def says(seen: Seen) -> Message:
        if seen.reader:
            return words.hand_over_to(seen, moved.was, change, moved.now, seen.reader)
        return words.hand_over(seen, moved.was, change, moved.now)

    until = max(moved.now.until, to.now + TELLABLE)
    persons = people(person for code in change.codes for person in (moved.was.get(code), moved.now.shift(code).person))
    await tell(conn, to, Notice(change.kind, stamp(change.at), until, says), [to.manner.channel, *persons])


async def warned(conn: Conn, to: Audience, due: HeadsUp) -> None:
    """Tells whose turn ends and whose begins that it will; after the hand-over it is told no more."""
    others = [code for code in due.ends if due.ends[code].person != due.begins[code].person]
    persons = people(shift.person for code in others for shift in (due.ends[code], due.begins[code]))
    notice = Notice(
        "heads_up", stamp(due.boundary), due.boundary, lambda seen: words.heads_up_to(seen, due, seen.reader)
    )
    await tell(conn, to, notice, persons)


async def moved_ahead(conn: Conn, to: Audience, changes: Sequence[Change]) -> None:
    """Tells everybody whose turns ahead are others than they were told, all of theirs in one message."""
    theirs = concerned(changes)
    if theirs:
        until = max(one.ends_at for one in changes)
        notice = Notice(
            "moves", stamp(to.now), until, lambda seen: words.plan_changed(seen, theirs[seen.reader], seen.reader)
        )
        await tell(conn, to, notice, people(theirs))


async def foreseen(conn: Conn, to: Audience, found: Sequence[Trouble]) -> None:
    """Tells of what will go wrong whom it concerns and who leads, each once."""
    if not found:
        return
    leads = await deciders(conn, to)
    pairs = {(to.team_id, one.kind, one.what, who): one for one in found for who in {one.person, *leads} if who}
    new = await store.first_time(conn, to.business_id, sorted(pairs), to.now)
    for key, trouble in sorted(pairs.items(), key=lambda pair: pair[0]):
        if key in new:
            notice = Notice(trouble.kind, hashed(trouble.what), trouble.ends_at, partial(_trouble, trouble))
            await tell(conn, to, notice, [key[3]])


def _trouble(trouble: Trouble, seen: Seen) -> Message:
    match trouble.found:
        case Double() as double:
            return troubles.double(seen, double)
        case Clash() as clash:
            return troubles.clash(seen, clash)
        case gap:
            return troubles.gap(seen, gap)


async def unreached(conn: Conn, to: Audience, person: str, key: str, why: str) -> None:
    """Tells the administrators' channel that somebody could not be told of something."""
    notice = Notice("unreached", hashed(key), None, lambda seen: words.undelivered(seen, person, why))
    await tell(conn, to, notice, [to.manner.admin_channel])


async def deciders(conn: Conn, to: Audience) -> list[str]:
    """Where those are told who lead: in their channel, or where there is none each by themselves."""
    if to.manner.admin_channel:
        return [to.manner.admin_channel]
    roles = [role.value for role, rights in RIGHTS_OF_ROLE.items() if Right.LEAD in rights]
    return await store.leads(conn, to.business_id, roles)


async def tell(conn: Conn, to: Audience, notice: Notice, recipients: Iterable[str]) -> None:
    """Leaves a notice for each of the recipients, of which some may be nowhere."""
    for recipient in recipients:
        if not recipient:
            continue
        seen = to.seen(recipient if recipient.startswith(PEOPLE) else "")
        message = notice.says(seen)
        # As the channel's sender reads it; what replaces a post leaves behind it, having its topic.
        body: dict[str, Any] = {
            "text": str(message.text),
            "blocks": Raw(msgspec.json.encode(message.blocks, enc_hook=str)),
        }
        if notice.replaces is not None:
            body["changes_sent"] = key_of(to, *notice.replaces, recipient)
        key = key_of(to, notice.kind, notice.about, recipient)
        out = Outgoing(CHANNEL, to.account, recipient, key, body, topic=recipient, expires_at=notice.until)
        if await outbox.put(conn, to.business_id, out):
            told.labels(notice.kind).inc()


def key_of(to: Audience, kind: str, about: str, recipient: str) -> str:
    """By which a notice to somebody is known."""
    return f"{PREFIX}{to.team_id}:{kind}:{about}:{recipient}"


def people(found: Iterable[str | None]) -> list[str]:
    """Those who can be written to, each once."""
    return sorted({one for one in found if one is not None and one.startswith(PEOPLE)})


def stamp(at: datetime) -> str:
    """A moment as a part of a key, which has no colons; to the microsecond, as it is kept."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
