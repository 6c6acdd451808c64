"""Holds the state against the facts, and what Slack shows against the state; puts right what is not, and says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeAlias, runtime_checkable

import structlog
from prometheus_client import Gauge

from tallybook.core.businesses import Business
from tallybook.core.channel import OutcomeUnknown, SendError
from tallybook.core.db import PROD, Conn, Database
from tallybook.core.health import Check, State, counted
from tallybook.triage.rules_announce import standing
from tallybook.triage.store import looks, manners, states
from tallybook.triage.store import shown as shown_store
from tallybook.triage.store.shown import Shown

from . import surfaces
from .looking import look
from .schedules import Schedules
from .surfaces import GROUP, repaired
from .telling import CHANNEL

OVERDUE = timedelta(minutes=2)
UNCHECKED = timedelta(hours=1)
UNANSWERED = timedelta(minutes=10)
LATELY = timedelta(days=1)
# What may be looked at: what is in the outbox still is on its way.
SETTLED = ("set", "failed", "theirs")

log = structlog.get_logger(__name__)
unlike = Gauge("tallybook_rota_unlike", "What was not as it should be at the last check of the rota.", ["what"])


@runtime_checkable
class Rooms(Protocol):
    """A channel that can be asked what it shows. Each raises a SendError or OutcomeUnknown."""

    async def members_of(self, account: str, group: str) -> list[str]:
        """Who is in a user group."""

    async def topic_of(self, account: str, channel: str) -> str:
        """A channel's topic."""


async def check(db: Database, schedules: Schedules, rooms: Rooms | None, now: datetime | None = None) -> None:
    """Checks every team's state, and in prod every user group and topic. May be repeated, and done by several.

    ``now`` None means the database's clock.
    """
    teams = await db.run("list teams", looks.every)
    astray = [await db.run("check a rota", partial(_state, schedules, team, now)) for team in teams]
    unlike.labels("state").set(sum(astray))
    if rooms is None or db.environment != PROD:
        return
    at: datetime = now if now is not None else await db.run("read the clock", looks.clock)
    businesses = sorted({business_id for business_id, _ in teams})
    found = [one for business_id in businesses for one in await _of(db, business_id, rooms, at)]
    for kind in (GROUP, surfaces.TOPIC):
        unlike.labels(kind).set(found.count((kind, "drifted")))


async def _state(schedules: Schedules, team: tuple[int, int], at: datetime | None, conn: Conn) -> bool:
    """Whether a team's state was not as the facts say, though nobody would have looked; it is looked at now."""
    business_id, team_id = team
    if not await manners.read(conn, business_id, team_id):
        return False
    now: datetime = at if at is not None else await looks.clock(conn)
    waits = await looks.is_due(conn, business_id, team_id, now)
    found = standing(await schedules.of(conn, business_id, team_id), now)
    state = await states.read(conn, business_id, team_id)
    # What somebody changed or looked at since ``now`` is not judged by what was read of it before and after.
    waits = waits or await looks.is_due(conn, business_id, team_id, now)
    is_told = state.at is None or state.at <= now
    astray = is_told and not waits and state.on_duty != found.on_duty
    if astray:
        log.warning("A rota's state was not as its facts say, and is put right", business=business_id, team=team_id)
        repaired.labels("state").inc()
        await look(conn, schedules, business_id, team_id, now, always=True)
    await looks.checked(conn, business_id, team_id, now, astray=astray)
    return astray


async def _of(db: Database, business_id: int, rooms: Rooms, now: datetime) -> list[tuple[str, str]]:
    """The verdicts on what Slack shows of a business, each by its kind. It is asked outside of any transaction."""

    async def listed(conn: Conn) -> tuple[str, list[Shown]]:
        await shown_store.forget(conn, business_id)
        account, _ = await manners.workspace(conn, business_id, CHANNEL)
        return account, await shown_store.every(conn, business_id)

    account, every = await db.run("list what Slack shows", listed)
    verdicts: list[tuple[str, str]] = []
    for one in every:
        if one.state not in SETTLED:
            continue
        seen = await _seen(rooms, account, one)
        if seen is None:
            continue
        judged = partial(surfaces.judge, to=(business_id, account), held=one, seen=seen, now=now)
        verdicts.append((one.kind, await db.run("judge what Slack shows", judged)))
    return verdicts


