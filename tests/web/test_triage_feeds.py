"""Links to calendars: made and taken back on a page, read without a session, told apart by ETag, and never logged."""

from __future__ import annotations

import io
import re
import struct
from datetime import UTC, datetime
from typing import Any

import icalendar
import pytest
import structlog
from PIL import Image

from tallybook.core import people as accounts
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.triage.service import actors, members, people, rosters
from tallybook.triage.service.doing import Actor
from tallybook.triage.types import EVERY_DAY, Discipline, Kind, Person, Rotation, Team
from tests import world
from tests.web.browser import PHONE, OpenTab
from tests.web.conftest import Browser

PATH = "/triage/feeds"
NAMES = {"U0ANA": "אנה כהן", "U0BEN": "Ben, Jr."}
LINK = re.compile(r"/triage/feeds/[\w.-]+\.ics")


async def rota(db: Database, business: Business) -> int:
    """Ana and Ben take days in turn, for a week already."""
    lead, begun = Actor(business.id, "Lena", leads=True), datetime.now(UTC)

    async def make(conn: Conn) -> int:
        team = await people.add_team(conn, lead, Team(0, "Web", "Africa/Johannesburg"))
        await people.put_discipline(conn, lead, team, Discipline("uiEng", "UI engineering"))
        for slack_id, name in NAMES.items():
            await members.join(conn, lead, team, "uiEng", Person(slack_id, name), begun)
        daily = Rotation(Kind.DAILY, "Africa/Johannesburg", days=EVERY_DAY)
        plan = rosters.Plan("uiEng", tuple(NAMES), begun, daily, in_order=True)
        await rosters.apply(conn, lead, team, plan, begun, reason="the first one")
        return team

    return await db.run("rota", make)


async def made(browser: Browser, what: str) -> str:
    answer = await browser.post(PATH, {"what": what})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return LINK.findall(answer.text)[0]


async def test_a_link_is_made_read_without_a_session_and_taken_back(
    browser: Browser, open_browser: Any, db: Database, business: Business, ana: world.Someone
) -> None:
    await rota(db, business)
    await browser.log_in(ana)
    assert "There are none yet." in (await browser.get(PATH)).text
    link = await made(browser, "team")
    assert link not in (await browser.get(PATH)).text
    again = [LINK.findall((await browser.post(PATH, {"what": "team", "key": "k1"})).text)[0] for _ in range(2)]
    assert len({link, *again}) == 2
    assert (await browser.post(f"{PATH}/revoke", {"link": "2"})).status_code == 303
    stranger = open_browser()
    answer = await stranger.get(link)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    events = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    assert len(events) > 300
    assert {str(one["summary"]) for one in events} == {f"UI engineering: {name}" for name in NAMES.values()}
    etag = answer.headers["etag"]
    for known in (etag, f'"other", W/{etag}'):
        again = await stranger.get(link, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await stranger.client.head(link)).headers["etag"] == etag
    page = (await browser.get(PATH)).text
    assert "last read" in page
    assert (await browser.post(f"{PATH}/revoke", {"link": "1"})).status_code == 303
    gone = await stranger.get(link, headers={"if-none-match": etag, "accept": "*/*"})
    assert gone.status_code == 404
    assert link not in gone.text


async def test_a_discipline_s_and_a_person_s_own_and_a_picture_of_each(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await rota(db, business)
    system = accounts.command_line(business.id)
    await db.run("link", lambda conn: actors.link(conn, system, "U0ANA", ana.account_id))
    await browser.log_in(ana)
    mine = await made(browser, "person U0ANA")
    assert {str(one["summary"]) for one in await events(browser, mine)} == {"UI engineering"}
    whole = await made(browser, "discipline uiEng")
    assert len(await events(browser, whole)) > len(await events(browser, mine))
    assert (await browser.post(PATH, {"what": "person U0BEN"})).status_code == 403
    answer = await browser.get(mine.replace(".ics", ".png"))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    with Image.open(io.BytesIO(answer.content)) as drawn:
        assert drawn.width > 1_000
    assert struct.unpack(">I", answer.content[16:20])[0] == 1_728
    headers = {"if-none-match": answer.headers["etag"]}
    assert (await browser.get(mine.replace(".ics", ".png"), headers=headers)).status_code == 304


async def events(browser: Browser, link: str) -> list[icalendar.Event]:
    return list(icalendar.Calendar.from_ical((await browser.get(link)).content).walk("VEVENT"))


@pytest.mark.parametrize("file", ["1.ics", "x.png", f"1.{'x' * 43}.ics", f"1.{'x' * 43}.png", f"1.{'x' * 43}.txt", "x"])
async def test_a_wrong_link_leads_to_nothing(browser: Browser, file: str) -> None:
    answer = await browser.get(f"{PATH}/{file}")
    assert answer.status_code == 404


async def test_a_link_of_who_may_not_log_in_any_more_says_nothing(
    browser: Browser, db: Database, business: Business, ana: world.Someone, root: world.Someone
) -> None:
    await rota(db, business)
    await browser.log_in(ana)
    link = await made(browser, "team")
    assert (await browser.get(link)).status_code == 200
    await db.run("end", lambda conn: accounts.set_active(conn, root.caller, ana.account_id, active=False))
    assert (await browser.get(link)).status_code == 404


async def test_no_log_line_holds_a_link_s_secret(
    browser: Browser, db: Database, business: Business, ana: world.Someone
) -> None:
    await rota(db, business)
    await browser.log_in(ana)
    with structlog.testing.capture_logs() as lines:
        link = await made(browser, "team")
        for ending in ("ics", "png", "txt"):
            await browser.get(link.replace("ics", ending))
        await browser.get(link + "/more")
    secret = link.split(".")[-2]
    assert len(secret) == 43
    assert lines
    assert secret not in str(lines)


async def test_the_page_is_used_by_keyboard_in_both_languages_at_every_width(
    open_tab: OpenTab, db: Database, business: Business
) -> None:
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    await rota(db, business)
    tab = await open_tab(bia, viewport=PHONE, locale="he-IL", color_scheme="dark")
    await tab.go(PATH)
    await tab.page.focus("[name=what]")
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_selector("input[readonly]")
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await tab.violations() == []
    await tab.keep("triage-feeds", whole=True)
