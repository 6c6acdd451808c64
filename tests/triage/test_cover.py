"""Who carried how much, what will go wrong, and who could help."""

from __future__ import annotations

from datetime import date, timedelta

from tallybook.triage.rules import prepare
from tallybook.triage.rules_cover import clashes, doubles, proposals
from tallybook.triage.rules_load import Load, ledger
from tallybook.triage.types import Holiday, Kind, Membership, WhenAbsent
from tests.triage.facts import ANA, BE, BEN, CHEN, DINA, UI, at, away, facts, members, override, roster, sprints

SINCE, UNTIL = at("2026-01-05 16:00"), at("2026-02-16 16:00")  # three sprints: Ana, Ben, Chen


def loads(team: object) -> dict[str, Load]:
    return {one.person: one for one in ledger(prepare(team), SINCE, UNTIL)}


def test_days_weekends_holidays_and_hours_are_counted_for_each() -> None:
    found = loads(facts(holidays=(Holiday(date(2026, 1, 19), "King Day"),)))
    assert found[ANA] == Load(ANA, 1, 14, 4, 0, 0, 0, timedelta(14))
    assert found[BEN] == Load(BEN, 1, 14, 4, 1, 0, 0, timedelta(14))
    assert found[DINA] == Load(DINA)
    assert [one.person for one in ledger(prepare(facts()), SINCE, UNTIL)] == [ANA, BEN, CHEN, DINA]


def test_what_somebody_covered_counts_for_them_and_a_swap_for_neither() -> None:
    covered = loads(facts(overrides=(override(DINA, "2026-01-20 16:00", "2026-01-23 16:00"),)))
    assert (covered[DINA].days, covered[DINA].covered, covered[BEN].given, covered[BEN].days) == (3, 3, 3, 11)
    swapped = loads(facts(overrides=(override(DINA, "2026-01-20 16:00", "2026-01-23 16:00", swap=1),)))
    assert (swapped[DINA].days, swapped[DINA].covered, swapped[BEN].given) == (3, 0, 0)
    gone = loads(facts(absences=(away(BEN, "2026-01-20 16:00", "2026-01-21 16:00"),)))
    assert (gone[CHEN].covered, gone[BEN].given) == (1, 1)


def test_a_day_counts_for_whoever_had_most_of_it() -> None:
    hours = loads(facts(overrides=(override(DINA, "2026-01-20 16:00", "2026-01-20 20:00"),)))
    assert (hours[DINA].days, hours[DINA].shifts, hours[DINA].time) == (0, 1, timedelta(hours=4))
    most = loads(facts(overrides=(override(DINA, "2026-01-20 18:00", "2026-01-21 14:00"),)))
    assert (most[DINA].days, most[BEN].days) == (1, 13)


def test_days_add_up_to_all_days() -> None:
    gone = facts(
        absences=(away(BEN, "2026-01-20", "2026-01-24"),), overrides=(override(DINA, "2026-02-02", "2026-02-09"),)
    )
    assert sum(one.days for one in ledger(prepare(gone), SINCE, UNTIL)) == 42


def test_somebody_on_duty_in_two_disciplines_at_once_is_found() -> None:
    both = facts(
        disciplines=(UI, BE),
        memberships=(*members(ANA, BEN, CHEN, DINA), *members(DINA, BEN, code="beEng")),
        rosters=(roster(), roster((DINA, BEN), code="beEng")),
    )
    (found,) = doubles(prepare(both), SINCE, UNTIL)
    planned = sprints()
    assert (found.person, found.starts_at, found.ends_at) == (BEN, planned[1].starts_at, planned[1].ends_at)
    assert {found.one.discipline, found.other.discipline} == {"beEng", "uiEng"}


def test_an_absence_within_a_turn_is_told_with_who_takes_over_or_that_nobody_does() -> None:
    gone = (away(BEN, "2026-01-21", "2026-01-24"),)
    (settled,) = clashes(prepare(facts(absences=gone)), "uiEng", SINCE, UNTIL)
    assert (settled.absent, settled.shift.person, settled.is_settled) == (BEN, CHEN, True)
    assert (settled.shift.starts_at, settled.shift.ends_at) == (at("2026-01-21"), at("2026-01-24"))
    keep = facts(absences=gone, rosters=(roster(when_absent=WhenAbsent.KEEP),))
    (open_one,) = clashes(prepare(keep), "uiEng", SINCE, UNTIL)
    assert (open_one.absent, open_one.is_settled) == (BEN, False)
    covered = facts(absences=gone, overrides=(override(DINA, "2026-01-21", "2026-01-24"),))
    assert clashes(prepare(covered), "uiEng", SINCE, UNTIL) == []


def test_whoever_carried_least_is_proposed_first_and_who_cannot_is_told_why() -> None:
    eve = "UEVE"
    team = facts(
        disciplines=(UI, BE),
        memberships=(
            *members(ANA, BEN, CHEN, DINA, eve),
            Membership("uiEng", "UFAY", at("2025-01-01"), at("2026-02-20")),
            *members(DINA, code="beEng"),
        ),
        rosters=(roster((ANA, BEN, CHEN, eve)), roster((DINA,), code="beEng", kind=Kind.WEEKLY)),
        absences=(away(CHEN, "2026-02-17", "2026-02-18"),),
    )
    # The fourth sprint is Eve's; Ana and Ben had one each before it.
    fit, refused = proposals(prepare(team), "uiEng", at("2026-02-16 16:00"), at("2026-03-02 16:00"))
    # Ana's next turn is right behind it.
    assert [one.person for one in fit] == [BEN, ANA]
    assert fit[0].reason.days == fit[1].reason.days == 14
    assert fit[0].reason.next_starts == at("2026-03-16 15:00")
    assert fit[1].reason.last_ended == at("2026-01-19 16:00")
    assert {one.person: one.because for one in refused} == {
        CHEN: "absent", DINA: "elsewhere", eve: "on_duty", "UFAY": "leaves",
    }  # fmt: skip
