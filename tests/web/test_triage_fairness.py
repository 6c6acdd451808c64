"""Who carried how much, drawn from the same shifts; and the record of who changed what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from tallybook.core.audit import Entry
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.demo import rota
from tallybook.triage.rules import prepare
from tallybook.triage.rules_load import Load, ledger
from tallybook.triage.service import rosters
from tallybook.triage.service.doing import Actor
from tallybook.triage.service.rosters import Plan
from tallybook.triage.store import record
from tallybook.web import triage_audit, triage_fairness
from tallybook.web import triage_fairness_drawing as drawing
from tests import world
from tests.triage.facts import ANA, BEN, CHEN, at, facts, override
from tests.web.conftest import Browser
from tests.web.test_triage_pages import hidden


@pytest.fixture
async def bia(db: Database, business: Business, browser: Browser) -> world.Someone:
    bia = await db.run("add", lambda conn: world.bia(conn, business))
    await browser.log_in(bia)
    return bia


def test_all_bars_are_of_one_scale_on_which_the_fair_share_is_where_all_would_end() -> None:
    bars = drawing.bars([Load(ANA, days=40, covered=10), Load(BEN, days=20), Load(CHEN)])
    assert [(one.own, one.covered, one.share) for one in bars] == [(60, 20, 40), (40, 0, 40), (0, 0, 40)]
    assert drawing.bars([]) == []
    assert [one.share for one in drawing.bars([Load(ANA)])] == [0]


def test_the_days_of_the_months_are_together_those_of_the_ledger() -> None:
    span = at("2026-01-05T16:00"), at("2026-03-30T15:00")
    schedule = prepare(facts(overrides=(override(CHEN, "2026-01-20T16:00", "2026-01-25T16:00", instead_of=BEN),)))
    months = drawing.by_month(schedule, ["uiEng"], span)
    assert {person: sum(days) for person, days in months.items()} == {
        one.person: one.days for one in ledger(schedule, *span) if one.days
    }
    assert {len(days) for days in months.values()} == {3}


async def test_the_page_says_what_the_ledger_says_and_nothing_where_there_is_nothing(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    for period in triage_fairness.PERIODS:
        shown = (await browser.get(f"/triage/fairness?period={period}&discipline=uiEng")).text
        assert rota.THANDI.name in shown
        assert rota.PEOPLE[4].name not in shown, "who is in another discipline only"
    assert (await browser.get("/triage/fairness?period=1")).status_code == 400
    assert (await browser.get("/triage/fairness?discipline=none")).status_code == 400


async def test_the_record_names_who_did_what_and_what_was_otherwise_before(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    lead, now = Actor(business.id, "Lena", leads=True), datetime.now(UTC)
    plan = Plan("uiEng", (rota.THANDI.slack_id,), now)
    await db.run("change", lambda conn: rosters.apply(conn, lead, 1, plan, now, reason="One <left>"))
    shown = (await browser.get("/triage/audit?kind=roster")).text
    assert "Lena" in shown
    assert "changed a roster" in shown
    assert "One &lt;left&gt;" in shown
    assert f"<bdi>{rota.THANDI.name}</bdi>" in shown, "people stand there by their names"
    assert "planned a sprint" not in shown
    assert "planned a sprint" in (await browser.get("/triage/audit?kind=sprint")).text
    assert (await browser.get("/triage/audit?kind=password")).status_code == 400


async def test_a_long_record_goes_on_older_pages(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    first = await db.run("read", lambda conn: record.recent(conn, business.id, limit=5))
    rest = await db.run("read", lambda conn: record.recent(conn, business.id, below=first[-1].id, limit=500))
    whole = await db.run("read", lambda conn: record.recent(conn, business.id, limit=500))
    assert [one.id for one in [*first, *rest]] == [one.id for one in whole]
    assert {one.subject for one in whole} <= set(record.SUBJECTS)
    assert {one.action for one in whole} <= set(triage_audit.ACTIONS)
    fields = {field.name for one in whole for field in triage_audit.differing(one, {})}
    assert {one for one in fields if not one[0].isdigit()} <= set(triage_audit.FIELDS), "days stand for themselves"
    older = unescape((await browser.get(f"/triage/audit?below={first[-1].id}")).text)
    assert "The newest" in older


async def test_a_change_stands_in_the_record_with_its_reason_and_what_was_before_in_the_reader_s_words(
    db: Database, business: Business, browser: Browser, bia: world.Someone
) -> None:
    await db.run("rota", lambda conn: rota.make(conn, business, datetime.now(UTC)))
    person = f"/triage/people/{rota.THANDI.slack_id}"
    day = (datetime.now(UTC) + timedelta(days=40)).date()
    joins = {"discipline": "beEng", "does": "join", "reason": "She may"}
    looked = (await browser.post(f"{person}/disciplines?team=1", joins | {"do": "look"})).text
    for path, form in (
        (f"{person}/disciplines", joins | {"do": "sure", "seen": hidden(looked, "seen")}),
        (f"{person}/name", {"name": "Thandi M", "reason": "Married"}),
        ("/triage/teams/holidays", {"day": f"{day}", "name": "One", "reason": "The law"}),
        ("/triage/teams/holidays", {"day": f"{day}", "name": "Two", "reason": "The law again"}),
        ("/triage/teams/clock", {"zone": "UTC", "hand_over": "09:00", "reason": "We moved"}),
        ("/triage/teams/telling", {"heads_up": "16:00", "late_after": "5", "reason": "Too late"}),
        (f"{person}/absences", {"key": "k", "first_day": f"{day}", "kind": "leave", "reason": "A wedding"}),
    ):  # fmt: skip
        assert (await browser.post(f"{path}?team=1", form)).status_code == 303, path
    found = await db.run("read", lambda conn: record.recent(conn, business.id, limit=7))
    told = {(one.after or {})["reason"]: one for one in found}
    assert (told["Married"].before, told["The law"].before) == ({"name": rota.THANDI.name}, None)
    assert (told["The law again"].before or {}) == {f"{day}": "One"}
    assert (told["We moved"].before or {})["zone"] == "Africa/Johannesburg"
    assert (told["Too late"].before or {})["heads_up"] == "17:00:00"
    assert {"She may", "A wedding"} <= told.keys()
    shown = unescape((await browser.get("/triage/audit")).text)
    assert "Time of the heads-up" in shown
    assert ">heads_up<" not in shown


def test_only_what_differs_is_shown_and_a_long_value_is_cut() -> None:
    entry = Entry(
        1, datetime.now(UTC) - timedelta(days=1), "Lena", "roster.changed", "roster", "uiEng",
        {"people": [ANA, BEN], "zone": "UTC", "weeks": 1}, {"people": [BEN], "zone": "UTC", "reason": "x" * 400},
    )  # fmt: skip
    found = {one.name: (one.was, one.becomes) for one in triage_audit.differing(entry, {ANA: "Ana", BEN: "Ben"})}
    assert found == {"people": ("Ana, Ben", "Ben"), "reason": ("", "x" * 299 + "…"), "weeks": ("1", "")}
