"""Words are found in English and in Hebrew, and hours are those of the business's own wall, with its holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tallybook.core.errors import Invalid
from tallybook.inbox import automation_rules, hours
from tallybook.inbox.automation_rules import World, decide, filled, key_of
from tallybook.inbox.automation_types import Booked, Cause, Decision, Facts, Heard, Keyword, Kind, Outcome, Rule
from tallybook.inbox.hours import Hours, Period, period

JOHANNESBURG, JERUSALEM = ZoneInfo("Africa/Johannesburg"), ZoneInfo("Asia/Jerusalem")
NINE_TO_FIVE = Hours(week=[[("09:00", "17:00")]] * 5 + [[], []], country="ZA")
NOW = datetime(2026, 2, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "whole", "text", "found"),
    [
        (["price"], True, "What is the PRICE?", True),
        (["price"], True, "Priceless", False),
        (["price"], False, "Priceless", True),
        (["price list"], True, "Send the price\nlist, please", True),
        (["price list"], True, "the price of the list", False),
        (["cafe"], True, "Is the CAFÉ open?", True),
        (["מחיר"], True, "מה המחיר?", True),
        (["מחיר"], True, "ומה לגבי המחירון", False),
        (["מחיר"], False, "ומה לגבי המחירון", True),
        (["שלום"], True, "שָׁלוֹם לכם", True),
        (["לום"], True, "שלום", True),
        (["?!"], True, "?!", False),
        (["stop"], True, "", False),
    ],
)
def test_a_keyword_is_found_as_people_write_it(words: list[str], whole: bool, text: str, found: bool) -> None:
    assert automation_rules.says(text, Keyword(words, whole)) is found


@pytest.mark.parametrize(
    ("at", "is_open", "since", "until"),
    [
        ("2026-02-10T10:00", True, "2026-02-10T09:00", "2026-02-10T17:00"),
        ("2026-02-10T17:00", False, "2026-02-10T17:00", "2026-02-11T09:00"),
        ("2026-02-14T12:00", False, "2026-02-13T17:00", "2026-02-16T09:00"),
        ("2026-04-03T12:00", False, "2026-04-02T17:00", "2026-04-07T09:00"),  # Good Friday and Family Day
    ],
)
def test_a_period_begins_where_the_wall_says_and_holidays_belong_to_it(
    at: str, is_open: bool, since: str, until: str
) -> None:
    def moment(written: str) -> datetime:
        return datetime.fromisoformat(written).replace(tzinfo=JOHANNESBURG).astimezone(UTC)

    assert period(NINE_TO_FIVE, JOHANNESBURG, moment(at)) == Period(is_open, moment(since), moment(until))


def test_over_midnight_and_over_the_change_of_the_clocks_it_is_one_period() -> None:
    bar = Hours(week=[[("00:00", "02:00"), ("20:00", "24:00")]] * 7)
    found = period(bar, JERUSALEM, datetime(2026, 3, 26, 23, 30, tzinfo=UTC))  # the clocks jump at 02:00 local time
    assert found == Period(True, datetime(2026, 3, 26, 18, tzinfo=UTC), datetime(2026, 3, 27, 0, tzinfo=UTC))


def test_a_day_of_its_own_goes_before_the_week_and_before_a_holiday() -> None:
    own = msgspec.structs.replace(NINE_TO_FIVE, dates={"2026-04-03": [("10:00", "12:00")], "2026-02-10": []})
    assert hours.spans_on(own, date(2026, 4, 3)) == [("10:00", "12:00")]
    assert hours.spans_on(own, date(2026, 2, 10)) == []
    assert not period(own, JOHANNESBURG, NOW).open
    assert period(Hours(), JOHANNESBURG, NOW) == Period(True, None, None)
    assert period(Hours(week=[[]] * 7), JOHANNESBURG, NOW) == Period(False, None, None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Hours(week=[[]]), "seven days"),
        (Hours(week=[[("17:00", "09:00")]] + [[]] * 6), "closes after it opens"),
        (Hours(week=[[("09:00", "12:00"), ("11:00", "13:00")]] + [[]] * 6), "lie over each other"),
        (Hours(country="ZZ"), "not known"),
        (Hours(dates={"tomorrow": []}), "year-month-day"),
    ],
)
def test_hours_that_cannot_be_are_refused(wrong: Hours, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        hours.checked(wrong)


def rule(trigger: dict[str, object], conditions: dict[str, object] | None = None) -> Rule:
    told = {
        "id": 1, "name": "A rule", "active": True, "trigger": trigger, "conditions": conditions or {},
        "actions": {"text": "Hi"}, "active_since": NOW - timedelta(days=9),
    }  # fmt: skip
    return msgspec.convert(told, Rule)


HEARD = Heard("Hi", "text", NOW, late=False, first=False)
FACTS = Facts("Naledi", "phone:1:+27820000001", "n", is_open=True, blocked=False, free=True, heard=HEARD)
SAID = Cause(Kind.MESSAGE, "message:7", 3, NOW, message_id=7)
WORLD = World(NINE_TO_FIVE, JOHANNESBURG, NOW)


@pytest.mark.parametrize(
    ("conditions", "facts", "reason"),
    [
        ({}, {}, ""),
        ({"labels": [1, 2]}, {"labels": frozenset({2})}, ""),
        ({"labels": [1]}, {}, "the thread has none of the labels"),
        ({"without": [1]}, {"labels": frozenset({1})}, "the thread has a label that it must not have"),
        ({"statuses": ["won"]}, {"status": "new"}, "the customer is at another status"),
        ({"accounts": ["m"]}, {}, "it came to another number"),
        ({"hours": "closed"}, {}, "the business is open"),
        ({}, {"blocked": True}, "the customer is blocked"),
        ({}, {"key": "chat:1:x"}, "it is a group"),
        ({}, {"free": False}, "only a template may be sent, and the rule has none"),
        ({}, {"heard": Heard("Hi", "text", NOW, late=True, first=False)}, "it came late"),
    ],
)
def test_every_reason_for_doing_nothing_is_told(
    conditions: dict[str, object], facts: dict[str, object], reason: str
) -> None:
    found = decide(rule({"on": "any"}, conditions), SAID, msgspec.structs.replace(FACTS, **facts), WORLD)
    assert found is not None
    assert (found.outcome is Outcome.DONE) is (reason == "")
    assert found.reason.startswith(reason)
    assert found.key == "message:7"


def test_a_rule_is_asked_only_for_what_it_waits_for() -> None:
    assert decide(rule({"on": "first"}), SAID, FACTS, WORLD) is None
    assert decide(rule({"on": "label", "label": 4}), SAID, FACTS, WORLD) is None
    assert decide(rule({"on": "closed"}), SAID, FACTS, WORLD) is None
    for other in (1, 2):
        put = Cause(Kind.LABEL, "label:3:4", 3, NOW, "4", rule_id=other)
        assert (decide(rule({"on": "label", "label": 4}), put, FACTS, WORLD) is None) is (other == 2)


def test_all_of_a_period_is_one_cause() -> None:
    trigger = rule({"on": "open"}).trigger
    keys = {key_of(trigger, msgspec.structs.replace(SAID, key=f"message:{n}"), WORLD) for n in (7, 8)}
    assert keys == {"open:3:2026-02-10T07:00:00+00:00"}


def test_an_appointment_that_was_moved_or_cancelled_or_has_begun_is_not_reminded_of() -> None:
    soon = Booked(5, "Visit", NOW + timedelta(hours=2), "1 Example Road", "booked", 1)
    remind = rule({"on": "appointment", "minutes": [120]})
    cause = Cause(Kind.APPOINTMENT, "appointment:5:1:120", 3, NOW, "1", appointment_id=5, rule_id=1)
    facts = msgspec.structs.replace(FACTS, heard=None, booked=soon)

    def reason(**changed: object) -> str:
        booked = msgspec.structs.replace(soon, **changed)
        found = decide(remind, cause, msgspec.structs.replace(facts, booked=booked), WORLD)
        return found.reason if found else "none"

    assert decide(remind, cause, facts, WORLD) == Decision("appointment:5:1:120", Outcome.DONE)
    assert reason(moves=2) == "the appointment was moved"
    assert reason(status="cancelled") == "the appointment does not take place"
    assert reason(starts_at=NOW) == "the appointment has begun"
    assert filled("{name}: {title} {date} {time} {place} {x}", facts, WORLD) == (
        "Naledi: Visit 10.02.2026 14:00 1 Example Road {x}"
    )
