"""The pages of overrides: asking for cover, deciding on it, and who may do what."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tallybook.core import people as accounts
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.demo import rota
from tallybook.triage.rules import prepare, who
from tallybook.triage.rules_overrides import Asked, State
from tallybook.triage.service import sprints
from tallybook.triage.service.actors import link
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.store import asked as store
from tallybook.triage.types import Facts
from tests import world
from tests.web.conftest import Browser

PATH = "/triage/overrides"


@pytest.fixture
async def bia(db: Database, business: Business, browser: Browser) -> world.Someone:
    """A lead, logged in, before the demo's rota."""
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    await browser.log_in(bia)
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    return bia


async def listed(db: Database, business: Business) -> list[Asked]:
    rows = await db.run("list", lambda conn: store.still_open(conn, business.id, 1, datetime.now(UTC)))
    return [one.asked for one in rows]


async def facts_of(db: Database, business: Business) -> Facts:
    return await db.run("facts", lambda conn: seen(conn, Actor(business.id, "Lena"), 1))


def forms(html: str) -> dict[str, str]:
    """What a form holds before anybody touches it."""
    found = dict(re.findall(r'name="(turn|key|since|until)"[^>]*? value="([^"]*)"', html))
    return {name: unescape(value) for name, value in found.items()}


async def last_turn(browser: Browser) -> str:
    """The form of the turn that is farthest ahead, of which nobody has asked anything."""
    shown = (await browser.get(f"{PATH}/new?all=1")).text
    links = [unescape(one) for one in re.findall(r'href="([^"]*turn=[^"]*)"', shown)]
    ui = [one for one in links if parse_qs(urlsplit(one).query)["turn"][0].startswith("uiEng")]
    return (await browser.get(ui[-1])).text


