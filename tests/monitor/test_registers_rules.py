"""A post is looked for where it is kept, and only if it was seen while the rules that read it now were in force."""

from __future__ import annotations

import msgspec
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.messages import Incoming
from tallybook.monitor.rules import compile_pattern
from tallybook.monitor.service import refiling, registers
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.store import registers as store
from tallybook.monitor.types import Kind, Project
from tests.monitor.desk import LAWLEY, MARKETING, VELO_TEST, file, open_for, project, said

ANA = Person("Ana Mokoena")
ETWATWA = project("Etwatwa", validated=True, space="fibre")
SECOND = project("Marketing North", kind=Kind.MARKETING)
PROJECTS = (LAWLEY, VELO_TEST, MARKETING, SECOND, ETWATWA)


async def post(db: Database, business: Business, *messages: Incoming) -> None:
    async def work(conn: Conn) -> None:
        await file(conn, business, messages, await open_for(conn, business, *PROJECTS))

    await db.run("post", work)


async def by_hand(db: Database, statement: str) -> None:
    async def work(conn: Conn) -> None:
        await conn.execute(statement.encode())

    await db.run("by hand", work)


async def missing(db: Database, business: Business, run: str = "a run") -> list[tuple[str, str]]:
    await registers.check(db, business, run, whole=True)
    found = await db.run("gaps", lambda conn: store.open_gaps(conn, business.id))
    return sorted({(gap.register, gap.drop_number) for gap, _ in found})


async def change(db: Database, business: Business, before: Project, **changes: object) -> None:
    after = msgspec.structs.replace(before, **changes)
    now = [after if one is before else one for one in PROJECTS]
    await db.run("change the file", lambda conn: project_store.mirror(conn, business.id, now))


async def test_a_review_that_is_gone_is_missed_though_the_drop_stands_in_another_space(
    db: Database, business: Business
) -> None:
    await post(db, business, said(LAWLEY, "DR1752104"), said(VELO_TEST, "DR1752104"))
    await by_hand(db, "delete from qa_photo_reviews where space = 'fibre'")
    assert await missing(db, business, "one") == [("qa_photo_reviews", "DR1752104")]
    await by_hand(db, "update qa_photo_reviews set comment = 'looked at'")
    await db.run("again", lambda conn: refiling.file_again(conn, business, "DR1752104", ANA))
    assert await missing(db, business, "two") == []
    async with db.transaction() as conn:
        found = await (
            await conn.execute(b"select space, resubmitted, comment = 'looked at' from qa_photo_reviews order by space")
        ).fetchall()
    assert found == [("Velo Test", False, True), ("fibre", False, False)]


async def test_a_review_and_its_posts_that_are_gone_are_missed_though_the_drop_stands_in_another_space(
    db: Database, business: Business
) -> None:
    await post(db, business, said(LAWLEY, "DR1752104"), said(VELO_TEST, "DR1752104"))
    await by_hand(db, "delete from qa_photo_reviews where space = 'fibre'")
    await by_hand(db, "delete from qa_submissions where space = 'fibre'")
    assert await missing(db, business) == [("qa_photo_reviews", "DR1752104")]


async def test_an_activation_that_is_gone_is_missed_though_another_marketing_project_has_the_drop(
    db: Database, business: Business
) -> None:
    await post(db, business, said(MARKETING, "DR1752104"), said(SECOND, "DR1752104"))
    await by_hand(db, "delete from marketing_activations where project = 'Marketing North'")
    assert await missing(db, business, "one") == [("marketing_activations", "DR1752104")]
    await db.run("again", lambda conn: refiling.file_again(conn, business, "DR1752104", ANA))
    assert await missing(db, business, "two") == []


async def test_what_was_refused_or_held_is_no_finding_when_its_project_is_renamed(
    db: Database, business: Business
) -> None:
    await post(db, business, said(ETWATWA, "DR1752104"))
    await by_hand(db, "insert into valid_drop_numbers (drop_number, project) values ('DR1000000', 'Etwatwa')")
    await post(db, business, said(ETWATWA, "DR1752105"), said(ETWATWA, "DR1000000"))
    await change(db, business, ETWATWA, name="Etwatwa North")
    # As if it had long been called so: then only what was decided speaks for the posts.
    await by_hand(db, "update monitor_projects set rules_since = 'epoch'")
    assert await missing(db, business) == []


@pytest.mark.parametrize(
    "changes",
    [{"pattern": compile_pattern(r"DR[0-9]{6,8}|good")}, {"own_posts_count": True}, {"kind": Kind.MARKETING}],
    ids=["pattern", "own posts", "kind"],
)
async def test_what_was_said_before_the_rules_changed_is_no_finding_and_what_is_said_after_is_expected(
    db: Database, business: Business, changes: dict[str, object]
) -> None:
    await post(db, business, said(LAWLEY, "good DR1752104"), said(LAWLEY, "DR1752105", from_us=True))
    await change(db, business, LAWLEY, **changes)
    assert await missing(db, business, "one") == []
    await by_hand(db, "update messages set seen_at = now()")
    assert await missing(db, business, "two") != []


async def test_what_was_kept_is_missed_when_it_goes_also_after_the_rules_changed(
    db: Database, business: Business
) -> None:
    await post(db, business, said(LAWLEY, "DR1752104"))
    await change(db, business, LAWLEY, pattern=compile_pattern(r"DR[0-9]{6,8}|good"))
    await by_hand(db, "delete from qa_photo_reviews")
    assert await missing(db, business) == [("qa_photo_reviews", "DR1752104")]


async def test_the_file_read_again_unchanged_moves_nothing(db: Database, business: Business) -> None:
    await post(db, business, said(LAWLEY, "DR1752104"))
    await change(db, business, LAWLEY)
    await by_hand(db, "delete from qa_submissions")
    assert await missing(db, business) == [("qa_submissions", "DR1752104")]
