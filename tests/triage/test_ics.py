"""What calendars are told: each shift once under a name that stays, its changes in order, and what is no more."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import msgspec
import pytest

from tallybook.core.errors import NotFound
from tallybook.triage import ics
from tallybook.triage.ics import Event, Wanted
from tallybook.triage.rules import prepare, shifts
from tallybook.triage.types import Discipline, Facts, Kind, Person, Roster
from tests.triage.facts import ANA, BEN, CHEN, DINA, NAMES, at, away, facts, override, roster, rotation

SINCE, UNTIL = at("2026-01-06"), at("2026-03-01")
NOW = at("2026-01-06")
EVERYBODY = Wanted()


def told(known: Facts, wanted: Wanted = EVERYBODY, since: datetime = SINCE, until: datetime = UNTIL) -> list[Event]:
    return ics.events(prepare(known), wanted, since, until)


def read(body: bytes) -> list[icalendar.Event]:
    return list(icalendar.Calendar.from_ical(body).walk("VEVENT"))


def test_a_calendar_has_the_shifts_that_everything_else_shows() -> None:
    schedule = prepare(facts(overrides=(override(DINA, "2026-01-21", "2026-01-23"),)))
    whole = shifts(schedule, "uiEng", at("2026-01-05T16:00"), at("2026-03-02T16:00"))
    assert [(one.starts_at, one.ends_at, one.summary) for one in ics.events(schedule, EVERYBODY, SINCE, UNTIL)] == [
        (one.starts_at, one.ends_at, f"UI engineering: {NAMES[one.person or '']}") for one in whole
    ]


def test_an_event_is_called_after_its_team_discipline_turn_and_place() -> None:
    known = facts(overrides=(override(DINA, "2026-01-21", "2026-01-23"),))
    assert [one.uid.partition("@")[0] for one in told(known)] == [
        "1.uiEng.1.0", "1.uiEng.2.0", "1.uiEng.2.1", "1.uiEng.2.2", "1.uiEng.3.0", "1.uiEng.4.0",
    ]  # fmt: skip
    daily = facts(rosters=(roster(kind=Kind.DAILY),))
    assert told(daily)[0].uid == "1.uiEng.2026-01-05.0@tallybook"


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo"])
def test_no_two_events_of_years_with_changes_of_the_clocks_share_a_name(zone: str) -> None:
    weekly = roster(number=2, since=at("2011-06-01"), zone=zone, kind=Kind.WEEKLY, days=frozenset({0}))
    known = facts(rosters=(roster(kind=Kind.DAILY, zone=zone), weekly))
    found = told(known, since=at("2010-01-01"), until=at("2013-01-01"))
    assert len({one.uid for one in found}) == len(found) > 500


def test_when_it_is_looked_at_names_and_lengths_stay() -> None:
    known = facts(overrides=(override(DINA, "2026-01-21", "2026-01-23"), override(BEN, "2026-02-05", "2026-02-06", 2)))
    whole = {one.uid: one for one in told(known)}
    for day in range(0, 52, 3):
        for one in told(known, since=SINCE + timedelta(day), until=SINCE + timedelta(day + 1)):
            assert one == whole[one.uid]


def test_one_person_s_calendar_has_their_part_of_each_turn_under_the_names_of_all() -> None:
    known = facts(overrides=(override(DINA, "2026-01-21", "2026-01-23"),))
    assert [one.uid.partition("@")[0] for one in told(known, Wanted(BEN))] == ["1.uiEng.2.0", "1.uiEng.2.2"]
    (dinas,) = told(known, Wanted(DINA))
    assert (dinas.summary, dinas.description) == ("UI engineering", "Sp2\nInstead of Ben")
    with pytest.raises(NotFound):
        told(known, Wanted(discipline="none"))


def test_what_did_not_change_is_not_told_again() -> None:
    first, _ = ics.revised([], told(facts()), NOW, SINCE)
    assert {one.sequence for one in first} == {0}
    assert ics.revised(first, told(facts()), NOW + timedelta(1), SINCE) == ([], [])


def test_a_change_has_a_higher_sequence_and_what_is_no_more_is_cancelled_and_may_come_back() -> None:
    covered = facts(overrides=(override(DINA, "2026-01-21", "2026-01-23"),))
    kept = _after({}, told(covered))
    kept = _after(kept, told(facts()))
    assert [(one.uid.partition("@")[0], one.sequence, one.cancelled) for one in _seconds(kept)] == [
        ("1.uiEng.2.0", 1, False), ("1.uiEng.2.1", 1, True), ("1.uiEng.2.2", 1, True),
    ]  # fmt: skip
    kept = _after(kept, told(facts()))
    assert max(one.sequence for one in kept.values()) == 1  # cancelled once
    kept = _after(kept, told(covered))
    assert [(one.sequence, one.cancelled) for one in _seconds(kept)] == [(2, False)] * 3


def _after(kept: dict[str, Event], now_is: list[Event]) -> dict[str, Event]:
    changed, gone = ics.revised(list(kept.values()), now_is, NOW, SINCE)
    assert gone == []
    return kept | {one.uid: one for one in changed}


def _seconds(kept: dict[str, Event]) -> list[Event]:
    return sorted((one for one in kept.values() if ".uiEng.2." in one.uid), key=lambda one: one.uid)


def test_what_is_too_old_goes_without_being_cancelled() -> None:
    first, _ = ics.revised([], told(facts()), NOW, SINCE)
    later = at("2026-02-10")
    changed, gone = ics.revised(first, told(facts(), since=later), later, later)
    assert changed == []
    assert [one.uid.partition("@")[0] for one in gone] == ["1.uiEng.1.0", "1.uiEng.2.0"]


def test_the_file_is_as_the_standard_has_it_whatever_names_hold() -> None:
    name = 'Ana; \\ O\'Brien, "the" שלום ' + "x" * 60 + "\r\nEND:VCALENDAR"
    known = facts(people=(Person(ANA, name), Person(BEN, "Ben")), disciplines=(Discipline("uiEng", "UI\r\nX:1"),))
    found = told(known)
    body = ics.calendar("Team; Web,\r\n", found, NOW)
    lines = body.split(b"\r\n")
    assert body.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # folded between characters, never within one
    assert lines.count(b"END:VCALENDAR") == 1
    first, *rest = read(body)
    assert str(first["summary"]).startswith('UI X:1: Ana; \\ O\'Brien, "the" שלום xxx')
    assert len(rest) == len(found) - 1
    assert (first["dtstart"].dt, first["dtend"].dt) == (found[0].starts_at, found[0].ends_at)
    assert {str(one["status"]) for one in rest} == {"CONFIRMED"}


def test_a_cancelled_event_is_told_as_one_and_the_same_events_make_the_same_bytes() -> None:
    (one,) = told(facts(), Wanted(BEN))[:1]
    gone = msgspec.structs.replace(one, cancelled=True, sequence=3, changed_at=NOW)
    body = ics.calendar("Ben", [gone], NOW)
    assert body == ics.calendar("Ben", [gone], NOW + timedelta(7))
    (event,) = read(body)
    assert (str(event["status"]), event["sequence"], event["dtstamp"].dt) == ("CANCELLED", 3, NOW)
    whole = icalendar.Calendar.from_ical(body)
    assert (str(whole["method"]), str(whole["version"]), str(whole["name"])) == ("PUBLISH", "2.0", "Ben")


def test_whatever_the_server_s_zone_a_calendar_has_the_same_bytes_in_utc() -> None:
    (one,) = told(facts(), Wanted(BEN))[:1]
    cairo = ZoneInfo("Africa/Cairo")
    there = msgspec.structs.replace(
        one, starts_at=one.starts_at.astimezone(cairo), ends_at=one.ends_at.astimezone(cairo), changed_at=NOW
    )
    body = ics.calendar("Ben", [there], NOW.astimezone(cairo))
    assert body == ics.calendar("Ben", [msgspec.structs.replace(one, changed_at=NOW)], NOW)
    assert b"TZID" not in body
    assert body.count(b"Z\r\n") == 4


def test_nobody_and_a_part_of_a_second_are_no_events() -> None:
    nobody = facts(memberships=())
    assert told(nobody) == []
    tiny = facts(absences=(away(BEN, "2026-01-20T00:00:00.100", "2026-01-20T00:00:00.200"),))
    assert {one.summary for one in told(tiny) if ".uiEng.2." in one.uid} == {"UI engineering: Ben"}


def test_a_new_roster_keeps_the_names_of_the_turns_that_stay() -> None:
    after = facts(rosters=(roster(), Roster("uiEng", 2, at("2026-02-01"), (DINA, CHEN), rotation())))
    before = {one.uid: one for one in told(facts())}
    assert [one.uid for one in told(after)] == list(before)
    assert [one.uid.partition("@")[0] for one in told(after) if one != before[one.uid]] == [
        "1.uiEng.3.0",
        "1.uiEng.4.0",
    ]
