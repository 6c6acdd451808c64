"""Whatever shows duty says the same as ``who``: each of them by itself, of rotas that hypothesis makes up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tallybook.cli import triage as command
from tallybook.core.businesses import Business
from tallybook.triage import ics, picture
from tallybook.triage.blocks import announcing, home, schedule
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.rules import Schedule, prepare, shifts, timeline, who
from tallybook.triage.rules_announce import standing
from tallybook.triage.rules_load import ledger
from tallybook.triage.types import Facts, Override, Shift, Unused
from tallybook.web import triage_api, triage_view
from tallybook.web.i18n import words
from tallybook.web.times import Clock
from tallybook.web.triage_view import Canvas
from tests.triage.facts import ANA, BE, BEN, CHEN, DINA, NAMES, UI, away, facts, members, override, roster, sprints
from tests.triage.test_rules import few, moments, teams

Surface = Callable[[Schedule, datetime, str], str | None]
DAY = timedelta(days=1)
LINE = re.compile(r"\*([^*]+)\*: (?:<@(\w+)>|nobody)")
DUTIES = {one.code: one.name for one in (UI, BE)}
ID_OF = {name: slack_id for slack_id, name in NAMES.items()}


def _at(listed: list[Shift], at: datetime) -> str | None:
    return next((one.person for one in listed if one.starts_at <= at < one.ends_at), None)


def calendar(found: Schedule, at: datetime, code: str) -> str | None:
    return _at(list(timeline(found, code, at - 9 * DAY, at + 9 * DAY)), at)


def list_of_shifts(found: Schedule, at: datetime, code: str) -> str | None:
    return _at(shifts(found, code, at - 3 * DAY, at + DAY), at)


def state(found: Schedule, at: datetime, code: str) -> str | None:
    """Which the user group and the topic are made of."""
    return standing(found, at).on_duty.get(code)


def topic(found: Schedule, at: datetime, code: str) -> str | None:
    text = announcing.topic("{people}", Seen(found, at), [standing(found, at).on_duty.get(code)])
    return ID_OF.get(text.removeprefix("@"))


def statistics(found: Schedule, at: datetime, code: str) -> str | None:
    loads = ledger(found, at, at + timedelta(seconds=1), [code])
    return next((one.person for one in loads if one.time and one.person), None)


def feed(found: Schedule, at: datetime, code: str) -> str | None:
    events = ics.events(found, ics.Wanted(discipline=code), at, at + DAY)
    running = (one.summary for one in events if one.starts_at <= at < one.ends_at)
    return next((ID_OF[one.removeprefix(f"{DUTIES[code]}: ")] for one in running), None)


def feed_of_each(found: Schedule, at: datetime, code: str) -> str | None:
    for person in NAMES:
        events = ics.events(found, ics.Wanted(person=person), at, at + DAY)
        if any(one.starts_at <= at < one.ends_at and f".{code}." in one.uid for one in events):
            return person
    return None


def drawing(found: Schedule, at: datetime, code: str) -> str | None:
    rows = picture.rows([found], at.astimezone(found.facts.team.tz).date() - DAY, 3)
    return next((_at(row.shifts, at) for row in rows if row.name == DUTIES[code]), None)


def program(found: Schedule, at: datetime, code: str) -> str | None:
    rows = triage_api.on_duty(found, at, None)
    return next((row.person for row in rows if row.discipline == code), None)


def programs_shifts(found: Schedule, at: datetime, code: str) -> str | None:
    rows = triage_api.listed(found, (at, at + DAY), None)
    return next((row.person for row in rows if row.discipline == code and row.starts_at <= at), None)


def command_line(found: Schedule, at: datetime, code: str) -> str | None:
    return {name: answer.person for name, answer in command._answers(found, at)}.get(code)


def _lines(blocks: object) -> Mapping[str, str | None]:
    return {name: person or None for name, person in LINE.findall(msgspec.json.encode(blocks, enc_hook=str).decode())}


def slack_s_answer(found: Schedule, at: datetime, code: str) -> str | None:
    return _lines(schedule.who_is_on(Seen(found, at)).blocks).get(DUTIES[code])


def slack_s_home(found: Schedule, at: datetime, code: str) -> str | None:
    return _lines(home.home_view(Seen(found, at, reader="UREADER"))).get(DUTIES[code])


def slack_s_schedule(found: Schedule, at: datetime, code: str) -> str | None:
    return _lines(schedule.schedule_view(Seen(found, at, reader="UREADER"))).get(DUTIES[code])


def _canvas(found: Schedule, at: datetime) -> Canvas:
    clock = Clock(at, Business(1, "Velo", found.facts.team.zone, "en"), "en", words("en"))
    return Canvas(found, clock, clock.today, clock.today)


def page(found: Schedule, at: datetime, code: str) -> str | None:
    for week in triage_view.drawn(_canvas(found, at)):
        for lane in week.lanes:
            if lane.code == code and (now := [bar.name for bar in lane.bars if bar.is_now]):
                return ID_OF.get(now[0])
    return None


def page_as_lines(found: Schedule, at: datetime, code: str) -> str | None:
    listed = dict(triage_view.listed(_canvas(found, at)))
    return _at([shift for shift, _ in listed.get(DUTIES[code], [])], at)


SURFACES: tuple[Surface, ...] = (
    calendar, list_of_shifts, state, topic, statistics, feed, feed_of_each, drawing, program, programs_shifts,
    command_line, slack_s_answer, slack_s_home, slack_s_schedule, page, page_as_lines,
)  # fmt: skip
PLANNED = sprints()
# Somebody stands in, somebody is away, nobody is set, and a discipline goes out of use, all in one sprint.
ALL_AT_ONCE = facts(
    disciplines=(UI, msgspec.structs.replace(BE, unused=(Unused(PLANNED[1].starts_at + 5 * DAY),))),
    memberships=(*members(ANA, BEN, CHEN, DINA), *members(CHEN, DINA, code="beEng")),
    rosters=(roster(), roster((CHEN, DINA), code="beEng")),
    overrides=(
        override(DINA, "2026-01-20", "2026-01-22"),
        Override(2, "uiEng", None, PLANNED[1].starts_at + 7 * DAY, PLANNED[1].ends_at, BEN, reason="Quiet"),
    ),
    absences=(away(DINA, "2026-01-21", "2026-01-27"), away(BEN, "2026-01-25", "2026-01-26", 2)),
)
WITHIN = [PLANNED[1].starts_at + timedelta(hours=7) * step for step in range(49)]


@few
@given(teams(), st.lists(moments, min_size=3, max_size=3))
@example(ALL_AT_ONCE, WITHIN)
def test_whatever_shows_duty_says_the_same(team: Facts, some: list[datetime]) -> None:
    found = prepare(team)
    for at in some:
        for code in DUTIES:
            answer = who(found, code, at).person
            said_by = {surface.__name__: surface(found, at, code) for surface in SURFACES}
            assert said_by == dict.fromkeys(said_by, answer), (code, at)


def test_the_example_has_all_of_it() -> None:
    found = prepare(ALL_AT_ONCE)
    whys = {who(found, code, at).why.value for code in DUTIES for at in WITHIN}
    assert whys == {"slot", "override", "substitute", "unassigned", "out_of_use"}
