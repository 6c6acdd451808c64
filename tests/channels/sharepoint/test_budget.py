"""Never more than SharePoint allows in any minute, and never a request while told to wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.channels.sharepoint import answers
from tallybook.channels.sharepoint.budget import WINDOW, Budget

COSTS = st.lists(st.tuples(st.sampled_from([1, 2, 5, 40]), st.floats(0, 20)), min_size=1, max_size=60)


@given(COSTS)
def test_no_sixty_seconds_ever_use_more_than_the_limit(asked: list[tuple[int, float]]) -> None:
    budget, now = Budget(limit=100), 0.0
    left: list[tuple[float, int]] = []
    for cost, pause in asked:
        now += pause
        while (wait := budget.wait(cost, now)) > 0:
            now += wait
        budget.take(cost, now)
        left.append((now, cost))
    for at, _ in left:
        assert sum(cost for when, cost in left if at <= when < at + WINDOW) <= 100


@given(st.lists(st.floats(0, 300), min_size=1, max_size=20))
def test_a_pause_holds_for_every_request_and_a_shorter_one_never_shortens_it(pauses: list[float]) -> None:
    budget = Budget()
    for pause in pauses:
        budget.refused(pause, 0.0)
    assert budget.wait(1, 0.0) == pytest.approx(max(pauses))
    assert budget.wait(1, max(pauses)) == 0


def test_without_a_time_to_wait_each_refusal_doubles_it() -> None:
    budget = Budget()
    waits = []
    for _ in range(4):
        budget.refused(None, 0.0)
        waits.append(budget.wait(1, 0.0))
    assert waits == [2, 4, 8, 16]
    budget.went_well()
    budget.refused(None, 100.0)
    assert budget.wait(1, 100.0) == 2


def test_it_slows_down_before_it_is_refused_where_sharepoint_says_how_little_is_left() -> None:
    budget = Budget()
    budget.near_the_end(200, 30, 0.0)
    assert budget.wait(1, 0.0) == 0
    budget.near_the_end(1, 30, 0.0)
    assert budget.wait(1, 0.0) == 30


NOW = datetime(2025, 12, 2, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("10", 10), ("0.5", 0.5), ("Tue, 02 Dec 2025 18:00:30 GMT", 30), ("Tue, 02 Dec 2025 17:00:00 GMT", 0),
        ("", None), ("soon", None), ("-5", None),
    ],
)  # fmt: skip
def test_a_time_to_wait_is_read_in_either_of_its_forms(text: str, waits: float | None) -> None:
    assert answers.seconds({"retry-after": text}, NOW) == waits


def test_what_another_process_used_within_the_minute_counts() -> None:
    budget = Budget(limit=100)
    budget.presume(90, ago=20, now=1000.0)
    assert budget.wait(10, 1000.0) == 0
    assert budget.wait(11, 1000.0) == WINDOW - 20
    budget = Budget(limit=100)
    budget.presume(500, ago=0, now=1000.0)
    assert budget.wait(1, 1000.0) == WINDOW
    budget = Budget(limit=100)
    budget.presume(500, ago=WINDOW, now=1000.0)
    assert budget.wait(100, 1000.0) == 0