async def test_cover_is_asked_for_once_and_decided_once_by_whoever_leads(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    before = await listed(db, business)
    form = await last_turn(browser)
    assert "of duty in half a year" in form
    substitute = re.findall(r'name="substitute" value="(\w+)"', form)[0]
    sent = forms(form) | {"substitute": substitute, "reason": "A wedding <3"}
    for _ in range(2):
        assert (await browser.post(f"{PATH}/new?team=1", sent)).status_code == 303
    (new,) = [one for one in await listed(db, business) if one.id not in {old.id for old in before}]
    assert (new.person, new.reason, new.whole, new.state) == (substitute, "A wedding <3", True, State.PENDING)
    shown = (await browser.get(PATH)).text
    assert "A wedding &lt;3" in shown
    assert "Asked for by Bia" in shown
    answers = await asyncio.gather(*(browser.post(f"{PATH}/{new.id}", {"do": "approve"}) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [303, 409, 409, 409]
    refused = next(one.text for one in answers if one.status_code == 409)
    assert f"{bia.name} has approved this already." in refused
    schedule = prepare(await facts_of(db, business))
    assert who(schedule, "uiEng", new.starts_at).person == substitute
    await browser.post(f"{PATH}/{new.id}", {"do": "withdraw", "note": "They are back"})
    assert who(prepare(await facts_of(db, business)), "uiEng", new.starts_at).person != substitute
    assert "They are back" in (await browser.get(PATH)).text


async def test_a_part_of_a_turn_is_asked_for_by_the_team_s_clock_and_holds_at_once_where_a_lead_says_so(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    form = await last_turn(browser)
    sent = forms(form) | {"substitute": re.findall(r'name="substitute" value="(\w+)"', form)[0], "at_once": "on"}
    begins = datetime.fromisoformat(sent["since"])
    sent |= {
        "since": f"{begins + timedelta(days=1):%Y-%m-%dT12:00}",
        "until": f"{begins + timedelta(days=2):%Y-%m-%dT12:00}",
    }
    await browser.post(f"{PATH}/new?team=1", sent)
    new = max(await listed(db, business), key=lambda one: one.id)
    assert (new.state, new.whole) == (State.APPROVED, False)
    zone = (await facts_of(db, business)).team.tz
    assert f"{new.starts_at.astimezone(zone):%H:%M}" == "12:00"


async def test_who_leads_sets_a_turn_to_nobody_and_the_calendar_says_so_with_the_reason(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    form = await last_turn(browser)
    sent = forms(form) | {"substitute": "nobody"}
    assert "Say why" in (await browser.post(f"{PATH}/new?team=1", sent)).text
    for _ in range(2):
        await browser.post(f"{PATH}/new?team=1", sent | {"reason": "Nothing is live"})
    new = max(await listed(db, business), key=lambda one: one.id)
    assert (new.state, new.person, new.reason) == (State.APPROVED, None, "Nothing is live")
    shown = (await browser.get(PATH)).text
    assert "Nothing is live" in shown
    zone = (await facts_of(db, business)).team.tz
    calendar = (await browser.get(f"/triage?team=1&month={new.starts_at.astimezone(zone):%Y-%m}")).text
    assert f"/triage/overrides/{new.id}" in calendar
    assert "It was set so: Nothing is live" in calendar
    await browser.post(f"{PATH}/{new.id}", {"do": "withdraw"})
    assert who(prepare(await facts_of(db, business)), "uiEng", new.starts_at).person == new.instead_of


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"substitute": ""}, "Say who should be on duty instead."),
        ({"since": "1999-01-01T08:00"}, "What is asked for must be a part of the turn."),
        ({"until": "soon"}, "Write when it begins and when it ends."),
        ({"key": ""}, "This page is not one of ours."),
        ({"substitute": "U0DEMO0005"}, "This person does not belong to the discipline"),
    ],
)
async def test_what_cannot_be_asked_for_is_told_above_what_was_typed(
    db: Database, business: Business, browser: Browser, bia: world.Someone, wrong: dict[str, str], why: str
) -> None:
    form = await last_turn(browser)
    substitute = re.findall(r'name="substitute" value="(\w+)"', form)[0]
    answer = await browser.post(
        f"{PATH}/new?team=1", forms(form) | {"substitute": substitute, "reason": "Kept"} | wrong
    )
    assert answer.status_code == 400
    assert why in unescape(answer.text)
    assert 'value="Kept"' in answer.text


async def test_two_exchange_their_turns_and_both_are_decided_together(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    form = await last_turn(browser)
    fit = re.findall(r'name="substitute" value="(\w+)"', form)
    offered = re.findall(r'<option value="(uiEng[^"]*)"', form)
    turns = [(one, one.rsplit("|", 1)[1]) for one in offered if one.rsplit("|", 1)[1] in fit]
    (first, holder), (theirs, person) = turns[0], turns[-1]
    refused = await browser.post(f"{PATH}/new?team=1", forms(form) | {"exchange": first, "substitute": holder})
    assert refused.status_code == 409
    assert "has asked for this time already, and it waits for a decision." in unescape(refused.text)
    sent = forms(form) | {"exchange": theirs}
    wrong = await browser.post(f"{PATH}/new?team=1", sent | {"substitute": "U0DEMO0005"})
    assert "must be one of whoever stands in" in wrong.text
    assert (await browser.post(f"{PATH}/new?team=1", sent | {"substitute": person})).status_code == 303
    pair = [one for one in await listed(db, business) if one.swap is not None and one.state is State.PENDING]
    assert len(pair) == 2
    await browser.post(f"{PATH}/{pair[1].id}", {"do": "approve"})
    assert {one.state for one in await listed(db, business) if one.swap == pair[0].swap} == {State.APPROVED}


async def test_who_does_not_lead_sees_everything_and_decides_nothing(
    db: Database, business: Business, open_browser: Callable[..., Browser], bia: world.Someone
) -> None:
    viewer = open_browser()
    await viewer.log_in(await db.run("add", lambda conn: world.ana(conn, business)))
    waiting = next(one for one in await listed(db, business) if one.state is State.PENDING)
    shown = (await viewer.get(PATH)).text
    assert "Waiting for a decision" in shown
    assert 'value="approve"' not in shown
    assert (await viewer.get(f"{PATH}/{waiting.id}")).status_code == 200
    for what in ("approve", "decline", "withdraw"):
        assert (await viewer.post(f"{PATH}/{waiting.id}", {"do": what})).status_code == 403
    assert [one.state for one in await listed(db, business) if one.id == waiting.id] == [State.PENDING]


async def test_who_is_nobody_of_the_rota_is_told_how_to_be_somebody_in_place_of_the_form(
    db: Database, business: Business, browser: Browser, open_browser: Callable[..., Browser], bia: world.Someone
) -> None:
    filled = forms(await last_turn(browser)) | {"substitute": "U0DEMO0005"}
    viewer = open_browser()
    await viewer.log_in(await db.run("add", lambda conn: world.ana(conn, business)))
    assert f"{PATH}/new" not in (await viewer.get(PATH)).text
    for answer in (
        await viewer.get(f"{PATH}/new"),
        await viewer.get(f"{PATH}/new?{urlencode({'turn': filled['turn']})}"),
        await viewer.post(f"{PATH}/new?team=1", filled),
    ):
        assert "Your account is nobody’s of the rota" in unescape(answer.text)
        assert 'name="turn"' not in answer.text


async def test_who_does_not_lead_offers_themselves_for_another_s_turn_and_keeps_what_was_typed(
    db: Database, business: Business, open_browser: Callable[..., Browser], bia: world.Someone
) -> None:
    ana, viewer, own = await db.run("add", lambda conn: world.ana(conn, business)), open_browser(), "U0DEMO0002"
    await viewer.log_in(ana)
    await db.run("link", lambda conn: link(conn, accounts.command_line(business.id), own, ana.account_id))
    links = re.findall(r'href="([^"]*turn=[^"]*)"', (await viewer.get(f"{PATH}/new?all=1")).text)
    by_turn = {parse_qs(urlsplit(unescape(one)).query)["turn"][0]: unescape(one) for one in links}
    assert {one.split("|")[0] for one in by_turn} == {"uiEng"}, "their own discipline's, which they could take"
    mine = [one for one in by_turn if one.endswith(own)][-1]
    form = (await viewer.get(by_turn[mine])).text
    helpers = re.findall(r'name="substitute" value="(\w+)"', form)
    assert helpers
    assert own not in helpers
    theirs = [one for one in by_turn if not one.endswith(own)][-1]
    form = (await viewer.get(by_turn[theirs])).text
    assert "at_once" not in form
    assert re.findall(r'name="substitute" value="(\w+)" required checked', form) == [own]
    assert {unescape(one).split("|")[-1] for one in re.findall(r'<option value="([^"]+)"', form)} == {own}
    other = next(one for one in ("U0DEMO0001", "U0DEMO0003") if not theirs.endswith(one))
    refused = await viewer.post(f"{PATH}/new?team=1", forms(form) | {"substitute": other, "reason": "Kept"})
    assert refused.status_code == 403
    assert "Only whose turn it is, or who offers to take it" in unescape(refused.text)
    assert 'value="Kept"' in refused.text
    assert (await viewer.post(f"{PATH}/new?team=1", forms(form) | {"substitute": own})).status_code == 303


async def test_what_the_product_says_itself_is_said_in_the_reader_s_language(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    form, he = await last_turn(browser), {"accept-language": "he"}
    substitute = re.findall(r'name="substitute" value="(\w+)"', form)[0]
    await browser.post(f"{PATH}/new?team=1", forms(form) | {"substitute": substitute})
    asked, lead = max(await listed(db, business), key=lambda one: one.id), Actor(business.id, "Lena", leads=True)
    sprint = next(one for one in (await facts_of(db, business)).sprints if one.number == asked.sprint_number)
    now = datetime.now(UTC)
    await db.run("remove", lambda conn: sprints.remove(conn, lead, 1, sprint.id, now, reason="Not needed"))
    assert "The sprint was taken away." in (await browser.get(PATH)).text
    assert "הספרינט הוסר." in (await browser.client.get(PATH, headers=browser.headers | he)).text


async def test_there_is_nothing_of_another_team_or_of_no_number(browser: Browser, bia: world.Someone) -> None:
    for number in ("0", "999999", "9" * 40, "x"):
        assert (await browser.get(f"{PATH}/{number}")).status_code == 404
        assert (await browser.post(f"{PATH}/{number}", {"do": "approve"})).status_code == 404
    assert (await browser.post(f"{PATH}/1", {"do": "burn"})).status_code == 400
    assert (await browser.get(f"{PATH}/new?turn=none")).status_code == 400
    assert (await browser.get(f"{PATH}?below={'9' * 40}")).status_code == 200
