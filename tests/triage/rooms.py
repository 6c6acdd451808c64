"""A workspace in memory: what of the outbox reaches it, and what it shows; and looks at a team by many workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from tallybook import worker
from tallybook.core.channel import Refused, Settlement
from tallybook.core.db import Conn
from tallybook.core.messages import Outgoing
from tallybook.core.sending import Post, deliver
from tallybook.triage.jobs import Announcer
from tallybook.triage.service import manners, members, people, rosters
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.types import Discipline, Kind, Manner, Person, Rotation, Team
from tests.triage.facts import DINA, NAMES, ZONE
from tests.triage.rota import NOW, Web

CHANNEL, LEADS, GROUP = "C0TEAM", "C0LEADS", "S0GROUP"
TOLD = Manner(CHANNEL, LEADS, GROUP, "Bugs only. Triage: {people}")
UNTOLD = Manner()
DAILY, WEEKLY = Rotation(Kind.DAILY, ZONE), Rotation(Kind.WEEKLY, ZONE, days=frozenset({0}))
PUT = (
    "select split_part(dedup_key, ':', 3), recipient from outbox where dedup_key !~ '^triage:(group|topic)' order by id"
)
SHOWN = (
    "select split_part(dedup_key, ':', 2), recipient, body from outbox where dedup_key ~ '^triage:(group|topic)' "
    "order by id"
)


@dataclass
class Workspace:
    """Takes what is sent, as Slack does: a group is replaced whole, a topic only where it is as it was expected."""

    name: str = "slack"
    settlement: Settlement = Settlement.BY_REPORT
    posts: list[tuple[str, str]] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()

    async def send(self, outgoing: Outgoing) -> str:
        if outgoing.to in self.refuses:
            raise Refused("cannot_dm_bot")
        body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(outgoing.body))
        if "members" in body:
            self.groups[outgoing.to] = body["members"]
        elif "topic" in body:
            if body["topic"]["was"] not in {None, self.topics.get(outgoing.to, "")}:
                raise Refused("Somebody else has written the channel's topic, and it stays theirs.")
            self.topics[outgoing.to] = body["topic"]["text"]
        else:
            self.posts.append((outgoing.to, body["text"]))
        return ""

    async def members_of(self, account: str, group: str) -> list[str]:
        return self.groups.get(group, [])

    async def topic_of(self, account: str, channel: str) -> str:
        return self.topics.get(channel, "").replace("&", "&amp;")


async def be_told(web: Web, manner: Manner = TOLD) -> None:
    """Has the team be told in this way."""
    await web.run(lambda conn: manners.change(conn, web.lead, web.team, manner))


async def second_team(web: Web) -> int:
    """Another team of the same user group: Dina, all the time."""
    dina, manner = Person(DINA, NAMES[DINA]), Manner(user_group=GROUP)
    return await web.run(lambda conn: in_another_team(conn, web.lead, dina, NOW, manner, DAILY))


async def in_another_team(
    conn: Conn, lead: Actor, person: Person, now: datetime, manner: Manner = UNTOLD, rotation: Rotation = WEEKLY
) -> int:
    """The team Data, in which somebody has every turn: every week from the next Monday on."""
    team = await people.add_team(conn, lead, Team(0, "Data", ZONE))
    await people.put_discipline(conn, lead, team, Discipline("dba", "Databases"))
    await members.join(conn, lead, team, "dba", person, now)
    plan = rosters.Plan("dba", (person.slack_id,), now, rotation)
    await rosters.apply(conn, lead, team, plan, now, reason="the first one")
    await manners.change(conn, lead, team, manner)
    return team


async def look(web: Web, now: datetime, workers: int = 1) -> int:
    """Has so many workers look at once at whatever is due; how many of them looked."""
    announcers = [Announcer(web.db, Schedules()) for _ in range(workers)]
    return sum(await asyncio.gather(*(one.look(now) for one in announcers)))


async def send(web: Web, workspace: Workspace) -> None:
    """Sends all that is in the outbox, as if it were the year of the tests."""
    await web.run(_in_time)
    post = Post({"slack": workspace}, tell=partial(worker._hear, Schedules()), stands=worker._stands)
    await deliver(web.db, web.lead.business_id, post, asyncio.Event())


async def _in_time(conn: Conn) -> None:
    await conn.execute("update outbox set expires_at = null")


async def said(web: Web) -> list[tuple[str, str]]:
    """What was put for people and channels: the kind and the recipient of each."""
    return [(row[0], row[1]) for row in await web.rows(PUT)]


async def shown(web: Web) -> list[tuple[str, str, Any]]:
    """What was put for groups and topics."""
    return [(row[0], row[1], row[2]) for row in await web.rows(SHOWN)]


async def texts(web: Web, recipient: str) -> Sequence[str]:
    """What was put for one recipient."""
    rows = await web.rows("select recipient, body::text from outbox where body ? 'text' order by id")
    return [row[1] for row in rows if row[0] == recipient]
