"""Health is measured: what is connected, how fresh, how far behind, what is set aside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook.core import health
from tallybook.core.businesses import Business
from tallybook.core.db import Database, open_database
from tallybook.core.health import Backlog, Beat, Check
from tallybook.core.heartbeats import beat
from tests import world

NOW = datetime(2025, 12, 2, 12, tzinfo=UTC)
NOTHING = Backlog(0, None, 0, 0, 0, 0, 0, 0)


def states(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def test_everything_is_held_when_every_check_is_well() -> None:
    worker = health.judge_beats([Beat("worker", NOW, {})], NOW)
    checks = [*health.judge_backlog(NOTHING, NOW), health.judge_violations(NOTHING), *worker]
    report = health.summed_up(checks)
    assert (report.sentence, report.state) == ("Everything is held.", "ok")


@pytest.mark.parametrize(
    ("details", "age", "state"),
    [
        ({}, timedelta(seconds=5), "ok"),
        ({}, timedelta(seconds=31), "late"),
        ({"late": "Silent for long."}, timedelta(seconds=5), "late"),
        ({"problem": "The file is locked."}, timedelta(seconds=5), "wrong"),
    ],
)
def test_a_process_that_says_nothing_is_late_and_one_that_cannot_work_is_wrong(
    details: dict[str, str], age: timedelta, state: str
) -> None:
    (check,) = health.judge_beats([Beat("bridge primary", NOW - age, details)], NOW)
    assert check.state == state


def test_without_a_worker_nothing_is_read_and_health_says_so() -> None:
    (check,) = health.judge_beats([], NOW)
    assert check.state == "wrong"
    assert "tallybook work" in check.says


def test_work_that_waits_too_long_and_what_is_set_aside_want_a_person() -> None:
    backlog = Backlog(3, NOW - timedelta(minutes=3), 0, 1, 1, 0, 1, 1, blocking=1)
    checks = [*health.judge_backlog(backlog, NOW), health.judge_violations(backlog)]
    assert states(checks) == {"waiting": "late", "parked": "wrong", "unknown": "late", "constraints": "wrong"}
    assert "2 items are parked." in health.summed_up(checks).sentence


def test_work_that_is_due_later_is_no_backlog() -> None:
    backlog = Backlog(0, NOW + timedelta(hours=1), 0, 0, 0, 0, 0, 0)
    assert states(health.judge_backlog(backlog, NOW))["waiting"] == "ok"


async def test_a_sign_of_life_is_seen_at_once(db: Database) -> None:
    await db.run("beat", lambda conn: beat(conn, "worker", {"says": "Working."}))
    report = await health.report(db, datetime.now(UTC))
    assert report.state == "ok"
    assert report.checks[0].facts["latency_ms"] > 0


async def test_a_database_that_is_away_is_told_and_not_waited_for() -> None:
    async with open_database("postgresql://nobody@127.0.0.1:1/none", "prod") as away:
        report = await health.report(away, NOW)
    assert report.state == "wrong"
    assert "cannot be reached" in report.sentence


# ── Who is told what ───────────────────────────────────────────────────────────────────────────────────────────────

OF_EACH = """
with job as (
    insert into jobs (business_id, kind, state, reason)
    values (%(id)s, 'k', 'parked', 'no'), (null, 'k', 'parked', 'no')
),
late as (
    insert into jobs (business_id, kind, not_before) values (%(id)s, 'k', now() - interval '1 hour')
),
raw as (
    insert into deliveries (channel, body_sha256, body, state, reason) values ('c', 'x', 'x', 'parked', '/srv/secret')
),
sent as (
    insert into outbox (business_id, channel, account, recipient, dedup_key, body, state, reason)
    values (%(id)s, 'c', 'a', 'r', 'd', '{}', 'unknown', 'no answer')
)
insert into messages (business_id, channel, account, scope, external_id, chat, sender_raw, said_at, text, content_hash,
    parked_reason)
values (%(id)s, 'c', 'a', 's', 'e', 's', 'w', now(), 'hello', 'h', 'odd')
"""


async def test_a_business_is_told_of_its_own_work_and_of_nobody_elses(db: Database, business: Business) -> None:
    other = await db.run("add", world.kinneret_tours)
    async with db.transaction() as conn:
        await conn.execute(OF_EACH, {"id": business.id})
        await beat(conn, "bridge", {"problem": "There is no file /srv/a/messages.db.", "business_id": business.id})
        await beat(conn, "worker", {"says": "Working.", "host": "vf-server"})
    now = datetime.now(UTC)
    own = {check.name: check for check in (await health.report(db, now, business_id=business.id)).checks}
    others = {check.name: check for check in (await health.report(db, now, business_id=other.id)).checks}
    everything = {check.name: check for check in (await health.report(db, now)).checks}
    assert [own[name].says for name in ("waiting", "parked", "unknown")] == [
        "1 item waits.", "2 items are parked.", "1 sending ended without an answer.",
    ]  # fmt: skip
    assert [others[name].says for name in ("waiting", "parked", "unknown")] == [
        "No items wait.", "No items are parked.", "No sendings ended without an answer.",
    ]  # fmt: skip
    assert own["installation-parked"] == others["installation-parked"]
    assert others["installation-parked"].says == "2 items are parked."
    assert everything["parked"].says == "4 items are parked."
    assert "installation-parked" not in everything
    assert "bridge" in own
    assert "bridge" not in others


async def test_who_is_no_admin_reads_how_the_shared_things_are_and_no_detail_of_them(
    db: Database, business: Business
) -> None:
    async with db.transaction() as conn:
        await conn.execute(OF_EACH, {"id": business.id})
        await beat(conn, "bridge primary", {"problem": "There is no file /srv/a/messages.db."})
        await beat(conn, "worker", {"says": "Working.", "host": "vf-server"})
    spool = Check("spool", "late", "7 records wait on disk for the database.", None, {"bytes": 1234})
    shown = health.plain(await health.report(db, datetime.now(UTC), [spool], business.id))
    by_name = {check.name: check for check in shown.checks}
    assert by_name["bridge"].says == "Something is wrong here. An admin sees what it is."
    assert by_name["spool"].says == "It is behind. An admin sees how far."
    assert by_name["worker"].says == "Working."
    assert by_name["parked"].facts["messages"] == 1
    assert all(not check.facts for check in shown.checks if not check.open)
    for hidden in ("/srv", "vf-server", "1234", "primary", "7 records"):
        assert hidden not in str(shown)
    assert shown.state == "wrong"


def test_the_first_line_leaves_names_as_they_are_written() -> None:
    late = health.Check("slack The demo's Slack (T0DEMO)", "late", "Connected to nothing yet.")
    assert health.summed_up([late]).sentence == "Slack The demo's Slack (T0DEMO): Connected to nothing yet."
