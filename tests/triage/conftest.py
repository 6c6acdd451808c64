from __future__ import annotations

from datetime import date

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.triage.service import members, people, rosters, sprints
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Discipline, Person, Team
from tests.triage.facts import ANA, BEN, CHEN, DINA, NAMES, ZONE
from tests.triage.rota import NOW, Web


@pytest.fixture
async def web(db: Database, business: Business) -> Web:
    """The team Web, committed: six sprints of two weeks, the first of which runs; Ana, Ben and Chen take turns."""
    lead = Actor(business.id, "Lena", leads=True)

    async def make(conn: Conn) -> int:
        team = await people.add_team(conn, lead, Team(0, "Web", ZONE))
        for place, code in enumerate(("uiEng", "beEng")):
            await people.put_discipline(conn, lead, team, Discipline(code, code, place))
        for one in (ANA, BEN, CHEN, DINA):
            await members.join(conn, lead, team, "uiEng", Person(one, NAMES[one]), NOW)
        for number in range(6):
            first = date(2026, 1, 5).toordinal() + 14 * number
            days = (date.fromordinal(first), date.fromordinal(first + 14))
            await sprints.plan(conn, lead, team, f"Sp{number + 1}", days, NOW)
        plan = rosters.Plan("uiEng", (ANA, BEN, CHEN), NOW, in_order=True)
        await rosters.apply(conn, lead, team, plan, NOW, reason="the first one")
        return team

    return Web(db, lead, await db.run("make", make))
