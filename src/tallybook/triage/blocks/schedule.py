"""Who is on duty: the answer to a command, a mention or a direct message, and the views of shifts, rosters, sprints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from tallybook.triage.rules import timeline, who
from tallybook.triage.rules_turns import hand_over
from tallybook.triage.types import Shift, Team

from .elements import (
    Ready,
    actions,
    button,
    day,
    escaped,
    fitted,
    header,
    image,
    modal,
    option,
    pages,
    section,
    sections,
    select,
    shortened,
)
from .limits import MOST, Block, Message, message, view
from .names import Act, View, seconds
from .requests import turning
from .showing import LONGEST_NAME, Seen

ONE_DAY = timedelta(days=1)
AHEAD = timedelta(days=182)
MOST_COMING = 3
DISCIPLINES_ON_PAGE = 15
SHIFTS_ON_PAGE = 20
LONGEST_TEXT = 3000
LONGEST_URL = 3000
MOST_TEAMS = MOST["options"]
_WORD = re.compile(r"[\w-]+")


def who_is_on(seen: Seen, codes: Sequence[str] | None = None) -> Message:
    """Who is on duty now, in these disciplines or in all; with the button to everything else."""
    listed = [one.code for one in seen.disciplines if codes is None or one.code in codes]
    heading = seen.plain("now_title", team=shortened(seen.team.name, LONGEST_NAME))
    lines = [seen.on_duty(who(seen.schedule, code, seen.now).shift) for code in listed]
    if not lines:
        lines = [seen.say("no_disciplines" if codes is None else "no_such")]
    shown = seen.capped(lines)
    text = fitted(Ready("\n".join([escaped(heading), *shown])), LONGEST_TEXT)
    more = actions([button(seen.plain("see_schedule"), Act.OPEN_SCHEDULE, seen.held())])
    return message(text, [header(heading), *sections(shown), more, seen.foot()])


def asked_about(text: str, seen: Seen) -> list[str] | None:
    """The disciplines that a message names, by code or by name; None where it names none, which is to ask for all."""
    said = f" {' '.join(_WORD.findall(text)).casefold()} "
    named = [
        one.code
        for one in seen.disciplines
        if any(f" {' '.join(_WORD.findall(name)).casefold()} " in said for name in (one.code, one.name))
    ]
    return named or None


def schedule_view(seen: Seen, on: date | None = None, page: int = 0, picture: str = "") -> Block:
    """``/triage-schedule``: who is on duty now and next, or in all of a day from hand-over to hand-over.

    ``picture`` is the address of the picture of the coming weeks, "" where there is none.
    """
    listed = seen.disciplines if on is None else seen.used_in(*_day(seen, on))
    shown, page, count = pages(len(listed), page, DISCIPLINES_ON_PAGE)
    blocks: list[Block] = [*team_choice(seen), _day_choice(seen, on), *seen.aged()]
    for place in shown:
        code = listed[place].code
        lines = list(_on_day(seen, code, on)) if on is not None else list(_from_now(seen, code))
        blocks += sections(seen.capped(lines, MOST_COMING * 4))
    if not listed:
        blocks.append(section(seen.say("no_disciplines")))
    if on is None:
        blocks += coming_weeks(seen, picture)
    held = seen.held(page=page, day=on)
    blocks += turning(seen, page, count, held)
    if seen.reader:
        blocks.append(actions([button(seen.plain("ask"), Act.OPEN_COVER, seen.held())]))
    body = modal(View.SCHEDULE, seen.plain("schedule"), [*blocks, seen.foot()], held, close=seen.plain("close"))
    return view(body)


def coming_weeks(seen: Seen, url: str) -> list[Block]:
    """The picture of the coming weeks at an address, "" being none."""
    if not url or len(url) > LONGEST_URL:
        return []
    return [image(url, seen.plain("picture", team=shortened(seen.team.name, LONGEST_NAME)))]


def _day_choice(seen: Seen, on: date | None) -> Block:
    found = day(Act.DAY, on or seen.now.astimezone(seen.zone).date())
    return actions([found])


def team_choice(seen: Seen) -> list[Block]:
    """A choice among the reader's teams, where there are several."""
    if len(seen.teams) <= 1:
        return []
    options = [option(one.name, str(one.id)) for one in _first_teams(seen)]
    return [actions([select(Act.TEAM, options, str(seen.team.id), seen.plain("team"))])]


