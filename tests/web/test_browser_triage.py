"""The rota as people use it: a team is made, people are added, a roster is looked at before it is made."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.sealing import Seal
from tallybook.demo import rota
from tallybook.triage.service import calendars, members, people, rosters
from tallybook.triage.service.calendars import New
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.rosters import Plan
from tallybook.triage.types import Person
from tests import world
from tests.web.browser import PHONE, PICTURES, OpenTab

BELOW_THE_BAR = """
document.querySelector("#found").getBoundingClientRect().top
    >= document.querySelector(".top").getBoundingClientRect().bottom
"""


async def test_a_first_team_gets_people_sprints_and_a_roster_and_the_calendar_shows_who_is_on_duty(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    tab = await open_tab(bia)
    page = tab.page
    await tab.go("/triage")
    assert await tab.violations() == []
    await tab.keep("triage-first")
    await page.fill("[name=name]", "Web")
    await page.fill("[name=zone]", "Nowhere")
    await page.fill("[name=disciplines]", "UI engineering, Back end")
    tab.expected.append("400")
    await page.click("main .button.first")
    await expect(page.locator(".notice.wrong")).to_contain_text("“Nowhere” is not a time zone")
    await expect(page.locator("[name=name]")).to_have_value("Web")
    await page.fill("[name=zone]", "Africa/Johannesburg")
    await page.click("main .button.first")
    for number, name in enumerate(("Ana", "Ben")):
        await page.fill("[name=name]", name)
        await page.fill("[name=slack_id]", f"U0{number}")
        await page.check("[value=uiEng]", force=True)
        await page.click("main .button.first")
    await expect(page.locator("#people li")).to_have_count(2)
    today = datetime.now(UTC).date()
    for number, days in enumerate((-3, 11)):
        await tab.go("/triage/sprints/new")
        await page.fill("[name=name]", f"Sp{number + 1}")
        await page.fill("[name=first_day]", str(today + timedelta(days)))
        await page.fill("[name=last_day]", str(today + timedelta(days + 14)))
        await page.keyboard.press("Enter")
        await page.click("[value=apply]")
    await page.locator(".rosters .button").first.click()
    await page.get_by_role("button", name="Ben earlier").click()
    await page.get_by_role("button", name="Look at what changes").last.click()
    await expect(page.locator(".changes li")).to_have_count(2)
    assert await tab.violations() == []
    await tab.keep("triage-preview", whole=True)
    await page.fill("[name=reason]", "The first one")
    await page.click("[value=apply]")
    await expect(page.locator(".order .now")).to_have_text("Ben")
    await tab.go("/triage")
    await expect(page.locator(".duty b").first).to_have_text("Ben")


async def followed(conn: Conn, lead: Actor) -> None:
    """Somebody who will leave a discipline, and whose calendar cannot be read."""
    now = datetime.now(UTC)
    await members.leave(conn, lead, 1, "uiEng", "U0DEMO0002", now + timedelta(70), now=now)
    new = New("U0DEMO0002", "https://calendars.example/secret.ics", away=True)
    await calendars.add(conn, lead, Seal([b"k" * 32]), new, now)
    await conn.execute("update triage_calendars set failed = 'answers 404', failing_since = now(), read_at = now()")


async def test_what_happens_in_a_rota_is_drawn_and_shown_at_once_also_on_a_phone_from_the_right(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    root = await db.run("add", lambda conn: world.root(conn, business))
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    paths = {
        "month": "/triage", "sprint": "/triage?view=sprint", "rota": "/triage/rota", "people": "/triage/people",
        "teams": "/triage/teams", "person": "/triage/people/U0DEMO0002", "versions": "/triage/rota/uiEng",
        "change": "/triage/rota/beEng/change", "sprint-form": "/triage/sprints/4",
    }  # fmt: skip
    lead, long = Actor(business.id, "Demo", leads=True), Person("U0DEMO0002", "Adiaëtopoulosmthembu" * 5)
    await db.run("rename", lambda conn: people.put_people(conn, lead, [long]))
    await db.run("follow", lambda conn: followed(conn, lead))
    look = {"viewport": PHONE, "locale": "he-IL", "color_scheme": "dark"}
    for size, options in (("", {}), ("phone-", look)) if PICTURES else ():
        tab = await open_tab(root, **options)
        for name, path in paths.items():
            await tab.go(path)
            await tab.keep(f"triage-{size}{name}", whole=True)
    tab = await open_tab(root, **look)
    for path in (paths["change"], paths["person"], paths["month"]):
        await tab.go(path)
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert await tab.violations() == [], path
    await tab.go(paths["person"])
    leaving = tab.page.locator("section[aria-labelledby=disciplines-name] details.change").first
    await leaving.locator("summary").click()
    await leaving.locator("[value=look]").click()
    await expect(tab.page.locator("#found h3")).to_be_in_viewport(ratio=1)
    assert await tab.page.evaluate(BELOW_THE_BAR), "what was looked at begins below the bar"
    await tab.go(paths["month"])
    await tab.page.locator(".lane a .shift").last.click()
    await expect(tab.page).to_have_url(re.compile("/triage/overrides/new"))
    now = datetime.now(UTC)
    await tab.go(f"/triage?month={now + timedelta(60):%Y-%m}")
    await expect(tab.page.locator("#live")).to_have_attribute("data-state", "live")
    plan = Plan("uiEng", (rota.THANDI.slack_id,), now)
    await db.run("change", lambda conn: rosters.apply(conn, lead, 1, plan, now, reason="Only one is left"))
    drawn = tab.page.locator(".week .lane:nth-of-type(1) .shift.slot")
    await expect(drawn.filter(has_not_text=rota.THANDI.name)).to_have_count(0)
