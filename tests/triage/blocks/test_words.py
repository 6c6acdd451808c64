"""Whatever is said is said in both languages, with the same places for the same values."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tallybook.triage.blocks import texts_admin, texts_calendars, texts_requests, texts_rota, texts_telling, words
from tallybook.triage.blocks.elements import mention
from tests.triage.facts import TEAM, at

ALL = {
    "rota": texts_rota.ROTA, "requests": texts_requests.REQUESTS, "telling": texts_telling.TELLING,
    "admin": texts_admin.ADMIN, "calendars": texts_calendars.CALENDARS,
}  # fmt: skip


@pytest.mark.parametrize("which", ALL)
def test_every_text_is_there_in_both_languages_with_the_same_places(which: str) -> None:
    english, hebrew = ALL[which]["en"], ALL[which]["he"]
    assert set(english) == set(hebrew)
    assert [name for name in english if places(english[name]) != places(hebrew[name])] == []


def places(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


@pytest.mark.parametrize(
    ("of_slack", "of_business", "language"),
    [
        ("he-IL", "en", "he"), ("en-US", "he", "en"), ("iw", "en", "he"), ("fr-FR", "he", "he"), (None, "he", "he"),
        ("", "fr", "en"), ("HE_il", "en", "he"),
    ],
)  # fmt: skip
def test_somebody_is_told_in_their_own_language_else_in_the_business_s(
    of_slack: str | None, of_business: str, language: str
) -> None:
    assert words.language(of_slack, of_business) == language


def test_a_value_is_escaped_unless_it_is_written_for_slack_already_and_holds_no_places() -> None:
    texts = {"en": {"x": "{who}: {what}"}}
    assert words.said(texts, "en", "x", who=mention("UANA"), what="<!channel> & {who}") == (
        "<@UANA>: &lt;!channel&gt; &amp; {who}"
    )
    assert words.filled(texts, "fr", "x", who="<a>", what="{what}") == "<a>: {what}"


def test_times_are_of_the_team_s_clock_and_say_a_year_only_where_it_is_another() -> None:
    now, since = at("2026-01-19T16:00"), at("2026-12-31T20:00")
    assert words.span("en", since, since + timedelta(hours=2), TEAM.tz, now) == "Thu 31 Dec, 12:00 – 14:00"
    assert (
        words.span("en", since, since + timedelta(days=2), TEAM.tz, now) == "Thu 31 Dec, 12:00 – Sat 2 Jan 2027, 12:00"
    )
    assert words.day("he", now.date(), now.date()) == "יום ב׳ 19 ינו׳"


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0.001, "1 min"), (0.5, "30 min"), (5.5, "5 h 30 min"), (30, "1 d 6 h"), (24, "1 d"), (120, "5 d")],
)
def test_how_long_something_lasts_is_said_as_people_say_it(hours: float, said: str) -> None:
    assert words.lasting("en", timedelta(hours=hours)) == said
