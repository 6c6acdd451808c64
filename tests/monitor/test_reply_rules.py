"""Who is answered, and with what words."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.businesses import LOCALES
from tallybook.core.echoes import SKEW
from tallybook.monitor import reply_texts
from tallybook.monitor.reply_rules import is_answered, mention_of, reply_to
from tallybook.monitor.reply_types import Manner, Rejected, ReplyKind
from tallybook.monitor.types import Post
from tests.monitor.desk import ANA, LAWLEY, SAST

GROUP = LAWLEY.group
NOON = datetime(2026, 1, 20, 12, 0, tzinfo=SAST)
LONG_AGO = NOON - timedelta(days=90)
USUAL = Manner()


def a_post(drop: str = "DR9999999", phone: str | None = ANA, message: int = 7) -> Post:
    return Post(
        message, fresh=True, drop_number=drop, project=LAWLEY, said_at=NOON, phone=phone, bridge="primary", chat=GROUP
    )


def test_an_unknown_drop_is_answered_in_the_words_that_people_know() -> None:
    reply = reply_to(Rejected(a_post()), "en")
    assert reply.text == (
        "Invalid Drop Number\n"
        "Drop DR9999999 is not in the valid list for Lawley.\n"
        "Please submit a valid drop number from the project plan."
    )
    assert (reply.kind, reply.mention) == (ReplyKind.UNKNOWN_DROP, "27820000001@s.whatsapp.net")


def test_a_drop_of_another_project_is_shown_the_right_group() -> None:
    reply = reply_to(Rejected(a_post(), ("Mohadin",)), "en")
    assert reply.kind is ReplyKind.OTHER_PROJECT
    assert "belongs to Mohadin, not Lawley" in reply.text
    assert "in the group of Mohadin" in reply.text
    assert "Mamelodi or Mohadin" in reply_to(Rejected(a_post(), ("Mohadin", "Mamelodi")), "en").text


def test_a_drop_that_is_listed_for_the_groups_own_project_alone_names_no_other() -> None:
    assert reply_to(Rejected(a_post(), ("Lawley",)), "en").kind is ReplyKind.UNKNOWN_DROP


@pytest.mark.parametrize("locale", [*LOCALES, "xx"])
@pytest.mark.parametrize("valid_for", [(), ("Mohadin",)])
def test_no_text_in_any_language_holds_a_mention_of_its_own(locale: str, valid_for: tuple[str, ...]) -> None:
    """The sender puts the mention before the text."""
    reply = reply_to(Rejected(a_post(), valid_for), locale)
    assert "@" not in reply.text
    assert "DR9999999" in reply.text
    assert "Lawley" in reply.text


def test_each_language_has_every_text() -> None:
    for texts in (reply_texts.UNKNOWN_DROP, reply_texts.OTHER_PROJECT, reply_texts.OR):
        assert set(texts) == set(LOCALES)


def test_who_is_known_by_a_lid_alone_is_not_mentioned() -> None:
    """A mention is made of digits, and a LID's digits would stand there as a number that is nobody's."""
    assert mention_of(None) is None
    assert reply_to(Rejected(a_post(phone=None)), "en").mention is None


def test_a_cause_has_one_key_and_each_of_its_parts_counts() -> None:
    key = reply_to(Rejected(a_post()), "en").dedup_key
    assert reply_to(Rejected(a_post()), "he").dedup_key == key
    others = [Rejected(a_post(message=8)), Rejected(a_post("DR9999998")), Rejected(a_post(), ("Mohadin",))]
    assert len({key, *(reply_to(other, "en").dedup_key for other in others)}) == 4


def test_only_what_is_young_is_answered() -> None:
    assert is_answered(NOON, LONG_AGO, NOON, USUAL)
    assert is_answered(NOON - timedelta(minutes=10), LONG_AGO, NOON, USUAL)
    assert not is_answered(NOON - timedelta(minutes=10, seconds=1), LONG_AGO, NOON, USUAL)
    assert is_answered(NOON - timedelta(minutes=30), LONG_AGO, NOON, Manner(max_age=timedelta(hours=1)))


def test_a_clock_that_runs_ahead_a_little_is_no_matter_and_much_is() -> None:
    assert is_answered(NOON + timedelta(minutes=1), LONG_AGO, NOON, USUAL)
    assert not is_answered(NOON + timedelta(days=1), LONG_AGO, NOON, USUAL)


def test_what_was_said_before_the_group_was_watched_is_not_answered() -> None:
    assert not is_answered(NOON - timedelta(minutes=2), NOON - timedelta(minutes=1), NOON, USUAL)
    assert is_answered(NOON, NOON, NOON, USUAL)
    assert not is_answered(NOON, None, NOON, USUAL), "the group is watched no more"


def test_nothing_is_answered_where_that_is_turned_off() -> None:
    assert not is_answered(NOON, LONG_AGO, NOON, Manner(enabled=False))


AGES = st.timedeltas(min_value=timedelta(days=-9), max_value=timedelta(days=400))


@given(AGES, AGES)
def test_no_history_is_ever_answered(age: timedelta, watched: timedelta) -> None:
    if is_answered(NOON - age, NOON - watched, NOON, USUAL):
        assert age <= USUAL.max_age
        assert age <= watched


def test_what_comes_back_may_be_said_to_be_as_old_as_what_is_still_answered() -> None:
    assert USUAL.max_age <= SKEW
