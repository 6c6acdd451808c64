"""One rota in the database, with cover, an absence, nobody and a discipline out of use: every door says the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import icalendar

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.triage.rules import prepare, who
from tallybook.triage.rules_overrides import Part
from tallybook.triage.rules_use import Use
from tallybook.triage.service import absences, disciplines, members, overrides, people, rosters
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.types import Absence, Discipline, Kind, Person, Rotation, Team
from tests import world
from tests.triage.facts import ANA, BEN, CHEN, DINA, NAMES
from tests.triage.rooms import CHANNEL, GROUP, Workspace, be_told, look, send
from tests.triage.rota import Web
from tests.web.conftest import Browser

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ROSTERS = {"over": (BEN, DINA), "away": (ANA, CHEN), "none": (CHEN, ANA), "gone": (DINA, BEN)}
DUTY = re.compile(r'<p class="duty[^>]*><span class="meta"><bdi>(\w+)</bdi></span>\s*<b class="cut"><bdi>(\w+)</bdi>')
LINK = re.compile(r"/triage/feeds/[\w.-]+\.ics")
API = "/api/triage/1"


async def rota(db: Database, business: Business, now: datetime) -> Web:
    """Weekly turns that began yesterday at midnight; what happened since is an hour old."""
    lead, begun, since = Actor(business.id, "Lena", leads=True), now - 2 * DAY, now - 60 * MINUTE
    weekly = Rotation(Kind.WEEKLY, "UTC", time(0), frozenset({(now - DAY).weekday()}))

    async def make(conn: Conn) -> int:
        team = await people.add_team(conn, lead, Team(0, "Web", "UTC"))
        for place, (code, persons) in enumerate(ROSTERS.items()):
            await people.put_discipline(conn, lead, team, Discipline(code, code, place))
            for one in persons:
                await members.join(conn, lead, team, code, Person(one, NAMES[one]), begun)
            plan = rosters.Plan(code, persons, begun, weekly, in_order=True)
            await rosters.apply(conn, lead, team, plan, begun, reason="the first one")
        part = Part("over", DINA, since, now + DAY)
        asked = await overrides.request(conn, lead, team, part, since, key="over")
        await overrides.approve(conn, lead, asked.id, since)
        leave = Absence(0, ANA, since, now + DAY)
        await absences.record(conn, lead, leave, since, key="away")
        nobody = Part("none", None, since, now + DAY)
        await overrides.unassign(conn, lead, team, nobody, since, key="none", reason="Quiet")
        await disciplines.change(conn, lead, team, Use("gone", False, since), since, reason="It is done")
        return team

    return Web(db, lead, await db.run("rota", make))


async def read(browser: Browser, path: str, **params: Any) -> Any:
    return (await browser.get(path, params=params)).json()["data"]


async def by_programs(browser: Browser, now: datetime) -> list[Mapping[str, str | None]]:
    now_is = await read(browser, f"{API}/who")
    listed = await read(browser, f"{API}/shifts", since=now.isoformat(), until=(now + 10 * MINUTE).isoformat())
    loads = {}
    for code in ROSTERS:
        span = {"since": (now - MINUTE).isoformat(), "until": now.isoformat()}
        carried = await read(browser, f"{API}/load", discipline=code, **span)
        loads[code] = next((one["person"] for one in carried if one["days"]), None)
    return [{one["discipline"]: one["person"] for one in rows} for rows in (now_is, listed)] + [loads]


async def by_feed(browser: Browser, code: str, now: datetime) -> str | None:
    """Whom a subscribed calendar has on duty."""
    answer = await browser.post("/triage/feeds", {"what": f"discipline {code}"})
    found = icalendar.Calendar.from_ical((await browser.get(LINK.findall(answer.text)[0])).content)
    running = [one for one in found.walk("VEVENT") if one["dtstart"].dt <= now < one["dtend"].dt]
    by_name = {name: slack_id for slack_id, name in NAMES.items()}
    return next((by_name[str(one["summary"]).split(": ")[1]] for one in running), None)


async def test_pages_programs_calendars_slack_and_the_state_say_the_same(
    db: Database, business: Business, browser: Browser
) -> None:
    now = datetime.now(UTC)
    web = await rota(db, business, now)
    await browser.log_in(await db.run("add", lambda conn: world.bia(conn, business)))
    schedule = prepare(await web.run(lambda conn: seen(conn, web.lead, web.team)))
    expected = {code: who(schedule, code, now).person for code in ROSTERS}
    assert expected == {"over": DINA, "away": CHEN, "none": None, "gone": None}
    assert [who(schedule, code, now - 61 * MINUTE).person for code in ROSTERS] == [BEN, ANA, CHEN, DINA], (
        "the past stays"
    )

    shown = dict(DUTY.findall((await browser.get("/triage")).text))
    assert shown == {"over": "Dina", "away": "Chen", "none": "Nobody"}
    for found in await by_programs(browser, now):
        assert {code: found.get(code) for code in ROSTERS} == expected
    feeds = {code: await by_feed(browser, code, now) for code in ("over", "away", "none")}
    assert feeds == {code: expected[code] for code in feeds}

    await be_told(web)
    await look(web, now)
    workspace = Workspace()
    await send(web, workspace)
    assert workspace.groups[GROUP] == sorted({CHEN, DINA})
    assert workspace.topics[CHANNEL] == "Bugs only. Triage: @Dina, @Chen"
    ((on_duty,),) = await web.rows("select on_duty from triage_states")
    assert on_duty == {"over": DINA, "away": CHEN, "none": None}
