"""An older rota is read as it was meant: its past is told as it was, and what is there twice becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.triage import legacy_rows, legacy_rules
from tallybook.triage.legacy_rules import Plan
from tallybook.triage.rules import prepare, who
from tests.triage.facts import TEAM, at

NOW = at("2026-02-10")  # in the third sprint
Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def user(slack_id: str, name: str, code: str = "uiEng", **more: Any) -> dict[str, Any]:
    return {"slack_id": slack_id, "name": name, "discipline": code} | more


def sprint(index: int | None, week: int, weeks: int = 2, **more: Any) -> dict[str, Any]:
    begins = date(2026, 1, 5) + timedelta(weeks=week)
    days = {"start_date": str(begins), "end_date": str(begins + timedelta(weeks=weeks))}
    return {"sprint_name": f"Sp{index}", "sprint_index": index} | days | more


def asked(index: int, person: str, *, approved: bool | None = True, **more: Any) -> dict[str, Any]:
    told = {"sprint_index": index, "role": "uiEng", "replacement_slack_id": person, "requested_by": "UANA"}
    return told | {"approved": approved} | more


USERS = [user("UANA", "Ana"), user("UBEN", "Ben"), user("UCHEN", "Chen")]
SPRINTS = [sprint(index, 2 * place) for place, index in enumerate((4, 5, 6, 7, 8))]


def planned(**tables: Sequence[Mapping[str, Any]]) -> Plan:
    return legacy_rules.planned({"users": USERS, "sprints": SPRINTS} | tables, TEAM, NOW)


def duty(plan: Plan, code: str = "uiEng") -> list[str | None]:
    schedule = prepare(plan.facts)
    return [who(schedule, code, one.starts_at).person for one in plan.facts.sprints]


def whys(plan: Plan, table: str) -> list[tuple[str, list[str]]]:
    rows = plan.fates.tables[table]
    return [(plan.fates.became[table, place], plan.fates.why.get((table, place), [])) for place in range(len(rows))]


def test_who_was_on_duty_is_told_as_the_old_count_told_it_and_goes_on_so() -> None:
    plan = planned()
    assert duty(plan) == ["UBEN", "UCHEN", "UANA", "UBEN", "UCHEN"]
    assert (plan.compared, plan.unlike, len(plan.facts.rosters)) == (5, [], 1)
    assert [one.number for one in plan.facts.sprints] == [4, 5, 6, 7, 8]


def test_numbers_that_do_not_go_on_as_time_does_are_told_as_they_were() -> None:
    plan = planned(sprints=[sprint(index, 2 * place) for place, index in enumerate((4, 7, 6, 2, 9))])
    assert duty(plan) == ["UBEN", "UBEN", "UANA", "UCHEN", "UANA"]
    assert plan.unlike == []


def test_the_first_approved_request_held_and_the_others_are_history() -> None:
    plan = planned(overrides=[asked(5, "UANA"), asked(5, "UANA", id=2), asked(5, "UBEN"), asked(6, "UZED", id=9)])
    assert duty(plan) == ["UBEN", "UANA", "UZED", "UBEN", "UCHEN"]
    assert [(one.person, one.state, one.note) for one in plan.requests] == [
        ("UANA", "approved", ""),
        ("UBEN", "withdrawn", legacy_rules.HELD_ANOTHER),
        ("UZED", "approved", ""),
    ]
    assert whys(plan, "overrides")[1:] == [
        (legacy_rows.MERGED, [legacy_rules.ASKED_TWICE]),
        (legacy_rows.ADDED, [legacy_rules.HELD_ANOTHER]),
        (legacy_rows.ADDED, [legacy_rules.STOOD_IN]),
    ]
    assert plan.unlike == []


def test_what_waits_waits_once_and_what_waited_for_what_is_over_is_over() -> None:
    waiting = [asked(number, person, approved=None) for number, person in
               ((4, "UANA"), (7, "UANA"), (7, "UANA"), (7, "UCHEN"), (99, "UANA"))]  # fmt: skip
    waiting.append(asked(7, "UANA", approved=None, requested_by="UCHEN"))
    plan = planned(overrides=waiting)
    assert [(one.person, one.state) for one in plan.requests] == [
        ("UANA", "expired"), ("UANA", "pending"), ("UCHEN", "withdrawn"), ("UANA", "withdrawn"),
    ]  # fmt: skip
    fates = [become for become, _ in whys(plan, "overrides")]
    assert fates == ["added", "added", "merged", "added", "left out", "added"]
    assert duty(plan) == duty(planned())


def test_what_was_set_by_hand_in_the_current_sprint_holds_before_all() -> None:
    state = {"id": 1, "sprint_index": 6, "ui_eng_slack_id": "UCHEN", "be_eng_slack_id": None}
    other = {"id": 2, "sprint_index": 6, "ui_eng_slack_id": "UBEN"}
    plan = planned(current_state=[other, state], overrides=[asked(6, "UBEN")])
    assert duty(plan)[2] == "UCHEN"
    assert [(one.person, one.state, one.note) for one in plan.requests] == [
        ("UCHEN", "approved", ""), ("UBEN", "withdrawn", legacy_rules.BY_STATE),
    ]  # fmt: skip
    assert whys(plan, "current_state")[0] == (legacy_rows.LEFT_OUT, [legacy_rows.STATE_TWICE])
    assert plan.unlike == []


def test_nobody_by_hand_cannot_be_kept_and_is_said() -> None:
    plan = planned(current_state=[{"id": 1, "sprint_index": 6, "ui_eng_slack_id": None}])
    assert whys(plan, "current_state") == [(legacy_rows.ADDED, [legacy_rules.NOBODY_BY_HAND])]
    empty = planned(current_state=[{"id": 1, "sprint_index": None}])
    assert whys(empty, "current_state") == [(legacy_rows.LEFT_OUT, [legacy_rows.SAYS_NOTHING])]


def test_somebody_in_several_disciplines_is_one_and_somebody_twice_in_one_took_turns_twice_until_now() -> None:
    users = [user("UANA", "Ana"), user("UANA", "Anna"), user("UBEN", "Ben"), user("UANA", "Ana", "be_eng")]
    plan = planned(users=users)
    assert duty(plan)[:3] == ["UANA", "UBEN", "UANA"]  # 4, 5, 6 modulo 3
    assert duty(plan)[3:] == ["UANA", "UBEN"]
    assert plan.repeated == ["uiEng"]
    assert plan.unlike == []
    assert [(one.slack_id, one.name) for one in plan.facts.people] == [("UANA", "Ana"), ("UBEN", "Ben")]
    assert whys(plan, "users")[1] == (legacy_rows.MERGED, [legacy_rows.TWICE, legacy_rows.SEVERAL_NAMES])
    assert {one.code for one in plan.facts.disciplines} == {"uiEng", "beEng"}


def test_who_is_not_active_takes_no_turns_and_belonged() -> None:
    plan = planned(users=[*USERS, user("UDINA", "Dina", active=False, updated_at="2026-01-20T10:00:00")])
    assert duty(plan) == duty(planned())
    (gone,) = [one for one in plan.facts.memberships if one.person == "UDINA"]
    assert gone.until == at("2026-01-20T10:00")


def test_sprints_that_lay_over_each_other_or_cannot_be_read() -> None:
    wrong = [
        sprint(4, 0), sprint(4, 0), sprint(9, 0, 3), sprint(5, 2, 4), sprint(6, 4), sprint(6, 6), sprint(None, 8),
        sprint(10, 3, start_date="soon"), sprint(11, 3, -1),
    ]  # fmt: skip
    plan = planned(sprints=wrong)
    assert [(one.number, str(one.first_day), str(one.last_day)) for one in plan.facts.sprints] == [
        (4, "2026-01-05", "2026-01-19"), (5, "2026-01-19", "2026-02-02"), (6, "2026-02-02", "2026-02-16"),
        (7, "2026-02-16", "2026-03-02"), (8, "2026-03-02", "2026-03-16"),
    ]  # fmt: skip
    assert [become for become, _ in whys(plan, "sprints")] == [
        "added", "merged", "left out", "added", "added", "added", "added", "left out", "left out",
    ]  # fmt: skip
    assert whys(plan, "sprints")[3][1] == [legacy_rows.CUT]
    assert plan.unlike == []


def test_the_files_say_the_same_as_the_tables() -> None:
    files = {
        "disciplines": [{"slackId": one["slack_id"], "name": one["name"], "discipline": "uiEng"} for one in USERS],
        "users": [{"slackId": "UANA", "name": "Ana", "discipline": "uiEng"}, {"slackId": "bad id", "name": "x"}],
        "sprints": [{"sprintName": one["sprint_name"], "sprintIndex": one["sprint_index"],
                     "startDate": one["start_date"], "endDate": one["end_date"]} for one in SPRINTS],
        "current_state": [{"sprintIndex": 6, "uiEng": "UBEN", "po": None}],
        "overrides": [{"sprintIndex": 5, "role": "uiEng", "newSlackId": "UANA", "newName": "Ana", "approved": True,
                       "requestedBy": "UBEN", "approvalTimestamp": "2026-01-17T15:46:30.360Z"}],
    }  # fmt: skip
    plan = legacy_rules.planned(files, TEAM, NOW)
    assert duty(plan) == ["UBEN", "UANA", "UBEN", "UBEN", "UCHEN"]
    assert plan.unlike == []
    assert [become for become, _ in whys(plan, "users")] == ["merged", "left out"]


@pytest.mark.parametrize("tables", [{}, {"users": USERS}, {"sprints": SPRINTS}, {"audit_logs": [{"id": 1}]}])
def test_what_is_missing_is_no_fault(tables: Tables) -> None:
    plan = legacy_rules.planned(tables, TEAM, NOW)
    assert plan.unlike == []
    assert sum(len(rows) for rows in tables.values()) == len(plan.fates.became)


PEOPLE = st.sampled_from(["UANA", "UBEN", "UCHEN", "UDINA", "not one"])
CODES = st.sampled_from(["uiEng", "ui_eng", "beEng", "po", ""])
INDEX = st.one_of(st.none(), st.integers(0, 9))
ROWS = st.fixed_dictionaries({
    "users": st.lists(st.builds(lambda who, code, on: user(who, who.title(), code, active=on), PEOPLE, CODES,
                                st.sampled_from([True, True, False])), max_size=8),
    "sprints": st.lists(st.builds(sprint, INDEX, st.integers(0, 12), st.integers(-1, 4)), max_size=8),
    "overrides": st.lists(st.builds(lambda index, who, yes, code: asked(index, who, approved=yes, role=code),
                                    st.integers(0, 9), PEOPLE, st.booleans(), CODES), max_size=8),
    "current_state": st.lists(st.builds(lambda index, who: {"sprint_index": index, "ui_eng_slack_id": who},
                                        INDEX, PEOPLE), max_size=2),
})  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_whatever_stands_in_the_tables_the_past_is_told_alike_and_every_row_has_a_fate(tables: Tables) -> None:
    plan = legacy_rules.planned(tables, TEAM, NOW)
    assert plan.unlike == []
    assert set(plan.fates.became) == {(table, place) for table, rows in tables.items() for place in range(len(rows))}
    spans = [(one.starts_at, one.ends_at) for one in plan.facts.sprints]
    assert all(one[1] <= after[0] for one, after in pairwise(spans))
    slots = [(one.sprint.id, one.discipline) for one in plan.requests if one.state == "approved"]
    assert len(slots) == len(set(slots))
    keys = [one.key for one in plan.requests]
    assert len(keys) == len(set(keys))
