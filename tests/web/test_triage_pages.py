"""The pages of the rota: what they refuse and keep, what a repeat does, and who may do what."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.demo import rota
from tallybook.triage.rules import gaps, prepare, who
from tallybook.triage.rules_cover import clashes
from tallybook.triage.service import doing, members, rosters
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.store import overrides
from tallybook.triage.types import Facts, Person, Why
from tallybook.web import (
    triage_view,
)
from tallybook.web.i18n import words
from tallybook.web.times import Clock
from tallybook.web.triage_teams import code_of
from tallybook.web.triage_view import Canvas
from tests import world
from tests.triage import facts as made
from tests.triage.rooms import in_another_team
from tests.web.conftest import Browser

WAITS_FOR_US = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
NEW = {"name": "Web", "zone": "Africa/Johannesburg", "hand_over": "08:00", "disciplines": "UI engineering, Back end"}


@pytest.fixture
async def bia(db: Database, business: Business, browser: Browser) -> world.Someone:
    """A lead, logged in."""
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    await browser.log_in(bia)
    return bia


async def facts_of(db: Database, business: Business, team: int = 1) -> Facts:
    return await db.run("facts", lambda conn: seen(conn, Actor(business.id, "Lena"), team))


async def demo(db: Database, business: Business) -> int | None:
    return await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))


def hidden(html: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1]


async def thrice(browser: Browser, path: str, form: dict[str, Any]) -> None:
    """Sends a form twice at once, and once more; each time it is as if it were the only one."""
    at_once = await asyncio.gather(*(browser.post(path, form) for _ in range(2)))
    assert [one.status_code for one in (*at_once, await browser.post(path, form))] == [303] * 3


def roster_form(facts: Facts, code: str = "uiEng", **different: Any) -> dict[str, Any]:
    newest = max((one for one in facts.rosters if one.discipline == code), key=lambda one: one.number)
    usual = {"people": list(newest.people), "kind": "sprint", "zone": facts.team.zone, "at": "08:00", "begins": "next"}
    return usual | {"reason": "Somebody came", "do": "look"} | different


async def test_a_first_team_is_made_once_and_what_is_refused_keeps_what_was_typed(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    assert "There is no team yet" in (await browser.get("/triage")).text
    refused = await browser.post("/triage/teams", NEW | {"zone": "Nowhere"})
    assert refused.status_code == 400
    assert "“Nowhere” is not a time zone" in refused.text
    assert 'value="UI engineering, Back end"' in refused.text
    assert (await browser.post("/triage/teams", NEW)).headers["location"] == "/triage/people?team=1"
    again = await browser.post("/triage/teams", NEW | {"form": "team"})
    assert again.status_code == 409
    assert "There is a team of this name already" in again.text
    assert [one.code for one in (await facts_of(db, business)).disciplines] == ["uiEng", "beEng"]


async def test_a_teams_disciplines_clock_and_holidays_are_changed_once_however_often_a_form_is_sent(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    before = await facts_of(db, business)
    day = str(datetime.now(UTC).date() + timedelta(40))
    for _ in range(2):
        await browser.post("/triage/teams/disciplines?team=1", {"name": "Product owner"})
        await browser.post("/triage/teams/holidays?team=1", {"day": day, "name": "Stocktaking"})
    wrong = {"form": "clock", "zone": "Nowhere", "hand_over": "09:30", "weekend": ["4", "5"]}
    refused = (await browser.post("/triage/teams/clock?team=1", wrong)).text
    assert [number in re.findall(r'value="([0-6])" checked', refused) for number in "456"] == [True, True, False]
    assert 'value="09:30"' in refused
    await browser.post("/triage/teams/clock?team=1", wrong | {"zone": "UTC"})
    after = await facts_of(db, business)
    assert [(one.code, one.place) for one in after.disciplines] == [("uiEng", 0), ("beEng", 1), ("po", 2)]
    assert [one.name for one in after.holidays] == ["Company day", "Stocktaking"]
    assert (after.team.zone, after.team.weekend) == ("UTC", {4, 5})
    assert (after.sprints, after.rosters) == (before.sprints, before.rosters)
    await browser.post("/triage/teams/holidays?team=1", {"off": day})
    assert [one.name for one in (await facts_of(db, business)).holidays] == ["Company day"]


async def test_a_roster_of_a_team_that_moved_goes_by_its_new_clocks_and_says_by_which(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    page = "/triage/rota/beEng/change"
    clock = {"form": "clock", "zone": "America/Los_Angeles", "hand_over": "08:00"}
    await browser.post("/triage/teams/clock?team=1", clock)
    assert hidden((await browser.get(f"{page}?version=1")).text, "zone") == "Africa/Johannesburg"
    shown = (await browser.get(page)).text
    assert hidden(shown, "zone") == "America/Los_Angeles"
    assert '<bdi dir="ltr">America/Los_Angeles</bdi>' in shown.partition("Hand-over at")[2]
    form = roster_form(await facts_of(db, business), "beEng", kind="weekly", days=["0"], weeks="1")
    assert "times in America/Los_Angeles" in (await browser.post(page, form)).text.partition('id="found"')[2]
    assert "times in Africa/Johannesburg" in (await browser.get("/triage/rota")).text


async def test_a_roster_is_made_by_its_preview_alone_and_once(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    before = await facts_of(db, business)
    turned = list(before.rosters[-1].people)[::-1]
    path, form = "/triage/rota/uiEng/change?team=1", roster_form(before, people=turned)
    # Without a preview, or by another one's, nothing is made.
    for given in ({}, {"seen": "1.0"}):
        unseen = await browser.post(path, form | given | {"do": "apply"})
        assert unseen.status_code == 409
        assert "The rota was changed meanwhile" in unseen.text
    looked = await browser.post(path, form)
    assert "Make this change" in looked.text
    sent = form | {"seen": hidden(looked.text, "seen"), "do": "apply"}
    silent = await browser.post(path, sent | {"reason": " "})
    assert silent.status_code == 400
    assert "Say why" in silent.text
    # What was typed into the form after the preview is looked at first.
    assert (await browser.post(path, sent | {"people": turned[:1]})).status_code == 409
    await thrice(browser, path, sent)
    after = await facts_of(db, business)
    assert [one.number for one in after.rosters if one.discipline == "uiEng"] == [1, 2]


async def test_a_roster_takes_over_with_its_first_turn_on_or_after_a_day_and_never_on_one_that_is_over(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    before = await facts_of(db, business)
    coming = [one for one in before.sprints if one.starts_at > datetime.now(UTC)]
    path, form = "/triage/rota/uiEng/change?team=1", roster_form(before, people=[rota.THANDI.slack_id], begins="day")
    over = await browser.post(path, form | {"day": str(coming[0].first_day - timedelta(14))})
    assert over.status_code == 400
    assert "A roster begins now or later" in over.text
    form |= {"day": str(coming[1].first_day)}
    await browser.post(path, form | {"seen": hidden((await browser.post(path, form)).text, "seen"), "do": "apply"})
    newest = max((await facts_of(db, business)).rosters, key=lambda one: one.number)
    assert newest.since == coming[1].starts_at


async def test_a_former_version_comes_back_as_one_more_with_its_number(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    first = await facts_of(db, business)
    path = "/triage/rota/uiEng/change?team=1"
    shorter = roster_form(first, people=[rota.THANDI.slack_id])
    seen_one = hidden((await browser.post(path, shorter)).text, "seen")
    await browser.post(path, shorter | {"seen": seen_one, "do": "apply"})
    shown = (await browser.get(f"{path}&version=1")).text
    assert re.findall(r'name="people" value="(\w+)"', shown) == list(rota.ids(rota.OF_UI))
    back = roster_form(first, restores=hidden(shown, "restores"))
    looked = await browser.post(path, back)
    await browser.post(path, back | {"seen": hidden(looked.text, "seen"), "do": "apply"})
    listed = await db.run("list", lambda conn: rosters.history(conn, Actor(business.id, "Lena"), 1, "uiEng"))
    assert [(one.number, one.made.restores) for one in listed] == [(3, 1), (2, None), (1, None)]
    assert "brings back version 1" in (await browser.get("/triage/rota/uiEng")).text


async def test_the_buttons_of_the_list_move_people_and_keep_all_else_that_was_typed(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    one, two, three = rota.ids(rota.OF_UI)
    form = roster_form(await facts_of(db, business), reason="Not lost")
    for button, expected in (
        (f"up:{two}", [two, one, three]),
        (f"down:{one}", [two, one, three]),
        (f"off:{one}", [two, three]),
    ):
        shown = (await browser.post("/triage/rota/uiEng/change?team=1", form | {"do": button})).text
        assert re.findall(r'name="people" value="(\w+)"', shown) == expected
        assert 'value="Not lost"' in shown
    gone = form | {"people": [two], "do": f"on:{three}"}
    shown = (await browser.post("/triage/rota/uiEng/change?team=1", gone)).text
    assert re.findall(r'name="people" value="(\w+)"', shown) == [two, three]


async def test_sprints_are_planned_changed_and_taken_away_once_each(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    sprints = (await facts_of(db, business)).sprints
    last = sprints[-1]
    next_end = last.last_day + timedelta(14)
    over = {"name": "Sp9", "first_day": str(last.first_day), "last_day": str(last.last_day)}
    refused = await browser.post("/triage/sprints/new?team=1", over | {"do": "apply"})
    assert refused.status_code == 409
    assert "This would lie over the sprint Sp8." in refused.text
    new = {"name": "Sp9", "first_day": str(last.last_day), "last_day": str(next_end)}
    looked = (await browser.post("/triage/sprints/new?team=1", new)).text
    await thrice(browser, "/triage/sprints/new?team=1", new | {"do": "apply", "seen": hidden(looked, "seen")})
    planned = (await facts_of(db, business)).sprints[-1]
    assert (planned.name, planned.number) == ("Sp9", 8)
    path, gone = f"/triage/sprints/{planned.id}?team=1", new | {"reason": "No budget", "do": "gone"}
    looked = (await browser.post(path, gone)).text
    assert "What changes when it is taken away" in looked
    await thrice(browser, path, gone | {"do": "remove", "seen": hidden(looked, "seen")})
    assert (await facts_of(db, business)).sprints == sprints


async def test_what_was_decided_by_an_old_preview_of_a_sprint_is_not_done(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    last = (await facts_of(db, business)).sprints[-1]
    form = {
        "name": "Sp8",
        "first_day": str(last.first_day),
        "last_day": str(last.last_day + timedelta(7)),
        "reason": ".",
    }
    looked = (await browser.post(f"/triage/sprints/{last.id}?team=1", form)).text
    await browser.post("/triage/teams/disciplines?team=1", {"name": "Product owner"})
    sent = await browser.post(
        f"/triage/sprints/{last.id}?team=1", form | {"do": "apply", "seen": hidden(looked, "seen")}
    )
    assert sent.status_code == 409
    assert (await facts_of(db, business)).sprints[-1].last_day == last.last_day


async def test_an_absence_is_recorded_once_for_its_form_and_ends_by_a_button(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    path = f"/triage/people/{rota.THANDI.slack_id}"
    day = str(datetime.now(UTC).date() + timedelta(30))
    form = {"key": hidden((await browser.get(path)).text, "key"), "first_day": day, "kind": "training"}
    wrong = await browser.post(f"{path}/absences?team=1", form | {"first_day": "soon"})
    assert wrong.status_code == 400
    assert hidden(wrong.text, "key") == form["key"]
    for _ in range(2):
        assert (await browser.post(f"{path}/absences?team=1", form)).status_code == 303
    mine = [one for one in (await facts_of(db, business)).absences if one.person == rota.THANDI.slack_id]
    recorded = [one for one in mine if one.kind == "training"]
    assert [one.ends_at - one.starts_at for one in recorded] == [timedelta(1)]
    await browser.post(f"{path}/absences?team=1", {"end": str(recorded[0].id)})
    assert "Training" not in (await browser.get(path)).text.split("<form")[0]


async def test_somebody_s_absences_follow_a_calendar_whose_address_nobody_is_shown_again(
    db: Database, business: Business, browser: Browser, ana: world.Someone, bia: world.Someone
) -> None:
    await demo(db, business)
    page = f"/triage/people/{rota.THANDI.slack_id}?team=1"
    path = page.replace("?", "/calendars?")
    refused = await browser.post(path, {"address": "ftp://calendars.example/secret-4c"})
    assert (refused.status_code, "begins with https://" in refused.text) == (400, True)
    for _ in range(2):
        given = {"address": "webcal://calendars.example/secret-4c.ics", "away": "yes"}
        assert (await browser.post(path, given)).status_code == 303
    shown = (await browser.get(page)).text
    assert [shown.count(text) for text in ("calendars.example", "secret-4c", "only what says")] == [2, 0, 1]
    broken = "update triage_calendars set failed = 'answers 404', failing_since = now(), read_at = now()"
    absence = """
    insert into triage_absences (slack_id, starts_at, ends_at, kind, key, made_by, source, calendar_id)
    values ('U0DEMO0001', now(), now() + interval '3 days', 'leave', 'k', 'calendar', 'calendar', 1)
    """
    for statement in (broken, absence, "update triage_teams set version = version + 1"):
        await db.run("as read", lambda conn, statement=statement: conn.execute(statement))
    shown = (await browser.get(page)).text
    assert "it is answered with 404" in shown
    assert "by a calendar" in shown
    number = hidden(shown, "stop")
    await browser.log_in(ana)
    assert "calendars.example" not in (await browser.get(page)).text
    assert (await browser.post(path, {"stop": number})).status_code == 403
    await browser.log_in(bia)
    assert (await browser.post(path, {"stop": number})).status_code == 303
    assert "calendars.example" not in (await browser.get(page)).text


async def test_somebody_leaves_a_discipline_by_the_look_at_what_that_changes_with_a_reason_and_once(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    one, path = "U0DEMO0002", "/triage/people/U0DEMO0002/disciplines?team=1"
    form = {"discipline": "uiEng", "reason": "Goes to another team", "does": "leave", "do": "sure"}
    unseen = await browser.post(path, form)
    assert unseen.status_code == 409
    assert "somebody else’s then" in unseen.text
    assert 'value="Goes to another team"' in unseen.text
    looked = (await browser.post(path, form | {"do": "look"})).text
    assert "<s><bdi>Sipho Mthembu</bdi></s>" in looked
    sure = form | {"seen": hidden(looked, "seen")}
    assert (await browser.post(path, sure | {"day": str(datetime.now(UTC).date() + timedelta(30))})).status_code == 409
    silent = await browser.post(path, sure | {"reason": " "})
    assert (silent.status_code, "Say why" in silent.text, 'id="found"' in silent.text) == (400, True, True)
    past = await browser.post(path, form | {"day": "2020-01-01"})
    assert (past.status_code, "Nobody leaves in the past" in past.text) == (400, True)
    others = (await facts_of(db, business)).memberships
    await browser.post("/triage/teams/disciplines?team=1", {"name": "Product owner"})
    assert (await browser.post(path, sure)).status_code == 409, "the rota is another than was looked at"
    assert (await facts_of(db, business)).memberships == others
    looked = (await browser.post(path, form | {"do": "look"})).text
    await thrice(browser, path, form | {"seen": hidden(looked, "seen")})
    left = {member.person for member in (await facts_of(db, business)).memberships if member.until is not None}
    assert left == {one}
    record = "select after from audit_log where action = 'person.left'"
    rows = await db.run("record", lambda conn: all_of(conn, record))
    assert [row[0]["reason"] for row in rows] == ["Goes to another team"]


async def test_a_leaving_that_is_planned_is_put_off_or_taken_back_and_who_joins_again_is_looked_at_first(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await demo(db, business)
    page, path = "/triage/people/U0DEMO0002?team=1", "/triage/people/U0DEMO0002/disciplines?team=1"
    today = datetime.now(UTC).date()

    async def does(what: str, day: str) -> str:
        form = {"discipline": "uiEng", "reason": "Goes to another team", "does": what, "day": day, "do": "look"}
        looked = (await browser.post(path, form)).text
        await thrice(browser, path, form | {"do": "sure", "seen": hidden(looked, "seen")})
        return looked

    async def until() -> list[Any]:
        listed = (await facts_of(db, business)).memberships
        return [one.until and one.until.date() for one in listed if (one.person, one.discipline) == (
            "U0DEMO0002", "uiEng")]  # fmt: skip

    soon, later = today + timedelta(20), today + timedelta(60)
    await does("leave", str(soon))
    await does("leave", str(later))
    assert await until() == [later]
    shown = (await browser.get(page)).text
    assert ("Put it off" in shown, "Have them stay" in shown) == (True, True)
    looked = await does("join", "")
    assert "<b><bdi>Sipho Mthembu</bdi></b>" in looked, "they have again the turns that others would have had"
    assert await until() == [None]
    await does("leave", "")
    assert "begins on" in (await browser.get(page)).text
    past = await browser.post(path, {"discipline": "uiEng", "does": "join", "day": "2020-01-01", "do": "sure"})
    assert (past.status_code, "Nobody joins in the past" in past.text) == (400, True)
    again = {"name": "Sipho Mthembu", "slack_id": "U0DEMO0002", "discipline": "uiEng"}
    looked = (await browser.post("/triage/people?team=1", again)).text
    assert "<b><bdi>Sipho Mthembu</bdi></b>" in looked
    assert len(await until()) == 1, "who stands on the roster is not on duty before somebody has looked"
    await browser.post("/triage/people?team=1", again | {"seen": hidden(looked, "seen")})
    assert (await until())[-1] is None


@pytest.mark.parametrize("does", ["leave", "join"])
async def test_a_form_that_waited_for_its_twin_is_as_if_it_were_the_only_one(
    db: Database, business: Business, browser: Browser, bia: world.Someone, does: str
) -> None:
    await demo(db, business)
    path = "/triage/people/U0DEMO0002/disciplines?team=1"
    lena = Actor(business.id, "Lena", leads=True, why="Sent first")

    async def becomes_so(conn: Conn, what: str) -> None:
        now = datetime.now(UTC)
        if what == "leave":
            await members.leave(conn, lena, 1, "uiEng", "U0DEMO0002", now, now=now)
        else:
            await members.join(conn, lena, 1, "uiEng", Person("U0DEMO0002", "Sipho Mthembu"), now)

    if does == "join":
        await db.run("leave first", lambda conn: becomes_so(conn, "leave"))
    form = {"discipline": "uiEng", "reason": "Goes to another team", "does": does, "day": ""}
    seen = hidden((await browser.post(path, form | {"do": "look"})).text, "seen")

    async def first(conn: Conn) -> asyncio.Task[Any]:
        await doing.held_as_is(conn, lena, 1)
        asked = browser.post(path, form | {"do": "sure", "seen": seen})
        second = asyncio.create_task(asked, context=Context())
        async with asyncio.timeout(20):
            while not await all_of(conn, WAITS_FOR_US):
                assert not second.done()
        await becomes_so(conn, does)
        return second

    second = await db.run("first", first)
    assert (await second).status_code == 303
    listed = (await facts_of(db, business)).memberships
    theirs = [one for one in listed if (one.person, one.discipline) == ("U0DEMO0002", "uiEng")]
    assert (theirs[-1].until is None) == (does == "join")


async def all_of(conn: Conn, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement)).fetchall()


async def test_who_may_see_sees_all_of_it_and_changes_nothing(
    db: Database, business: Business, ana: world.Someone, browser: Browser
) -> None:
    await demo(db, business)
    await browser.log_in(ana)
    before = await facts_of(db, business)
    for path in (
        "/triage",
        "/triage?view=sprint",
        "/triage/rota",
        "/triage/rota/uiEng",
        "/triage/people",
        "/triage/teams",
    ):
        assert (await browser.get(path)).status_code == 200, path
    person = f"/triage/people/{rota.THANDI.slack_id}"
    assert "<select" not in (await browser.get(person)).text
    for path, form in (
        ("/triage/teams", NEW), ("/triage/teams/clock", {"zone": "UTC", "hand_over": "09:00"}),
        ("/triage/teams/disciplines", {"name": "New"}), ("/triage/teams/holidays", {"day": "2030-01-01"}),
        ("/triage/people", {"name": "Eve", "slack_id": "U0EVE"}), (f"{person}/name", {"name": "Eve"}),
        (f"{person}/disciplines", {"discipline": "uiEng"}), (f"{person}/account", {"account": str(ana.account_id)}),
        (f"{person}/absences", {"key": "k", "first_day": "2030-01-01"}), ("/triage/sprints/new", {"do": "apply"}),
        ("/triage/rota/uiEng/change", roster_form(before, do="apply")), ("/triage/sprints/4", {"do": "remove"}),
    ):  # fmt: skip
        assert (await browser.post(f"{path}?team=1", form)).status_code == 403, path
    assert await facts_of(db, business) == before


async def test_a_team_of_another_business_is_not_there(
    db: Database, business: Business, open_browser: Callable[..., Browser]
) -> None:
    await demo(db, business)
    caio = await db.run("add", world.caio)
    theirs = open_browser()
    await theirs.log_in(caio)
    assert (await theirs.get("/triage?team=1")).status_code == 404
    assert (await theirs.post("/triage/teams/disciplines?team=1", {"name": "Eve"})).status_code == 404
    assert "Fibre apps" not in (await theirs.get("/triage")).text


async def test_the_calendar_says_who_will_be_on_duty_in_two_teams_at_once(
    db: Database, business: Business, bia: world.Someone, browser: Browser
) -> None:
    await demo(db, business)
    assert "in the team" not in (await browser.get("/triage")).text
    lead = Actor(business.id, bia.name, leads=True)
    await db.run("data", lambda conn: in_another_team(conn, lead, rota.THANDI, datetime.now(UTC)))
    for team, other in ((1, "Data"), (2, rota.TEAM)):
        assert f"in the team {other} for" in (await browser.get(f"/triage?team={team}")).text


async def test_the_demos_rota_has_something_of_everything_and_is_made_once(db: Database, business: Business) -> None:
    now = datetime.now(UTC)
    assert (await demo(db, business), await demo(db, business)) == (1, None)
    facts = await facts_of(db, business)
    schedule = prepare(facts)
    for code in ("uiEng", "beEng"):
        assert who(schedule, code, now).person is not None
        assert gaps(schedule, code, now, now + timedelta(60)) == []
    assert facts.overrides
    assert facts.holidays
    assert any(one.shift.why is Why.SUBSTITUTE for one in clashes(schedule, "uiEng", now, now + timedelta(60)))

    async def waiting(conn: Conn) -> int:
        return len(await overrides.waiting(conn, business.id, 1))

    assert await db.run("waiting", waiting) == 1


@pytest.mark.parametrize("locale", ["en", "he"])
def test_a_week_is_drawn_without_a_hole_or_an_overlap_by_the_teams_clocks(locale: str) -> None:
    """The clocks go forward on 8 March in the team's zone: that day is as wide as any other."""
    business = Business(1, "Velo", made.ZONE, locale)
    clock = Clock(made.at("2026-03-10"), business, locale, words(locale))
    facts = made.facts(overrides=(made.override(made.CHEN, "2026-03-04", "2026-03-06"),))
    days = (datetime(2026, 3, 1).date(), datetime(2026, 3, 31).date())
    for week in triage_view.drawn(Canvas(prepare(facts), clock, *days)):
        bars = sorted(week.lanes[0].bars, key=lambda bar: bar.x)
        assert bars[0].x == pytest.approx(0, abs=0.01)
        for one, other in pairwise(bars):
            assert one.x + one.width == pytest.approx(other.x, abs=0.01)
        assert bars[-1].x + bars[-1].width == pytest.approx(100, abs=0.01)
        assert [day.is_today for day in week.days].count(True) == (week.now is not None)


def test_disciplines_get_the_codes_by_which_the_rota_has_always_known_them_and_no_code_twice() -> None:
    known: dict[str, str] = {}
    for name in (
        "UI engineering",
        "Back end",
        "Product owner",
        "QA",
        "Site reliability engineering on call",
        "ממשק",
        "תשתית",
    ):
        known[code_of(name, known)] = name
    assert list(known) == ["uiEng", "beEng", "po", "QA", "siteReliabilityEngin", "duty", "duty2"]
