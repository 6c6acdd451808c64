"""What the monitor decides, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.errors import Invalid
from tallybook.monitor import rules
from tallybook.monitor.types import STEP_COLUMNS, STEPS, Changes, Effect, Post, Review, Verdict, verdicts
from tests.monitor.desk import LAWLEY

USUAL = rules.compile_pattern(None)


@pytest.mark.parametrize(
    ("text", "drops"),
    [
        ("DR1752104", ["DR1752104"]),
        ("dr1752104", ["DR1752104"]),
        ("DR 1752104", ["DR1752104"]),
        ("DR:1752104", ["DR1752104"]),
        ("Dr: 1752104", ["DR1752104"]),
        ("DR\u00a01752104", ["DR1752104"]),
        ("DR123456 DR12345678", ["DR123456", "DR12345678"]),
        ("done DR1752104.DR1733787,DR1752104", ["DR1752104", "DR1733787"]),
        ("*DR1752104*", ["DR1752104"]),
        ("מותקן DR1752104 תודה", ["DR1752104"]),
        ("DR12345", []),
        ("DR123456789", []),
        ("XDR1752104", []),
        ("DR1752104X", []),
        ("DR  1752104", []),
        ("DR-1752104", []),
        ("DR١٧٥٢١٠٤", []),
        ("ADDR1752104", []),
        ("", []),
    ],
)
def test_drops_are_recognised_as_people_write_them(text: str, drops: list[str]) -> None:
    assert rules.drops_in(text, USUAL) == drops


@given(
    digits=st.lists(st.from_regex(r"[0-9]{6,8}", fullmatch=True), min_size=1, max_size=5, unique=True),
    spelling=st.sampled_from(["DR", "dr", "Dr ", "dR:", "DR: "]),
    between=st.sampled_from([" ", "\n", ", ", " and ", "; ", " 👍 "]),
)
def test_every_drop_in_a_message_is_found_once_and_normalised(digits: list[str], spelling: str, between: str) -> None:
    text = between.join(f"{spelling}{number}" for number in digits)
    assert rules.drops_in(f"{text}{between}{text}", USUAL) == [f"DR{number}" for number in digits]


@given(st.text())
def test_what_is_found_is_always_dr_and_six_to_eight_digits(text: str) -> None:
    for drop in rules.drops_in(text, USUAL):
        assert drop[:2] == "DR"
        assert drop[2:].isascii()
        assert drop[2:].isdecimal()
        assert 6 <= len(drop[2:]) <= 8


def _post(number: int, said_at: datetime) -> Post:
    return Post(number, True, "DR1752104", LAWLEY, said_at, None, "primary", LAWLEY.group)


def _review(comment: str) -> Review:
    return Review(
        UUID(int=1), "DR1752104", "Lawley", "fibre", date(2025, 12, 2), None, "unresolved", None, None, {}, {}, comment,
        resubmitted=True, completed=False, feedback_sent=None, updated_at=NOON, lock=None,
    )  # fmt: skip


NOON = datetime(2025, 12, 2, 12, tzinfo=UTC)
MINUTES = st.integers(-500, 500).map(lambda minutes: NOON + timedelta(minutes=minutes))


@given(times=st.lists(MINUTES, min_size=1, max_size=20), last=st.none() | MINUTES)
def test_however_posts_arrive_one_review_is_made_and_no_clock_goes_back(
    times: list[datetime], last: datetime | None
) -> None:
    decided = rules.effects([_post(n, said_at) for n, said_at in enumerate(times)], last, NOON)
    assert [effect for _, effect in decided].count(Effect.CREATED) == (last is None)
    moved = [post.said_at for post, effect in decided if effect is not Effect.HISTORY]
    assert moved == sorted(moved)
    assert all(post.said_at < last for post, effect in decided if effect is Effect.HISTORY and last is not None)
    assert len(decided) == len(times)


@given(
    dates=st.lists(st.datetimes(datetime(2009, 1, 1), datetime(9997, 1, 1), timezones=st.just(UTC)), max_size=20),
    before=st.none() | st.datetimes(datetime(2009, 1, 1), datetime(9997, 1, 1), timezones=st.just(UTC)),
)
def test_however_wrong_a_date_a_post_of_two_days_later_is_no_history(
    dates: list[datetime], before: datetime | None
) -> None:
    """Each was seen an hour after the one before; whatever clock stood there, an older release's too."""
    last, seen_at = before, NOON
    for number, said_at in enumerate(dates):
        seen_at += timedelta(hours=1)
        ((post, effect),) = rules.effects([_post(number, said_at)], last, seen_at)
        if effect is not Effect.HISTORY:
            last = rules.clock(post.said_at, seen_at)
    later = seen_at + timedelta(days=2)
    if last is not None and (dates or last <= NOON):
        ((_, effect),) = rules.effects([_post(99, later)], last, later)
        assert effect is Effect.RESUBMITTED


@given(said_at=MINUTES, seen_at=MINUTES)
def test_what_can_have_been_said_is_believed(said_at: datetime, seen_at: datetime) -> None:
    assert rules.clock(said_at, seen_at) == said_at


def test_many_notes_of_posts_hinder_no_reviewer() -> None:
    review = _review("--- RESUBMITTED ---\n" * 900 + "seen")
    assert len(review.comment) > rules.MAX_COMMENT
    ticked = Changes({STEP_COLUMNS[0]: True})
    assert rules.apply_changes(review, ticked)[0][STEP_COLUMNS[0]]
    as_a_form_sends_it = msgspec.structs.replace(ticked, comment=review.comment.replace("\n", "\r\n"))
    assert rules.apply_changes(review, as_a_form_sends_it)[0][STEP_COLUMNS[0]]
    with pytest.raises(Invalid, match="10,000"):
        rules.apply_changes(review, Changes(comment=review.comment + "!"))


@pytest.mark.parametrize(
    ("said_at", "day"),
    [("2025-12-01T21:59:59+00:00", date(2025, 12, 1)), ("2025-12-01T22:00:00+00:00", date(2025, 12, 2))],
)
def test_a_day_turns_at_midnight_on_the_business_s_wall(said_at: str, day: date) -> None:
    assert rules.business_date(datetime.fromisoformat(said_at), ZoneInfo("Africa/Johannesburg")) == day


def test_a_reason_makes_a_step_wrong_ticked_or_not() -> None:
    first, second, third = STEP_COLUMNS[:3]
    found = verdicts({first: True, second: True}, {second: "Blurry", third: "Not installed"})
    assert found[:3] == [Verdict.RIGHT, Verdict.WRONG, Verdict.WRONG]
    assert set(found[3:]) == {Verdict.MISSING}


def test_the_twelve_steps_are_shown_in_the_order_in_which_people_judge_them() -> None:
    assert [step.column[5:7] for step in STEPS] == [
        "01", "05", "02", "03", "04", "06", "10", "08", "09", "07", "11", "12",
    ]  # fmt: skip


def test_our_own_words_are_read_only_where_a_project_says_so() -> None:
    assert rules.is_read(LAWLEY, from_us=False, deleted=False)
    assert not rules.is_read(LAWLEY, from_us=True, deleted=False)
    assert not rules.is_read(LAWLEY, from_us=False, deleted=True)