def _first_teams(seen: Seen) -> list[Team]:
    """As many as can be chosen from, the shown one among them."""
    others = [one for one in seen.teams if one.id != seen.team.id]
    return [seen.team, *others][:MOST_TEAMS]


def _from_now(seen: Seen, code: str) -> Iterator[Ready]:
    running = who(seen.schedule, code, seen.now).shift
    yield seen.on_duty(running)
    ahead = timeline(seen.schedule, code, min(running.ends_at, seen.now + AHEAD), seen.now + AHEAD)
    for shift, _ in zip((one for one in ahead if one.person is not None), range(MOST_COMING), strict=False):
        yield Ready(f"• {seen.then(shift)}")


def _day(seen: Seen, on: date) -> tuple[datetime, datetime]:
    """From a day's hand-over to the next one's."""
    since, until = (hand_over(one, seen.team.hand_over, seen.zone) for one in (on, on + ONE_DAY))
    return since, until


def _on_day(seen: Seen, code: str, on: date) -> Iterator[Ready]:
    yield Ready(f"*{escaped(seen.discipline(code))}*")
    for shift in timeline(seen.schedule, code, *_day(seen, on)):
        yield Ready(f"• {seen.then(shift)}")


def mine_view(seen: Seen, page: int = 0) -> Block:
    """The reader's shifts of the half year ahead, each with a button to ask for cover."""
    theirs = _theirs(seen)
    shown, page, count = pages(len(theirs), page, SHIFTS_ON_PAGE)
    blocks: list[Block] = [*seen.aged(), *(shift_block(seen, theirs[place]) for place in shown)]
    if not theirs:
        blocks.append(section(seen.say("no_mine")))
    held = seen.held(page=page, person=seen.reader)
    blocks += turning(seen, page, count, seen.held(page=page))
    body = modal(View.MINE, seen.plain("mine_title"), [*blocks, seen.foot()], held, close=seen.plain("close"))
    return view(body)


def _theirs(seen: Seen) -> list[Shift]:
    if not seen.reader:
        return []
    return seen.coming(seen.reader, AHEAD)


def shift_block(seen: Seen, shift: Shift) -> Block:
    """One of the reader's shifts with its button."""
    held = seen.held(
        discipline=shift.discipline, person=shift.person or "",
        since=seconds(shift.starts_at), until=seconds(shift.ends_at),
    )  # fmt: skip
    return section(seen.mine(shift), button(seen.plain("ask"), Act.OPEN_COVER, held))


def rosters_view(seen: Seen, page: int = 0) -> Block:
    """Rotation lists: who takes turns in each discipline, in the order that is in force, whose turn it is in bold."""
    listed = seen.disciplines
    shown, page, count = pages(len(listed), page, DISCIPLINES_ON_PAGE)
    blocks: list[Block] = [*seen.aged()]
    for place in shown:
        one = listed[place]
        blocks += sections([Ready(f"*{escaped(seen.discipline(one.code))}*"), *seen.capped(order(seen, one.code))])
    if not listed:
        blocks.append(section(seen.say("no_disciplines")))
    held = seen.held(page=page)
    blocks += turning(seen, page, count, held)
    body = modal(View.ROSTERS, seen.plain("rosters"), [*blocks, seen.foot()], held, close=seen.plain("close"))
    return view(body)


def order(seen: Seen, code: str) -> list[Ready]:
    """A discipline's roster as it is in force, one line each, whose turn runs in bold."""
    reign = seen.schedule.rota(code).reign_at(seen.now)
    if reign is None or not reign.roster.people:
        return [seen.say("roster_empty")]
    slot = reign.at(seen.now)
    whose = reign.turn_of(slot) if slot is not None else None
    lines = []
    for place, person in enumerate(reign.roster.people, 1):
        line = seen.say("roster_line", place=place, who=seen.who(person))
        lines.append(Ready(f"*{line}*") if person == whose else line)
    return lines


def now_lines(seen: Seen, codes: Sequence[str]) -> list[Ready]:
    """Who is on duty now in each, and who follows."""
    lines = []
    for code in codes:
        running = who(seen.schedule, code, seen.now).shift
        ahead = timeline(seen.schedule, code, min(running.ends_at, seen.now + AHEAD), seen.now + AHEAD)
        after = next((one for one in ahead if one.person is not None), None)
        if after is None:
            follows = seen.say("no_next")
        else:
            follows = seen.say("next", who=seen.who(after.person), since=seen.at(after.starts_at))
        lines.append(Ready(f"{seen.on_duty(running)} {follows}"))
    return lines
