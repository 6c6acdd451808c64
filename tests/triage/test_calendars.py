"""Absences that follow a calendar of somebody's: read from its secret address, changed and taken back as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.channels.webhook_out.reading import Reader, Unreadable
from tallybook.core import jobs
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound
from tallybook.core.sealing import Seal
from tallybook.triage import calendar_spans
from tallybook.triage.calendar_jobs import FOLLOW, Follower
from tallybook.triage.calendar_spans import Asked, NoCalendar, Span, spans
from tallybook.triage.rules import Schedule
from tallybook.triage.rules_away import followed, is_of_note
from tallybook.triage.service import absences, calendars, manners
from tallybook.triage.service.calendars import New
from tallybook.triage.service.schedules import Schedules
from tallybook.triage.store.calendars import Due
from tallybook.triage.types import Absence, Manner
from tests.core.worked import until
from tests.triage.facts import ANA, BEN, DINA, at, facts
from tests.triage.rota import NOW, SECOND, Web

ZONE = "America/Los_Angeles"
DAY = timedelta(days=1)
SEAL = Seal([b"k" * 32])
ASKED = Asked(NOW, NOW + 400 * DAY, ZONE)
ADDRESS = "https://calendars.example/secret-7f3a/pto.ics"


def calendar(*events: str) -> bytes:
    listed = "".join(f"BEGIN:VEVENT\r\nDTSTAMP:20260101T000000Z\r\n{one}\r\nEND:VEVENT\r\n" for one in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{listed}END:VCALENDAR\r\n".encode()


def event(uid: str, *lines: str) -> str:
    return "\r\n".join((f"UID:{uid}", *lines))


def days(first: str, last: str, uid: str = "a", *more: str) -> str:
    return event(uid, f"DTSTART;VALUE=DATE:{first}", f"DTEND;VALUE=DATE:{last}", *more)


def midnight(day: str) -> datetime:
    """Of Los Angeles in winter, in UTC."""
    return at(f"{day}T08:00")


def read(*events: str, away: bool = False) -> list[Span]:
    return spans(calendar(*events), Asked(NOW, NOW + 400 * DAY, ZONE, away))


class TestWhatACalendarSays:
    def test_whole_days_are_those_of_the_team_and_a_time_is_by_its_own_clock(self) -> None:
        berlin = event("b", "DTSTART;TZID=Europe/Berlin:20260210T090000", "DURATION:PT4H")
        floating = event("c", "DTSTART:20260220T090000", "DTEND:20260220T100000")
        assert read(days("20260202", "20260204"), berlin, floating) == [
            Span(midnight("2026-02-02"), midnight("2026-02-04"), True),
            Span(at("2026-02-10T08:00"), at("2026-02-10T12:00")),
            Span(at("2026-02-20T17:00"), at("2026-02-20T18:00")),
        ]

    def test_what_repeats_is_told_each_time_but_where_it_was_moved_left_out_or_cancelled(self) -> None:
        series = days("20260202", "20260203", "a", "RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;VALUE=DATE:20260209")
        moved = event("a", "RECURRENCE-ID;VALUE=DATE:20260216", "DTSTART;VALUE=DATE:20260218", "SUMMARY:later")
        cancelled = event("a", "RECURRENCE-ID;VALUE=DATE:20260223", "DTSTART;VALUE=DATE:20260223", "STATUS:CANCELLED")
        assert [one.starts_at for one in read(series, moved, cancelled)] == [
            midnight("2026-02-02"), midnight("2026-02-18"),
        ]  # fmt: skip

    def test_a_series_without_an_end_is_told_as_far_as_was_asked(self) -> None:
        found = read(days("20250101", "20250102", "a", "RRULE:FREQ=MONTHLY"))
        assert (len(found), found[-1].starts_at < ASKED.until) == (14, True)

    def test_of_a_calendar_with_other_things_only_what_says_that_they_are_away_counts(self) -> None:
        told = [
            days("20260202", "20260203", "a", "SUMMARY:Summer vacation"),
            days("20260204", "20260205", "b", "SUMMARY:PTO"),
            days("20260206", "20260207", "c", "SUMMARY:Leaving party"),
            days("20260208", "20260209", "d", "SUMMARY:חופשה"),
            days("20260210", "20260211", "e", "X-MICROSOFT-CDO-BUSYSTATUS:OOF", "SUMMARY:Berlin"),
        ]  # fmt: skip
        assert [f"{one.starts_at:%d}" for one in read(*told, away=True)] == ["02", "04", "08", "10"]
        assert len(read(*told)) == 5

    @pytest.mark.parametrize(
        "wrong",
        [
            b"",
            b"<html>log in</html>",
            b"BEGIN:VCALENDAR",
            calendar("DTSTART:nonsense\r\nUID:1")[:-20],
            b"\xff\x00" * 50,
        ],
    )
    async def test_what_is_no_calendar_is_told_so(self, wrong: bytes) -> None:
        with pytest.raises(NoCalendar, match="strange"):
            await calendar_spans.read(wrong, ASKED)

    def test_an_event_that_cannot_be_understood_keeps_none_of_the_others_back(self) -> None:
        odd = (event("x", "SUMMARY:no time"), event("y", "DTSTART:20260210T100000Z", "RRULE:FREQ=NEVER"))
        assert len(read(*odd, days("20260202", "20260203"))) == 1

    async def test_a_rule_that_never_comes_to_an_end_is_stopped_and_nothing_else_waits_for_it(self) -> None:
        evil = event("x", "DTSTART:19700101T000000Z", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30")
        working = asyncio.create_task(calendar_spans.read(calendar(evil), ASKED, seconds=1.0))
        beats = 0
        while not working.done():
            await asyncio.sleep(0.02)  # a beat: a loop that is held up makes few
            beats += 1
        assert beats > 5
        with pytest.raises(NoCalendar, match="slow"):
            await working

    async def test_the_process_says_what_the_function_says(self) -> None:
        text = calendar(days("20260202", "20260204"))
        assert await calendar_spans.read(text, ASKED) == spans(text, ASKED)


def hours(*pairs: tuple[int, int]) -> list[tuple[datetime, datetime]]:
    return [(NOW + timedelta(hours=since), NOW + timedelta(hours=ends)) for since, ends in pairs]


PAIR = st.tuples(st.integers(-20, 40), st.integers(1, 20)).map(lambda pair: (pair[0], sum(pair)))


@settings(deadline=None)
@given(st.lists(PAIR, max_size=5), st.lists(PAIR, max_size=5))
def test_absences_become_what_is_said_and_what_is_over_stays(
    before: list[tuple[int, int]], said: list[tuple[int, int]]
) -> None:
    def after(there: list[Absence], wanted: list[tuple[int, int]], now: datetime) -> list[Absence]:
        steps = followed(there, hours(*wanted), now)
        kept = [one for one in there if one not in steps.gone and one not in [was for was, _ in steps.moved]]
        cut = [Absence(one.id, ANA, one.starts_at, now) for one in steps.gone if one.starts_at < now]
        longer = [Absence(was.id, ANA, was.starts_at, ends) for was, ends in steps.moved]
        return [*kept, *cut, *longer, *(Absence(0, ANA, *span) for span in steps.new)]

    early = NOW - timedelta(hours=10)
    first = after([], before, early)
    second = after(first, said, NOW)
    for hour in range(-10, 60):
        moment = NOW + timedelta(hours=hour, minutes=30)
        listed = before if moment < NOW else said
        is_said = any(since <= moment < ends for since, ends in hours(*listed))
        assert any(one.starts_at <= moment < one.ends_at for one in second) == is_said
    assert not followed(second, hours(*said), NOW).any, "the same again changes nothing"


def test_what_is_short_counts_where_it_is_over_a_quarter_of_a_turn() -> None:
    rota = [Schedule(facts())]
    since = SECOND.starts_at + DAY
    for length, counts in ((timedelta(hours=84), False), (timedelta(hours=84, minutes=1), True)):
        assert is_of_note(rota, ANA, since, since + length) == counts
    assert not is_of_note(rota, "UELSE", since, since + 10 * DAY)


async def add(web: Web, person: str = BEN, address: str = ADDRESS, **values: bool) -> int:
    new = New(person, address, **values)
    return await web.run(lambda conn: calendars.add(conn, web.lead, SEAL, new, NOW))


async def follows(web: Web, number: int, *events: str, now: datetime = NOW) -> None:
    due = Due(web.lead.business_id, number, BEN, b"", away=False)
    asked = await web.run(lambda conn: calendars.asked_of(conn, due, now))
    await web.run(lambda conn: calendars.follow(conn, due, asked, spans(calendar(*events), asked), now))


async def theirs(web: Web) -> Sequence[Absence]:
    found = (await web.schedule()).facts.absences
    return sorted((one for one in found if one.source == "calendar"), key=lambda one: one.starts_at)


async def test_who_is_away_by_their_calendar_is_not_on_duty_and_is_again_as_soon_as_it_says_so(web: Web) -> None:
    number = await add(web)
    assert await web.on_duty(SECOND.starts_at) == BEN
    await follows(web, number, days("20260115", "20260125"))
    assert await web.on_duty(SECOND.starts_at) != BEN
    await follows(web, number, days("20260121", "20260125"))
    assert await web.on_duty(SECOND.starts_at) == BEN
    assert [one.starts_at for one in await theirs(web)] == [midnight("2026-01-21")]
    version = (await web.schedule()).facts.version
    await follows(web, number, days("20260121", "20260125"), event("b", "DTSTART:20260202T180000Z", "DURATION:PT1H"))
    assert (await web.schedule()).facts.version == version, "neither the same again nor an hour changes the rota"
    running = midnight("2026-01-22")
    await follows(web, number, days("20260121", "20260124"), now=running)
    await follows(web, number, now=running + DAY)
    assert [(one.starts_at, one.ends_at) for one in await theirs(web)] == [(midnight("2026-01-21"), running + DAY)]
    told = await web.rows("select action, who from audit_log where action like 'absence.%' order by id")
    assert [row[0] for row in told] == [
        "absence.recorded", "absence.recorded", "absence.ended", "absence.moved", "absence.ended"
    ]  # fmt: skip
    assert {row[1] for row in told} == {"calendar"}


async def test_what_was_recorded_by_hand_is_no_calendar_s_and_the_other_way_round(web: Web) -> None:
    hand = Absence(0, BEN, midnight("2026-01-15"), midnight("2026-01-25"))
    made = await web.run(lambda conn: absences.record(conn, web.lead, hand, NOW, key="k"))
    number = await add(web)
    await follows(web, number, days("20260115", "20260125"))
    assert len((await web.schedule()).facts.absences) == 2
    (one,) = await theirs(web)
    with pytest.raises(Conflict, match="follows a calendar"):
        await web.run(lambda conn: absences.end(conn, web.lead, one.id, NOW))
    await follows(web, number)
    await web.run(lambda conn: calendars.remove(conn, web.somebody(BEN), number, NOW, BEN))
    assert (await web.schedule()).facts.absences == (made,)
    with pytest.raises(NotFound):
        await web.run(lambda conn: calendars.remove(conn, web.lead, number, NOW, BEN))


async def test_a_calendar_that_is_taken_away_takes_what_is_ahead_with_it_though_it_is_just_read(web: Web) -> None:
    number = await add(web)
    await follows(web, number, days("20260115", "20260125"))
    await asyncio.gather(
        web.run(lambda conn: calendars.remove(conn, web.lead, number, NOW, BEN)),
        *(follows(web, number, days("20260115", "20260125"), days("20260215", "20260225", "b")) for _ in range(3)),
    )
    assert await theirs(web) == []


async def test_of_eight_who_read_the_same_at_once_each_absence_is_made_once(web: Web) -> None:
    number = await add(web)
    told = (days("20260115", "20260125"), days("20260215", "20260225", "b"))
    await asyncio.gather(*(follows(web, number, *told) for _ in range(8)))
    assert len(await theirs(web)) == 2


async def test_an_address_is_given_by_its_person_or_a_lead_is_kept_sealed_and_stands_nowhere_else(web: Web) -> None:
    assert await add(web, address=ADDRESS.replace("https", "webcal")) == await add(web, away=True)
    for wrong in (
        "http://calendars.example/x",
        "https://",
        "ftp://x/y",
        "https://a b/c",
        "https://x:99999/",
        "x" * 3000,
    ):
        with pytest.raises(Invalid):
            await add(web, address=wrong)
    with pytest.raises(NotFound):
        await add(web, person="UNOBODY")
    for work in (
        lambda conn: calendars.add(conn, web.somebody(DINA), SEAL, New(BEN, ADDRESS), NOW),
        lambda conn: calendars.remove(conn, web.somebody(DINA), 1, NOW, BEN),
    ):
        with pytest.raises(NotAllowed):
            await web.run(work)
    assert await web.run(lambda conn: calendars.listed(conn, web.somebody(DINA), BEN)) == []
    (shown,) = await web.run(lambda conn: calendars.listed(conn, web.somebody(BEN), BEN))
    assert (shown.host, shown.away) == ("calendars.example", True)
    everything = await web.rows(
        "select c::text from triage_calendars c union all select l::text from audit_log l union all "
        "select j::text from jobs j"
    )
    assert "secret-7f3a" not in str(everything)
    assert "secret-7f3a" not in repr(New(BEN, ADDRESS))
    for place in range(calendars.MOST - 1):
        await add(web, address=f"{ADDRESS}?{place}")
    with pytest.raises(Conflict, match="at most 5"):
        await add(web, address=f"{ADDRESS}?more")


class Server:
    """Answers each request with what is set."""

    def __init__(self) -> None:
        self.says, self.port, self.asked = b"", 0, 0

    def answers(self, body: bytes, status: str = "200 OK", *more: str) -> None:
        head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *more))
        self.says = head.encode() + b"\r\n\r\n" + body

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(self.says)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    listening = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield found


async def local(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def faults(reader: Reader, url: str) -> str:
    with pytest.raises(Unreadable) as found:
        await reader.read(url)
    return str(found.value)


async def test_what_is_not_meant_to_be_read_is_not(server: Server) -> None:
    url = f"http://calendars.example:{server.port}/x"
    inside, outside = Reader(resolve=local, internal=True), Reader(resolve=local)
    server.answers(b"x")
    assert await inside.read(url) == b"x"
    assert await faults(outside, url.replace("http:", "https:")) == "internal"
    assert await faults(outside, "https://[::1]/x") == "internal"
    assert await faults(outside, url) == "open"
    server.answers(b"x" * 1_000_001)
    assert await faults(inside, url) == "large"
    server.answers(b"no", "404 Not Found")
    assert await faults(inside, url) == "answers 404"
    server.answers(b"", "302 Found", "Location: /next")
    assert await faults(inside, url) == "wanders"
    server.answers(b"", "302 Found", "Location: ftp://elsewhere/x")
    assert await faults(inside, url) == "open"
    server.says = b"nonsense\r\n\r\n"
    assert await faults(inside, url) == "broken"
    server.says = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"
    assert await faults(Reader(resolve=local, internal=True, seconds=5.0), url) == "broken"
    assert await faults(inside, "http://calendars.example:1/x") == "nobody"


async def test_a_redirect_leads_to_no_internal_address() -> None:
    asked = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.7"]

    assert await faults(Reader(resolve=resolve), "https://inside.example/x") == "internal"
    assert asked == ["inside.example"]


async def test_a_worker_reads_what_is_due_and_once_tells_whom_it_concerns_of_what_it_cannot_read(
    web: Web, server: Server
) -> None:
    now = datetime.now(UTC)
    first = (now + 20 * DAY).date()
    server.answers(calendar(days(f"{first:%Y%m%d}", f"{first + DAY:%Y%m%d}")))
    number = await add(web)
    sealed = SEAL.seal(f"http://calendars.example:{server.port}/x")
    await web.run(lambda conn: conn.execute("update triage_calendars set address = %s", (sealed,)))
    manner = Manner(channel="CWEB", admin_channel="CADMIN")
    await web.run(lambda conn: manners.change(conn, web.lead, web.team, manner))
    follower = Follower(SEAL, Reader(resolve=local, internal=True), Schedules())
    due = Due(web.lead.business_id, number, BEN, sealed, away=False)

    async def run() -> None:
        """As a worker does when a job is due."""
        await web.run(lambda conn: conn.execute("update triage_calendars set next_at = now()"))
        await web.run(lambda conn: jobs.enqueue(conn, [jobs.NewJob(FOLLOW)]))
        stop, wake = asyncio.Event(), asyncio.Event()
        working = asyncio.create_task(jobs.run_jobs(web.db, {FOLLOW: follower.run_job}, stop, wake))

        async def is_done() -> bool:
            return (await web.rows("select count(*) from jobs where state <> 'done'")) == [(0,)]

        await until(is_done)
        stop.set()
        await working

    await run()
    assert [one.ends_at - one.starts_at for one in await theirs(web)] == [DAY]
    server.answers(b"gone", "500 Oh")
    await run()
    (shown,) = await web.run(lambda conn: calendars.listed(conn, web.lead, BEN))
    assert (shown.failed, shown.read_at is not None, shown.failing_since is not None) == ("answers 500", True, True)
    assert len(await theirs(web)) == 1, "what it said before stands"
    assert await said(web) == []
    await web.run(lambda conn: conn.execute("update triage_calendars set failing_since = now() - interval '3 hours'"))
    await run()
    await run()
    told = await said(web)
    assert sorted(one[0] for one in told) == ["CADMIN", BEN]
    assert all("calendars.example" in one[1] and "500" in one[1] and "still counts" in one[1] for one in told)
    await web.run(partial(calendars.missed, schedules=Schedules(), due=due, why="slow", now=datetime.now(UTC)))
    assert len(await said(web)) == 2
    server.answers(calendar())
    await run()
    assert await theirs(web) == []
    (shown,) = await web.run(lambda conn: calendars.listed(conn, web.lead, BEN))
    assert (shown.failed, shown.failing_since, shown.told_at) == ("", None, None)


async def said(web: Web) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in await web.rows("select recipient, body ->> 'text' from outbox order by id")]
