"""The demo's rota: a team of made-up people with two disciplines, sprints around today, and what happens in a rota."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from tallybook.core import people as accounts
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.triage.rules import prepare, who
from tallybook.triage.rules_overrides import Part
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.service import absences, actors, members, overrides, people, rosters, sprints
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.service.rosters import Plan
from tallybook.triage.types import Absence, Discipline, Holiday, Kind, Person, Rotation, Team

from .day import ZONE

TEAM = "Fibre apps"
DAY = timedelta(days=1)
UI, BACK_END = Discipline("uiEng", "UI engineering", 0), Discipline("beEng", "Back end", 1)
THANDI = Person("U0DEMO0001", "Thandi Nkosi")
PEOPLE = (
    THANDI, Person("U0DEMO0002", "Sipho Mthembu"), Person("U0DEMO0003", "נועה כהן"),
    Person("U0DEMO0004", "Lerato Mokoena"), Person("U0DEMO0005", "Avi Levi"),
)  # fmt: skip
OF_UI, OF_BACK_END = PEOPLE[:3], PEOPLE[2:]
SPRINT_DAYS = 14
BEFORE, AHEAD = 3, 5  # sprints: those that began up to now, and those that come


async def make(conn: Conn, business: Business, now: datetime) -> int | None:
    """Makes the team with all that is in it, in one transaction; its number, or None where it is there already."""
    lead = Actor(business.id, "Demo", leads=True)
    if any(one.name == TEAM for one in await people.teams(conn, lead)):
        return None
    today = now.astimezone(ZONE).date()
    first = today - DAY * (today.weekday() + SPRINT_DAYS * BEFORE - 7)  # a Monday; one sprint is in its middle
    began = hand_over(first, Team(0, "", ZONE.key).hand_over, ZONE) - DAY
    team = await people.add_team(conn, lead, Team(0, TEAM, ZONE.key, country="ZA"))
    for discipline, everybody in ((UI, OF_UI), (BACK_END, OF_BACK_END)):
        await people.put_discipline(conn, lead, team, discipline)
        for one in everybody:
            await members.join(conn, lead, team, discipline.code, one, began)
    for number in range(BEFORE + AHEAD):
        days = (first + DAY * SPRINT_DAYS * number, first + DAY * SPRINT_DAYS * (number + 1))
        await sprints.plan(conn, lead, team, f"Sp{number + 1}", days, began)
    await _rosters(conn, lead, team, began)
    await _happenings(conn, lead, team, today, now)
    await _link(conn, business)
    return team


async def _rosters(conn: Conn, lead: Actor, team: int, began: datetime) -> None:
    """UI engineering goes by sprints, the back end by weeks."""
    weekly = Rotation(Kind.WEEKLY, ZONE.key, days=frozenset({0}))
    plans = (
        Plan(UI.code, ids(OF_UI), began, in_order=True),
        Plan(BACK_END.code, ids(OF_BACK_END), began, weekly, in_order=True),
    )
    for plan in plans:
        await rosters.apply(conn, lead, team, plan, began, reason="The first roster")


def ids(listed: Sequence[Person]) -> tuple[str, ...]:
    """Their Slack ids, in their order."""
    return tuple(one.slack_id for one in listed)


async def _happenings(conn: Conn, lead: Actor, team: int, today: date, now: datetime) -> None:
    """Somebody stands in, somebody asks for it, somebody is away, a day is free."""
    monday = today + DAY * (7 - today.weekday())

    def at(days: int) -> datetime:
        return hand_over(monday + DAY * days, Team(0, "", ZONE.key).hand_over, ZONE)

    schedule = prepare(await seen(conn, lead, team))

    async def ask(code: str, members: Sequence[Person], span: tuple[datetime, datetime]) -> int:
        holder = who(schedule, code, span[0]).person
        other = next(one for one in members if one.slack_id != holder)
        asker = Actor(lead.business_id, other.name, other.slack_id)
        part = Part(code, other.slack_id, *span)
        asked = await overrides.request(
            conn, asker, team, part, now, key=f"demo {code} {team}", reason="We have exchanged this between us"
        )
        return asked.id

    await overrides.approve(conn, lead, await ask(BACK_END.code, OF_BACK_END, (at(2), at(4))), now)
    await ask(UI.code, OF_UI, (at(0), at(3)))
    away = who(schedule, UI.code, at(SPRINT_DAYS)).person or THANDI.slack_id
    absence = Absence(0, away, at(SPRINT_DAYS + 1), at(SPRINT_DAYS + 5))
    await absences.record(conn, lead, absence, now, key=f"demo leave {team}")
    await absences.put_holidays(conn, lead, team, [Holiday(monday + DAY * 10, "Company day")], today)


async def _link(conn: Conn, business: Business) -> None:
    """The demo's reviewer is one of the people."""
    listed = await accounts.people(conn, business.id)
    account = next((one.account_id for one in listed if one.name.startswith("Thandi")), None)
    if account is not None:
        await actors.link(conn, accounts.command_line(business.id), THANDI.slack_id, account)
