"""The rota: how fast it is known who is on duty, a year of it, its calendar, and how soon Slack is answered.

``python bench/triage.py``. Beside a look-up stands one in a list of the same shifts written out ahead; beside the year
and the calendar the ``oncall`` package, which ``make bench`` installs (`bench/oncall_peer.py`);
beside the answers with a database that hangs, those with one that is well (`bench/slack_answers.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics as numbers
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import oncall_peer
import slack_answers
from figures import Figure, as_shipped, as_table, say
from rota_facts import DAY, DISCIPLINES, EIGHT, YEAR, YEARS, ZONES, team, weekly

from tallybook.triage import ics
from tallybook.triage.rules import Schedule, prepare, shifts, timeline, who
from tallybook.triage.rules_load import ledger
from tallybook.triage.rules_turns import hand_over

BAR_MS, LOOKS, ROUNDS = 1.0, 100, 3  # look-ups for each rotation; rounds of which the best counts
LISTED = 20  # rotations that are written out ahead, to look in and to compare with
NO_PEER = "the `oncall` package is " + oncall_peer.ABSENT
Found = TypeVar("Found")
SAID = """\
- **who is on duty** is asked for moments of ten years behind and one ahead, in no order, of rotations by sprints, weeks
  and days whose people came, went, were away and stood in for each other; beside it a look-up in lists of the same
  shifts, written out ahead, which nobody could change any more.
- **a year's schedule** is made of new teams of five people who take weeks in turn. Beside it stands the scheduler of
  the `oncall` package, whose turns must be the same to the second; its reads and writes of tables are done in memory,
  where they cost it nothing. The calendars beside ours are that package's, too; see `bench/oncall_peer.py`.
- **Slack** is told what five people do at once, signed and over HTTP. With the database hanging (each of its processes
  is stopped) it is answered all the same, and afterwards everything is there; see `bench/slack_answers.py`.
