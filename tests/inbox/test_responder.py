"""What the bot takes for an answer to what: only what is surely meant."""

from __future__ import annotations

import pytest

from tallybook.inbox import responder
from tallybook.inbox.answer_types import Answer

HOURS = Answer(1, "What are your opening hours?", "From nine to six.")
DELIVERY = Answer(2, "How much is the delivery?", "It is free.")
PLACE = Answer(3, "Where are you?", "In Haifa.")
IN_HEBREW = Answer(4, "כמה עולה המשלוח?", "המשלוח חינם.")
KNOWN = [HOURS, DELIVERY, PLACE, IN_HEBREW]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("what are your opening hours", HOURS),
        ("Good morning! What hours are you open?", HOURS),
        ("openning hours??", HOURS),
        ("How much is delivery", DELIVERY),
        ("where are you", PLACE),
        ("כמה עולה משלוח?", IN_HEBREW),
        ("שלום, כמה עולה לכם המשלוח", IN_HEBREW),
        ("Where is my order?", None),
        ("When is the delivery?", None),
        ("My delivery never came and nobody answers", None),
        ("Hello", None),
        ("", None),
        ("' | & ! <-> :* \\ ''", None),
    ],
)
def test_only_what_is_surely_meant_is_found(asked: str, found: Answer | None) -> None:
    assert responder.surest(asked, KNOWN) == found


def test_two_answers_that_fit_alike_are_none() -> None:
    other = Answer(9, "Opening hours?", "Only on Sundays.")
    assert responder.surest("opening hours?", [HOURS, other]) is None
    assert responder.surest("opening hours?", [HOURS, Answer(9, "Opening hours?", HOURS.answer)]) is not None


@pytest.mark.parametrize(
    "asked", ["Give me an agent", "person", "can I speak to somebody?", "נציגה בבקשה", "עם בן אדם"]
)
def test_somebody_asks_for_a_person(asked: str) -> None:
    assert responder.asks_for_person(asked)


@pytest.mark.parametrize("asked", ["How much is it per person?", "Is the agency open?", "האדמה רטובה"])
def test_nobody_asks_for_a_person(asked: str) -> None:
    assert not responder.asks_for_person(asked)


@pytest.mark.parametrize("asked", ["opening hours", "המשלוח", "it's 5 o'clock & <-> ! | (", "a\\b 'c' :*"])
def test_a_search_holds_words_alone(asked: str) -> None:
    query = responder.query_of(asked)
    assert all(part.removesuffix(":*").isalnum() for part in query.split(" | "))


def test_thousands_of_lines_are_looked_through_once() -> None:
    """From each line through all that follow would take minutes, in which nobody else is served."""
    assert not responder.asks_for_person(".\n" * 60_000 + "\n" * 60_000)
    assert responder.asks_for_person("Hello\n... a person please!")
