"""What comes back from Slack is read as little as possible and believed even less."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallybook.core.errors import Invalid
from tallybook.triage.blocks import names, submitted, submitted_admin
from tallybook.triage.blocks.names import Choice, Held, Turn, day_of, held_of, person_of, team_of, turn_of, written
from tests.triage.facts import ANA, TEAM, at

NOW = at("2026-01-19T18:00")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=8,
)
# Answers of the right form up to where they stop to be.
element = st.dictionaries(
    st.sampled_from([
        "value", "selected_option", "selected_options", "selected_date", "selected_date_time", "selected_time",
        "selected_user",
    ]),
    anything | st.fixed_dictionaries({"value": anything}) | st.lists(st.fixed_dictionaries({"value": st.text()})),
)  # fmt: skip
state = st.dictionaries(
    st.sampled_from([one.value for one in names.Field]),
    st.sampled_from([one.value for one in names.Field]).flatmap(lambda name: st.fixed_dictionaries({name: element}))
    | anything,
)


def test_what_a_button_carries_comes_back_as_it_was() -> None:
    held = Held(7, "uiEng", ANA, 12, 3, 1, 2, date(2026, 1, 5), 9, "0123456789abcdef", Choice.DECLINE, True)
    assert held_of(written(held)) == held
    assert held_of(written(Held(7))) == Held(7)
    turn = Turn("a|b", ANA, at("2026-01-05T16:00"), at("2026-01-19T16:00"))
    assert turn_of(f"a|b|{names.seconds(turn.starts_at)}|{names.seconds(turn.ends_at)}|{ANA}") == turn


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "", "{}", "[]", '{"team":-1}', '{"team":"1"}', '{"team":1,"more":2}', '{"team":1e400}',
        '{"team":null}',
        '{"team":1,"person":"<@U1>"}', '{"team":1,"page":10001}', '{"team":1,"since":99999999999}', "\ud800",
        '{"team":1,"shown":"x"}', '{"team":1,"choice":"drop"}', '{"team":1,"discipline":"' + "x" * 21 + '"}',
        '{"team":1,"day":"9999-12-31"}', '{"team":1}' + " " * 3000,
    ],
)  # fmt: skip
def test_what_no_button_of_ours_carries_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        held_of(value)


@pytest.mark.parametrize(
    "value",
    [
        None, "", "uiEng", f"uiEng|1|2|{ANA}|", f"uiEng|2|1|{ANA}", f"uiEng|1|1|{ANA}", "uiEng|1|2|<@U1>",
        f"|1|2|{ANA}",
        f"uiEng|0|{800 * 86_400 + 1}|{ANA}", f"uiEng|1|٢|{ANA}", f"uiEng|-1|2|{ANA}", "x" * 151,
        f"uiEng|32503680000|32503680001|{ANA}",
    ],
)  # fmt: skip
def test_what_is_no_turn_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        turn_of(value)


def test_neither_is_anything_else_taken_for_what_it_is_not() -> None:
    assert (person_of(ANA), team_of("12"), day_of("2026-01-05")) == (ANA, 12, date(2026, 1, 5))
    for read, wrong in (
        (person_of, "u1"), (person_of, "U1\n"), (person_of, ["U1"]), (team_of, "-1"), (team_of, "1" * 13), (team_of, 1),
        (team_of, "٢"), (day_of, "9999-12-31"), (day_of, "0001-01-01"), (day_of, "tomorrow"), (day_of, None),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            read(wrong)


def test_a_period_that_no_turn_lasts_is_none() -> None:
    assert Held(1, since=5, until=9).span is not None
    for wrong in (Held(1), Held(1, since=9, until=5), Held(1, since=0, until=names.LONGEST_SPAN + 1)):
        assert wrong.span is None


@given(anything)
@example('{"team":1}')
def test_any_value_is_either_one_of_ours_or_invalid(value: object) -> None:
    for read in (held_of, turn_of, person_of, team_of, day_of):
        try:
            read(value)
            read(json.dumps(value))
        except Invalid:
            pass


@given(state | anything)
def test_a_form_is_read_or_told_what_is_wrong_whatever_is_sent_in(values: object) -> None:
    held = Held(1, "uiEng", ANA, 3, since=names.seconds(NOW), until=names.seconds(NOW) + 3600)
    for wanted in (
        submitted.turn(values, "en"), submitted.cover(values, held, NOW, "he"), submitted.note(values, "en"),
        submitted_admin.sprint(values, held, "en"), submitted_admin.reason(values, "he"),
        submitted_admin.discipline(values, Held(1), frozenset(), "en"), submitted_admin.joining(values, "en"),
        submitted_admin.roster(values, held, TEAM, None, "en"), submitted_admin.leaving(values, held, "en"),
    ):  # fmt: skip
        if isinstance(wanted, submitted.Errors):
            assert all(len(one) < 256 for one in wanted.by_block.values())
            assert wanted.by_block
    submitted.chosen_person(values)
    submitted.chosen_span(values, held)
    submitted.chosen_substitute(values)
