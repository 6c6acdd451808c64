"""Somebody's status in Slack: who is away by it is not on duty until it ends, and is again once it is taken back."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.channels.slack import requests
from tallybook.core import jobs
from tallybook.core.jobs import NewJob, Pace
from tallybook.slack_desk.statuses import status_of
from tallybook.triage import status_jobs
from tallybook.triage.rules import prepare, who
from tallybook.triage.service import absences, statuses
from tallybook.triage.service.doing import Actor, seen
from tallybook.triage.service.statuses import Status
from tallybook.triage.status_jobs import Looker, Profiles
from tallybook.triage.types import Absence
from tests.core.worked import rows, until
from tests.slack_desk.office import Office

DAY = timedelta(days=1)
THERE = "select kind, ends_at from triage_absences where source = 'slack' and ends_at > now() order by id"
PALM, ILL, LUNCH = ":palm_tree:", ":face_with_thermometer:", ":hamburger:"


def after(ahead: timedelta) -> int:
    return int(time.time() + ahead.total_seconds())


async def on_duty(office: Office) -> str | None:
    lead = Actor(office.business.id, "Lena", leads=True)
    facts = await office.db.run("facts", lambda conn: seen(conn, lead, office.team))
    return who(prepare(facts), "uiEng", datetime.now(UTC)).person


async def says(office: Office, emoji: str, ends: int = 0) -> None:
    await office.slack.acts.set_status(office.maria, emoji, ends)
    await office.process()


async def test_who_is_on_vacation_by_their_status_is_not_on_duty_until_it_ends_or_is_taken_back(office: Office) -> None:
    assert await on_duty(office) == office.maria.id
    ends = after(6 * DAY)
    await says(office, PALM, ends)
    assert await rows(office.db, THERE) == [("leave", datetime.fromtimestamp(ends, UTC))]
    assert await on_duty(office) == office.ben.id
    longer = after(8 * DAY)
    await says(office, PALM, longer)
    assert await rows(office.db, THERE) == [("leave", datetime.fromtimestamp(longer, UTC))]
    await says(office, LUNCH, after(9 * DAY))
    assert (await rows(office.db, THERE), await on_duty(office)) == ([], office.maria.id)
    told = await rows(office.db, "select action, who from audit_log where subject = 'absence' order by id")
    assert told == [("absence.recorded", "slack"), ("absence.moved", "slack"), ("absence.ended", "slack")]


@pytest.mark.parametrize(
    ("emoji", "ahead"), [(PALM, None), (PALM, timedelta(days=3)), (LUNCH, 6 * DAY), ("", 6 * DAY), (ILL, -DAY)]
)
async def test_a_status_that_is_short_or_open_or_says_nothing_of_it_is_no_absence(
    office: Office, emoji: str, ahead: timedelta | None
) -> None:
    await says(office, emoji, after(ahead) if ahead is not None else 0)
    assert await rows(office.db, THERE) == []


async def test_what_was_recorded_by_hand_stays_and_what_follows_the_status_is_changed_there(office: Office) -> None:
    lead, now = Actor(office.business.id, "Lena", leads=True), datetime.now(UTC)
    hand = Absence(0, office.maria.id, now, now + 2 * DAY)
    await office.db.run("record", lambda conn: absences.record(conn, lead, hand, now, key="k"))
    await says(office, ILL, after(6 * DAY))
    assert [row[0] for row in await rows(office.db, THERE)] == ["sick"]
    await says(office, "")
    assert await rows(office.db, "select source from triage_absences where ends_at > now()") == [("hand",)]


async def test_an_earlier_status_that_is_told_later_and_one_of_a_stranger_say_nothing(office: Office) -> None:
    now = datetime.now(UTC)

    def told(person: str, ago: int, *, away: bool) -> Status:
        return Status(person, PALM if away else "", now + 6 * DAY if away else None, now - timedelta(seconds=ago))

    async def follow(status: Status) -> None:
        await office.db.run("follow", lambda conn: statuses.follow(conn, office.business.id, status, now))

    listed = [told(office.maria.id, ago, away=ago % 2 == 1) for ago in range(8)]
    await asyncio.gather(*(follow(one) for one in reversed(listed)))
    assert await rows(office.db, THERE) == [], "the last one says that she is there"
    await follow(told(office.sam.id, 0, away=True))
    assert await rows(office.db, f"select 1 from triage_people where slack_id = '{office.sam.id}'") == []


async def look(office: Office, at_once: int = 50) -> None:
    """A round begins, and each step is made that is due."""
    ask = [NewJob(status_jobs.LOOK)]
    await office.db.run("ask", lambda conn: jobs.enqueue(conn, ask))
    await go_on(office, at_once)


async def go_on(office: Office, at_once: int = 50) -> None:
    assert isinstance(office.sender, Profiles)
    stop = asyncio.Event()
    handlers = {status_jobs.LOOK: Looker(office.sender, at_once).run_job}
    running = asyncio.create_task(jobs.run_jobs(office.db, handlers, stop, asyncio.Event(), Pace(idle=0.05)))

    async def is_over() -> bool:
        return not await rows(office.db, "select from jobs where state = 'waiting' and not_before <= now()")

    await until(is_over)
    stop.set()
    await running


async def let_it_be_due(office: Office) -> None:
    async with office.db.transaction() as conn:
        await conn.execute("update jobs set not_before = now() where state = 'waiting'")


def asked(office: Office) -> list[str]:
    return [told["user"] for method, told in office.slack.calls if method == "users.info"]


async def test_a_status_of_which_slack_s_word_was_lost_is_seen_by_a_look_and_its_end_too(office: Office) -> None:
    ends = after(6 * DAY)
    office.maria.status, office.maria.status_until = PALM, ends
    await look(office)
    assert await rows(office.db, THERE) == [("leave", datetime.fromtimestamp(ends, UTC))]
    assert await on_duty(office) == office.ben.id
    said = await rows(office.db, "select count(*) from audit_log")
    await look(office)
    assert await rows(office.db, "select count(*) from audit_log") == said, "the same again is nothing new"
    office.maria.status, office.maria.status_until = "", 0
    async with office.db.transaction() as conn:
        await conn.execute("update triage_people set status_at = status_at - interval '1 hour'")
    await look(office)
    assert (await rows(office.db, THERE), await on_duty(office)) == ([], office.maria.id)


async def test_what_slack_told_itself_at_that_moment_counts_more_than_a_look(office: Office) -> None:
    await says(office, PALM, after(6 * DAY))
    office.maria.status, office.maria.status_until = "", 0  # as if the answer had been on its way for long
    await look(office)
    assert [row[0] for row in await rows(office.db, THERE)] == ["leave"]


async def test_only_the_people_of_rotas_are_looked_at_so_many_in_a_minute_and_each_once(office: Office) -> None:
    await look(office, at_once=3)
    assert len(asked(office)) == 3
    await let_it_be_due(office)
    await go_on(office, at_once=3)
    assert sorted(asked(office)) == sorted(one.id for one in (office.maria, office.ben, office.chen, office.lena))


async def test_where_slack_asks_us_to_wait_the_look_goes_on_after_that_where_it_stopped(office: Office) -> None:
    office.slack.order("says", "users.info", code="ratelimited", status=429, headers={"retry-after": "90"})
    office.maria.status, office.maria.status_until = PALM, after(6 * DAY)
    await look(office)
    waits = "select not_before > now() + interval '80 seconds' from jobs where state = 'waiting'"
    assert (asked(office), await rows(office.db, waits)) == ([], [(True,)])
    await let_it_be_due(office)
    await go_on(office)
    assert [row[0] for row in await rows(office.db, THERE)] == ["leave"]


async def test_who_slack_does_not_know_any_more_keeps_nobody_from_being_looked_at(office: Office) -> None:
    office.slack.order("says", "users.info", code="user_not_found")
    await look(office)
    assert len(asked(office)) == 3


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.floats(allow_nan=False),
    lambda inner: st.dictionaries(st.sampled_from(["id", "profile", "status_emoji", "status_expiration"]), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(anything, anything)
def test_a_status_told_in_any_way_is_read_or_left(user: Any, moment: Any) -> None:
    event = {"type": "user_status_changed", "user": user, "event_ts": moment}
    body = {"type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": event}
    try:
        request = requests.read(msgspec.json.encode(body))
    except (ValueError, msgspec.ValidationError):
        return
    found = status_of(request)
    assert found is None or found.person
