"""A team in the database, and what tests do with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from tallybook.core.db import Conn, Database
from tallybook.triage.rules import Schedule, prepare, who
from tallybook.triage.rules_overrides import Asked, Part
from tallybook.triage.service import overrides
from tallybook.triage.service.doing import Actor, seen
from tests.triage.facts import NAMES, at, sprints

T = TypeVar("T")
NOW = at("2026-01-01")  # before the first sprint
SPRINTS = sprints()
SECOND = SPRINTS[1]  # Ben's


@dataclass(frozen=True)
class Web:
    """The team, its lead, and its database."""

    db: Database
    lead: Actor
    team: int

    def somebody(self, slack_id: str, *, leads: bool = False) -> Actor:
        return Actor(self.lead.business_id, NAMES.get(slack_id, slack_id), slack_id, leads=leads)

    async def run(self, work: Callable[[Conn], Awaitable[T]]) -> T:
        return await self.db.run("test", work)

    async def schedule(self) -> Schedule:
        return prepare(await self.run(lambda conn: seen(conn, self.lead, self.team)))

    async def on_duty(self, moment: datetime) -> str | None:
        return who(await self.schedule(), "uiEng", moment).person

    async def ask(self, asker: Actor, person: str, key: str, span: tuple[datetime, datetime] | None = None) -> Asked:
        part = Part("uiEng", person, *(span or (SECOND.starts_at, SECOND.ends_at)))
        return await self.run(lambda conn: overrides.request(conn, asker, self.team, part, NOW, key=key))

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async def read(conn: Conn) -> list[tuple[Any, ...]]:
            return await (await conn.execute(statement)).fetchall()

        return await self.run(read)
