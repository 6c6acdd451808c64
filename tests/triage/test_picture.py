"""The coming weeks as a picture: what is drawn beside the shifts."""

from __future__ import annotations

import io
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageColor

from tallybook.triage import picture
from tallybook.triage.rules import prepare, who
from tallybook.triage.types import NOBODY, Holiday, Override, Unused, Why
from tests.triage.facts import ANA, BE, BEN, CHEN, DINA, UI, at, away, facts, members, override, roster, sprints

FIRST, DAYS = date(2026, 1, 12), 28
HOLIDAYS = (
    Holiday(date(2026, 2, 9), "The day after the last"), Holiday(date(2026, 1, 19), "Martin Luther King Jr. Day"),
    Holiday(date(2026, 1, 12), "Founders’ Day"), Holiday(date(2026, 1, 11), "Yesterday"),
)  # fmt: skip


def drawn(now: datetime, locale: str = "en", title: str = "Web: the coming weeks") -> bytes:
    schedules = [prepare(facts(holidays=HOLIDAYS))]
    caption = picture.Caption(title, locale=locale)
    return picture.picture(schedules, picture.rows(schedules, FIRST, DAYS), FIRST, DAYS, caption, now)


def across(content: bytes, colour: str) -> list[int]:
    """At which dots from the left a colour is found."""
    with Image.open(io.BytesIO(content)) as found:
        dots = np.asarray(found.convert("RGB"))
    is_it = (dots == ImageColor.getrgb(colour)).all(axis=2)
    return [int(place) for place in np.unique(np.nonzero(is_it)[1])]


def test_the_holidays_of_the_weeks_that_are_drawn_are_named_in_their_order() -> None:
    found = picture.holidays([prepare(facts(holidays=HOLIDAYS))], FIRST, DAYS)
    assert list(found.items()) == [
        (date(2026, 1, 12), "Founders’ Day"), (date(2026, 1, 19), "Martin Luther King Jr. Day"),
    ]  # fmt: skip
    assert picture.holidays([], FIRST, DAYS) == {}


@pytest.mark.parametrize("locale", ["en", "he"])
def test_a_line_stands_at_now_and_moves_on_as_people_read(locale: str) -> None:
    monday, tuesday = (across(drawn(at(when), locale), picture.MOMENT) for when in ("2026-01-12T20", "2026-01-20T20"))
    assert len(monday) in range(1, 8), "one line"
    assert (tuesday[0] > monday[0]) is (locale == "en")
    assert across(drawn(at("2026-03-01T20"), locale), picture.MOMENT) == []


# Somebody stands in, somebody is away, nobody is set, no sprint is planned, and a discipline goes out of use.
PLANNED = sprints(2, first=date(2026, 1, 12), days=7)
BARS = facts(
    disciplines=(UI, msgspec.structs.replace(BE, unused=(Unused(at("2026-01-20T16")),))),
    memberships=(*members(ANA, BEN, CHEN, DINA), *members(CHEN, DINA, code="beEng")),
    rosters=(roster((ANA, BEN)), roster((CHEN, DINA), code="beEng")),
    sprints=PLANNED,
    overrides=(
        override(DINA, "2026-01-13T16", "2026-01-15T16"),
        Override(2, "uiEng", None, at("2026-01-23T16"), PLANNED[1].ends_at, BEN, reason="Quiet"),
    ),
    absences=(away(CHEN, "2026-01-14T16", "2026-01-16T16"),),
)


@pytest.mark.parametrize("locale", ["en", "he"])
def test_each_day_of_each_discipline_has_the_colour_of_whoever_is_on_duty_at_its_noon(locale: str) -> None:
    schedule, days = prepare(BARS), 21
    rows = picture.rows([schedule], FIRST, days)
    caption = picture.Caption("Web", locale=locale)
    with Image.open(io.BytesIO(picture.picture([schedule], rows, FIRST, days, caption, at("2026-03-01")))) as png:
        dots = np.asarray(png.convert("RGB"))
    people = sorted({shift.person for row in rows for shift in row.shifts if shift.person})
    of_person = {one: ImageColor.getrgb(colour) for one, colour in zip(people, picture.COLOURS, strict=False)}
    whys = set()
    for place, code in enumerate(("uiEng", "beEng")):
        for day in range(days):
            noon = datetime.combine(FIRST + timedelta(day), time(12), schedule.facts.team.tz)
            answer = who(schedule, code, noon)
            whys.add(answer.why)
            found = bar_at(dots, place, day, (len(rows), len(people), days), turned=locale == "he")
            expected = of_person.get(answer.person or "", "nobody" if answer.why in MISSED else "")
            assert found == expected, (code, noon, answer.why)
    assert whys == {Why.SLOT, Why.OVERRIDE, Why.SUBSTITUTE, Why.UNASSIGNED, Why.NO_SPRINT, Why.OUT_OF_USE}


# Where the picture says that nobody is on duty.
MISSED = NOBODY - {Why.OFF, Why.NO_ROSTER, Why.OUT_OF_USE}


def bar_at(dots: Any, place: int, day: int, sizes: tuple[int, int, int], *, turned: bool) -> tuple[int, int, int] | str:
    """The colour of a row's bar at a day's noon, above its name; ``nobody`` where it is nobody's, "" without one."""
    rows, people, days = sizes
    lines = -(-people // picture.IN_A_LINE)
    height = picture.HEAD + picture.ROW * rows + picture.LEGEND_LINE * lines + 0.2
    top = (picture.HEAD) * picture.DOTS
    assert dots.shape[0] == pytest.approx(height * picture.DOTS, abs=1)
    left, wide = (0.02 if turned else 0.14), 0.84
    part = (day + 0.5) / days
    x = round((left + wide * (1 - part if turned else part)) * picture.WIDTH * picture.DOTS)
    above, edge = (round(top + (place + 0.5 - up) * picture.ROW * picture.DOTS) for up in (0.27, 0.36))
    ink = ImageColor.getrgb(picture.NOBODY)
    if any(tuple(dots[y, x]) == ink for y in range(edge - 3, edge + 4)):
        return "nobody"
    colour = tuple(int(one) for one in dots[above, x])
    return colour if colour in {ImageColor.getrgb(one) for one in picture.COLOURS} else ""
