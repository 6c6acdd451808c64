"""Two environments side by side: what their registers hold, drop by drop where few differ."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from tallybook.core import environment, environment_comparing
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, open_database
from tallybook.core.environment_comparing import Line, Report
from tallybook.core.errors import WrongSetup
from tests import world
from tests.monitor import desk as monitor
from tests.monitor.desk import LAWLEY, MARKETING, at, said

NOW = at("2025-12-10 12:00")


async def post(url: str, name: str, business: Business, *drops: str) -> None:
    async def work(conn: Conn) -> None:
        at_desk = await monitor.open_for(conn, business)
        posts = [said(LAWLEY, drop, "2025-12-08 08:00") for drop in drops]
        await monitor.file(conn, business, [*posts, said(MARKETING, "DR1752300", "2025-11-01 08:00")], at_desk)

    async with open_database(url, name, size=1) as database:
        await database.run("post", work)


@pytest.fixture
async def both(fresh_db: Database, business: Business, fresh_owner_url: str) -> str:
    """Production has two drops that dev has not, and dev one of its own."""
    await environment.create(fresh_owner_url, "dev", {})
    await post(fresh_owner_url, "prod", business, "DR1752104", "DR1752105", "DR1752106", "DR1752104")
    await post(fresh_owner_url, "dev", business, "DR1752104", "DR1752199")
    return fresh_owner_url


async def compared(url: str, business: Business, days: int = 7) -> Report:
    return (await environment_comparing.compare(url, "dev", days, NOW))[business.id]


def line(report: Report, register: str, project: str) -> Line:
    return next(one for one in report.lines if (one.register, one.project) == (register, project))


async def test_each_register_and_project_stands_side_by_side(both: str, business: Business) -> None:
    report = await compared(both, business)
    found = line(report, "qa_photo_reviews", "Lawley")
    assert found.here is not None
    assert found.there is not None
    assert (found.here.rows, found.here.drops, found.here.recent, found.here.latest) == (
        3,
        3,
        3,
        at("2025-12-08 08:00"),
    )
    assert (found.there.rows, found.there.drops, found.there.recent) == (2, 2, 2)
    assert line(report, "messages", "Lawley").here is not None
    assert report.drift == []


async def test_differences_are_named_drop_by_drop_where_they_are_few(
    both: str, business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = line(await compared(both, business), "qa_photo_reviews", "Lawley")
    assert (found.missing, found.extra) == (["DR1752105", "DR1752106"], ["DR1752199"])
    monkeypatch.setattr(environment_comparing, "FEW", 1)
    found = line(await compared(both, business), "qa_photo_reviews", "Lawley")
    assert (found.missing, found.missing_count, found.extra) == ([], 2, ["DR1752199"])


async def test_only_the_days_asked_for_are_compared_and_all_of_them_counted(both: str, business: Business) -> None:
    marketing = line(await compared(both, business), "marketing_activations", "Marketing Activations")
    assert marketing.here is not None
    assert (marketing.here.drops, marketing.here.recent) == (1, 0)
    assert not marketing.differs


async def test_each_business_has_a_report_of_its_own(both: str, business: Business, fresh_db: Database) -> None:
    other = await fresh_db.run("add", world.kinneret_tours)
    reports = await environment_comparing.compare(both, "dev", 7, NOW)
    assert reports[other.id].lines == []
    assert reports[business.id].lines != []
    await environment_comparing.keep(both, reports)
    (kept,) = await fresh_db.run("kept", lambda conn: environment_comparing.kept(conn, other.id))
    assert kept.lines == []


async def test_the_last_report_is_kept_where_production_s_role_finds_it(
    both: str, business: Business, fresh_db: Database
) -> None:
    report = await compared(both, business)
    await environment_comparing.keep(both, {business.id: report})
    older = Report("dev", NOW - timedelta(days=1), 7, ["old"], [])
    await environment_comparing.keep(both, {business.id: older})
    assert await fresh_db.run("kept", lambda conn: environment_comparing.kept(conn, business.id)) == [report]


async def test_a_schema_without_a_register_is_told_by_its_drift(both: str, business: Business) -> None:
    with psycopg.connect(both) as owner:
        owner.execute("drop table dev.marketing_activations")
    report = await compared(both, business)
    assert "The table marketing_activations is missing in dev." in report.drift
    assert line(report, "qa_photo_reviews", "Lawley").there is None


@pytest.mark.parametrize(("name", "sentence"), [("prod", "Production is what"), ("staging", "There is no environment")])
async def test_there_must_be_something_to_compare(both: str, name: str, sentence: str) -> None:
    with pytest.raises(WrongSetup, match=sentence):
        await environment_comparing.compare(both, name, 7, NOW)
