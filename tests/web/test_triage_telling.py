"""The page that says how a team is told: kept by who leads, and refused with what was typed."""

from __future__ import annotations

from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.triage.service import manners, people
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import Manner, Team
from tests import world
from tests.triage.facts import ZONE
from tests.web.conftest import Browser

PATH = "/triage/teams/telling"
GIVEN = {
    "channel": "C0TEAM", "admin_channel": "", "user_group": "S0GROUP", "topic": "Triage:  {people}", "language": "he",
    "heads_up": "16:30", "late_after": "10",
}  # fmt: skip


async def test_who_leads_says_where_a_team_is_told(db: Database, business: Business, browser: Browser) -> None:
    await browser.log_in(await db.run("add", lambda conn: world.bia(conn, business)))
    lead = Actor(business.id, "Lena", leads=True)
    team = await db.run("make", lambda conn: people.add_team(conn, lead, Team(0, "Web", ZONE)))
    refused = await browser.post(PATH, GIVEN | {"topic": "no place"})
    assert refused.status_code == 400
    assert "A topic needs {people} in it" in refused.text
    assert 'value="no place"' in refused.text
    assert (await browser.post(PATH, GIVEN)).status_code == 303
    kept = await db.run("read", lambda conn: manners.read(conn, business.id, team))
    assert (kept.channel, kept.topic, kept.language, kept.late_after) == ("C0TEAM", "Triage: {people}", "he", 10)
    assert kept != Manner()
    assert "C0TEAM" in (await browser.get(PATH)).text