async def _seen(rooms: Rooms, account: str, held: Shown) -> Sequence[str] | None:
    """What Slack shows; None where it cannot be asked now."""
    try:
        if held.kind == GROUP:
            return await rooms.members_of(account, held.target)
        return [await rooms.topic_of(account, held.target)]
    except (SendError, OutcomeUnknown) as error:
        log.warning("Slack cannot be asked what it shows", kind=held.kind, error=type(error).__name__)
        return None


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """Whether somebody looks at the teams, and whether Slack shows who is on duty. Nothing where there is no team."""
    found = await looks.board(conn, business.id, now - OVERDUE, now - UNCHECKED, now - LATELY)
    if not found.teams:
        return []
    shown = [one for one in await shown_store.every(conn, business.id) if one.wanted or one.state != "asked"]
    groups = [one for one in shown if one.kind == GROUP]
    topics = [one for one in shown if one.kind != GROUP]
    facts: dict[str, str | int | float] = {"teams": found.teams}
    if found.overdue:
        says = counted(found.overdue, *NOT_LOOKED_AT)
        rota = Check("rota", "wrong", says, found.due_since, facts)
    elif found.unchecked:
        rota = Check("rota", "late", counted(found.unchecked, *NOT_CHECKED), found.checked_at, facts)
    elif found.astray:
        rota = Check("rota", "late", counted(found.astray, *PUT_RIGHT), found.astray_at, facts)
    else:
        rota = Check("rota", "ok", AS_IT_SHOULD, found.checked_at, facts)
    before = now - UNANSWERED
    return [rota, *([_groups(groups, before)] if groups else []), *([_topics(topics, before)] if topics else [])]


AS_IT_SHOULD = "What was told of duty is what the rota says."
NOT_LOOKED_AT = ("rota is overdue: nobody has looked at it", "rotas are overdue: nobody has looked at them")
NOT_CHECKED = ("rota was not checked for an hour", "rotas were not checked for an hour")
PUT_RIGHT = (
    "rota was not as its facts say, and was put right",
    "rotas were not as their facts say, and were put right",
)


# How a check stands, its words for one and for several, and those of which they are said.
Judged: TypeAlias = tuple[State, tuple[str, str], list[Shown]]


def _groups(groups: Sequence[Shown], before: datetime) -> Check:
    """A group that cannot be changed wants a person; one for which nobody is on duty keeps who was in it."""
    return _worst("rota-group", groups, GROUPS_RIGHT, [
        ("wrong", GROUP_FAILED, _in_state(groups, "failed")),
        ("late", GROUP_WAITS, _waiting(groups, before)),
        ("late", GROUP_NOBODY, _in_state(groups, "nobody")),
    ])  # fmt: skip


def _topics(topics: Sequence[Shown], before: datetime) -> Check:
    """A topic that somebody else wrote is theirs, which is no fault."""
    return _worst("rota-topic", topics, TOPICS_RIGHT, [
        ("wrong", TOPIC_FAILED, _in_state(topics, "failed")),
        ("late", TOPIC_WAITS, _waiting(topics, before)),
        ("ok", TOPIC_THEIRS, _in_state(topics, "theirs")),
    ])  # fmt: skip


def _worst(name: str, shown: Sequence[Shown], right: str, kinds: Sequence[Judged]) -> Check:
    """By the first of the kinds of which there is one."""
    for state, says, found in kinds:
        if found:
            return Check(name, state, counted(len(found), *says), min(one.since for one in found))
    return Check(name, "ok", right, _seen_at(shown))


def _in_state(shown: Sequence[Shown], state: str) -> list[Shown]:
    return [one for one in shown if one.state == state]


def _waiting(shown: Sequence[Shown], before: datetime) -> list[Shown]:
    """What was asked for then, and Slack has not answered."""
    return [one for one in shown if one.state == "asked" and one.since < before]


def _seen_at(shown: Sequence[Shown]) -> datetime | None:
    return min((one.seen_at for one in shown if one.seen_at is not None), default=None)


GROUPS_RIGHT = "The user groups have whoever is on duty."
GROUP_FAILED = ("user group could not be changed", "user groups could not be changed")
GROUP_WAITS = (
    "user group is not changed yet: Slack was asked over ten minutes ago",
    "user groups are not changed yet: Slack was asked over ten minutes ago",
)
GROUP_NOBODY = (
    "user group keeps who was in it: nobody is on duty",
    "user groups keep who was in them: nobody is on duty",
)
TOPICS_RIGHT = "The channels' topics name whoever is on duty."
TOPIC_FAILED = ("channel's topic could not be changed", "channels' topics could not be changed")
TOPIC_WAITS = (
    "channel's topic is not changed yet: Slack was asked over ten minutes ago",
    "channels' topics are not changed yet: Slack was asked over ten minutes ago",
)
TOPIC_THEIRS = (
    "channel's topic is somebody else's, and is left as it is",
    "channels' topics are somebody else's, and are left as they are",
)