"""


def looked_up(count: int, now: datetime) -> list[Figure]:
    """So many rotations with ten years behind them, asked for moments of those years in no order."""
    say(f"preparing {count:,} rotations of {YEARS} years")
    teams = [team(number + 1, now) for number in range(-(-count // len(DISCIPLINES)))]
    began = time.perf_counter()
    schedules = [prepare(facts) for facts in teams]
    every = [(schedule, code) for schedule in schedules for code in schedule.codes][:count]
    for schedule, code in every:
        schedule.rota(code)
    ready = time.perf_counter() - began
    made = random.Random(1)
    asked = [(*made.choice(every), _moment(made, now)) for _ in range(count * LOOKS)]
    say("asking who is on duty")
    took, began = [], time.perf_counter()
    for schedule, code, at in asked:
        before = time.perf_counter()
        who(schedule, code, at)
        took.append(time.perf_counter() - before)
    ours = len(asked) / (time.perf_counter() - began)
    took.sort()
    p50, p99 = numbers.median(took) * 1000, took[int(len(took) * 0.99)] * 1000
    floor = _in_lists(every[:LISTED], now)
    return [
        Figure(f"who is on duty, asked in a second, {count:,} rotations of {YEARS} years", f"{ours:,.0f}",
               f"{floor:,.0f} in lists written ahead", ours / floor, "", None),
        Figure("each answer", f"median {p50:.3f} ms, p99 {p99:.3f} ms", "", None, f"p99 < {BAR_MS:g} ms",
               p99 < BAR_MS),
        Figure("putting their facts in order, once", f"{ready / len(every) * 1000:.1f} ms a rotation", "", None, "",
               None),
    ]  # fmt: skip


def _moment(made: random.Random, now: datetime) -> datetime:
    return now - YEARS * YEAR + made.random() * (YEARS + 1) * YEAR


def _in_lists(some: list[tuple[Schedule, str]], now: datetime) -> float:
    """Look-ups in a second in written-out shifts, each of which is what ``who`` says."""
    lists = [list(timeline(schedule, code, now - YEARS * YEAR, now + YEAR)) for schedule, code in some]
    starts = [[shift.starts_at for shift in found] for found in lists]
    made = random.Random(2)
    asked = [(made.randrange(len(some)), _moment(made, now)) for _ in range(len(some) * LOOKS)]
    began = time.perf_counter()
    answers = [lists[place][bisect_right(starts[place], at) - 1].person for place, at in asked]
    took = time.perf_counter() - began
    assert answers == [who(*some[place], at).person for place, at in asked]
    return len(asked) / took


def a_year(count: int, now: datetime) -> list[Figure]:
    """The coming year of so many teams whose people take weeks in turn, from their facts to their shifts."""
    say(f"a year of {count:,} teams")
    zones = [ZONES[number % len(ZONES)] for number in range(count)]
    theirs, beside, spans = None, NO_PEER, [_year_of(zone, now) for zone in zones]
    if oncall_peer.is_there():
        theirs, made = best(oncall_peer.Teams(zones).year)
        spans = [(_moment_of(turns[0][0]), _moment_of(turns[-1][1])) for turns in made]
        beside = f"{theirs * 1000:,.0f} ms oncall's scheduler, without its database"
    facts = [weekly(number, (span[0] - 2 * DAY).date()) for number, span in enumerate(spans)]

    def ours() -> list[Schedule]:
        hand_over.cache_clear()  # nothing is known from the round before
        return [prepare(one) for one in facts]

    def listed() -> list[list[tuple[datetime, datetime]]]:
        found = zip(ours(), spans, strict=True)
        return [[(one.starts_at, one.ends_at) for one in shifts(each, "uiEng", *span)] for each, span in found]

    took, year = best(listed)
    if theirs is not None:
        assert year == [[(_moment_of(a), _moment_of(b)) for a, b in turns] for turns in made]
    counted, _ = best(lambda: [ledger(each, *span) for each, span in zip(ours(), spans, strict=True)])
    return [
        Figure(f"a year's schedule of {count:,} teams, {sum(map(len, year)):,} turns", f"{took * 1000:,.0f} ms",
               beside, theirs / took if theirs is not None else None, "", None),
        Figure("the same, and who carried how much", f"{counted * 1000:,.0f} ms", "", None, "", None),
    ]  # fmt: skip


def _year_of(zone: str, now: datetime) -> tuple[datetime, datetime]:
    """From this week's Monday at eight, 53 weeks; a week begins on Sunday, as with the others."""
    there = ZoneInfo(zone)
    today = now.astimezone(there).date()
    monday = today + DAY * (1 - today.isoweekday() % 7)
    return hand_over(monday, EIGHT, there), hand_over(monday + timedelta(weeks=53), EIGHT, there)


def _moment_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def feeds(now: datetime) -> list[Figure]:
    """The calendar of a team's coming year, all five disciplines, from the schedule to the file."""
    say("the calendar of a year")
    schedule = prepare(team(1, now))
    wanted = ics.Wanted()
    took, body = best(lambda: ics.calendar("A team", ics.events(schedule, wanted, now, now + YEAR), now))
    events = ics.events(schedule, wanted, now, now + YEAR)
    theirs, beside = None, NO_PEER
    if oncall_peer.is_there():
        same = [(one.summary, one.starts_at, one.ends_at) for one in events]
        theirs, _ = best(lambda: oncall_peer.calendar(same))
        beside = f"{theirs * 1000:,.0f} ms oncall's of shifts that lie ready"
    return [
        Figure(f"the calendar of a year, {len(events):,} events, {len(body) / 1000:,.0f} kB", f"{took * 1000:,.0f} ms",
               beside, theirs / took if theirs is not None else None, "", None),
    ]  # fmt: skip


def best(work: Callable[[], Found]) -> tuple[float, Found]:
    """The seconds of the best of some rounds, and what was made."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - began)
    return min(took), found


async def measured(count: int) -> list[Figure]:
    """Every figure, with so many rotations; half as many teams have a year, a fifth as many acts are done in Slack."""
    now = datetime.now(UTC)
    if not oncall_peer.is_there():
        say(NO_PEER)
    figures = [*looked_up(count, now), *a_year(max(count // 2, 1), now), *feeds(now)]
    with tempfile.TemporaryDirectory(prefix="tallybook-bench-") as place:
        return [*figures, *await slack_answers.measured(Path(place), max(count // 5, 20))]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rotations", type=int, default=1_000)
    count = parser.parse_args().rotations
    as_shipped()
    print(as_table(await measured(count)))


if __name__ == "__main__":
    asyncio.run(main())
