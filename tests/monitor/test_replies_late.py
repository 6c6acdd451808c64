"""A reply that is of no use any more is never said, however it came to wait; and what is dropped can be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tallybook.channels.bridge.sender import LIMITS
from tallybook.core import people
from tallybook.core.db import Conn
from tallybook.core.rates import Limits
from tallybook.monitor.service import feedback, importing, reply_board
from tallybook.monitor.service.feedback import Asked
from tallybook.monitor.service.importing import File
from tallybook.monitor.service.refiling import Person
from tallybook.monitor.service.reply_board import Look
from tests.monitor.test_reviews import reviewer
from tests.monitor.works import LAWLEY, MOHADIN, Works

REASONS = "select state, reason, count(*)::int from outbox group by 1, 2 order by 1"
PATIENT = Limits(LIMITS.windows, LIMITS.cooldown)


async def pass_time(works: Works, by: str) -> None:
    """As if so much time had gone by since everything that was put and sent."""
    await works.rows(
        f"update outbox set created_at = created_at - interval '{by}', not_before = not_before - interval '{by}',"
        f" expires_at = expires_at - interval '{by}'"
    )
    await works.rows(f"update sending_moments set at = at - interval '{by}'")
    await works.rows(f"update sending_lines set open_at = open_at - interval '{by}'")


async def test_a_reply_leaves_within_the_age_that_is_set_for_what_it_answers(works: Works) -> None:
    works.post("DR9999999", ago=timedelta(minutes=4))
    await works.read()
    ((left,),) = await works.rows("select extract(epoch from expires_at - now())::int from outbox")
    assert 340 <= left <= 360


async def test_what_was_stopped_for_nine_days_is_not_said_after_the_release(works: Works) -> None:
    lead = people.command_line(works.business.id)
    works.post("DR9999999")
    works.post("DR9999998")
    await works.read()
    await works.db.run("stop", lambda conn: reply_board.stop(conn, lead))
    await pass_time(works, "9 days")
    await works.db.run("release", lambda conn: reply_board.release(conn, lead))
    assert await works.send() == 0
    assert works.fake.texts == []
    assert await works.rows(REASONS) == [("dropped", "too old to be of use", 2)]
    board = await works.db.run("look", lambda conn: reply_board.board(conn, works.business, Look("dropped")))
    assert (board.counts["waiting"], board.counts["dropped"]) == (0, 2)
    assert {row.reason for row in board.rows} == {"too old to be of use"}


async def test_two_thousand_young_posts_at_once_make_no_storm(works: Works) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    works.file.post_many(
        (f"B{n}", LAWLEY, "27820000001", f"DR{8_000_000 + n}", now - timedelta(seconds=n % 30)) for n in range(2000)
    )
    assert await works.read() == 2000
    works.sender.limits = PATIENT
    said = 0
    for _ in range(12):
        said += await works.send()
        await pass_time(works, "1 minute")
    await works.send()
    assert said == 20, "two a minute, and none ten minutes later"
    assert len(works.fake.shown) == 20
    assert await works.rows(REASONS) == [("dropped", "too old to be of use", 1980), ("sent", None, 20)]
    assert await works.rows("select count(*)::int from invalid_drop_submissions") == [(2000,)]


@pytest.mark.parametrize("project", ["Lawley", "Mohadin"])
async def test_a_reply_that_waits_is_dropped_when_the_lists_change(works: Works, project: str) -> None:
    works.post("DR9999999")
    works.post("DR9999998")
    await works.read()
    file = File("new.csv", f"drop_number,project\nDR9999999,{project}\n".encode())
    who = Person("Bia Dlamini", None)
    number = await importing.give(works.db, works.business, file, who, 1_000_000)
    await importing.run(works.db, works.business, number, who)
    assert await works.send() == 1
    assert await works.rows(REASONS) == [("dropped", "the lists have changed since", 1), ("sent", None, 1)]
    assert "DR9999998" in works.fake.texts[0]


async def test_what_a_person_pressed_for_waits_for_no_reply_and_is_never_too_late(works: Works) -> None:
    works.post("DR1000001")
    for number in range(120):
        works.post(f"DR66{number:05}", sender="27820000066")
    await works.read()
    works.sender.limits = PATIENT
    for number, text in enumerate(["Photo 4, please.", "And photo 5."], 1):
        await press(works, number, text)
        assert await works.send() >= 1
        assert [text for text in works.fake.texts if "Feedback on the review:" in text][number - 1].endswith(text)
        await pass_time(works, "5 minutes")
    assert await works.rows("select expires_at from outbox where dedup_key like 'feedback:%'") == [(None,)] * 2


async def press(works: Works, number: int, text: str) -> None:
    ((review_id,),) = await works.rows("select id from qa_photo_reviews")

    async def work(conn: Conn) -> None:
        who = await reviewer(conn, f"ana{number}")
        await feedback.send(conn, works.business, review_id, who, Asked(text, number, 1))

    await works.db.run("press", work)


async def test_a_group_that_refuses_is_not_the_bridge_s_fault_and_holds_nobody_up(works: Works) -> None:
    works.post("DR9999999", MOHADIN)
    await works.read()
    works.fake.orders = ["refuses"]
    await works.send()
    assert await works.states() == ["parked"]
    works.post("DR9999998", MOHADIN)
    await works.read()
    works.fake.orders = ["fails"] * 5
    for _ in range(5):
        await works.send()
        await works.rows("update outbox set not_before = now() where state = 'waiting'")
    works.post("DR9999997", LAWLEY)
    await works.read()
    assert await works.send() == 2
    assert await works.states() == ["parked", "sent", "sent"]
    async with works.db.transaction() as conn:
        checks = await reply_board.checks(conn, works.business, datetime.now(UTC))
    assert [check.state for check in checks] == ["ok"]
