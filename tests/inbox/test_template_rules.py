"""A template's values are checked as WhatsApp checks them, and it is shown exactly as the customer will read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tallybook.core.errors import Invalid
from tallybook.inbox import template_rules as rules
from tallybook.inbox.contents import Press, Value
from tallybook.inbox.template_types import Component, Template

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
BODY = {"type": "BODY", "text": "Hello {{1}}, we come on {{2}}. Until then, {{1}}!"}
VISIT = {"body.1": "Dana", "body.2": "Monday"}


def a_template(*components: dict[str, Any], named: bool = False, **more: Any) -> Template:
    made = Template(
        1, "9001", "visit", "en", "approved", "utility", named, msgspec.convert(list(components), list[Component]),
        "", "", NOW, gone=False,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def test_it_reads_as_its_parts_with_their_values() -> None:
    template = a_template(
        {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"}, BODY, {"type": "FOOTER", "text": "Fibre Ltd"},
        {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Yes"}, {"type": "URL", "text": "Track", "url": "https://example.org/{{1}}"},
            {"type": "PHONE_NUMBER", "text": "Call"}, {"type": "COPY_CODE", "text": "Copy"}]},
    )  # fmt: skip
    assert [(one.key, one.label) for one in rules.fields(template)] == [
        ("header", "1"), ("body.1", "1"), ("body.2", "2"), ("button.1", "Track"), ("button.3", "Copy"),
    ]  # fmt: skip
    values = VISIT | {"header": "the Levys", "button.1": "77", "button.3": "SALE"}
    filled = rules.fill(template, values)
    assert filled.text == (
        "For the Levys\n\nHello Dana, we come on Monday. Until then, Dana!\n\nFibre Ltd\n▫ Yes\n▫ Track\n▫ Call\n▫ Copy"
    )
    assert filled.text == rules.shown(template, values).text
    assert (filled.header, filled.values) == ((Value("the Levys"),), (Value("Dana"), Value("Monday")))
    assert filled.buttons == (Press(1, "url", "77"), Press(3, "copy_code", "SALE"))


def test_places_that_have_names_are_filled_by_them_in_the_order_of_the_text() -> None:
    template = a_template({"type": "BODY", "text": "{{who}}, see you {{when}}."}, named=True)
    filled = rules.fill(template, {"body.who": "דנה", "body.when": "ביום שני"})
    assert filled.text == "דנה, see you ביום שני."
    assert filled.values == (Value("דנה", "who"), Value("ביום שני", "when"))


def test_ten_places_stand_in_the_order_of_their_numbers() -> None:
    template = a_template({"type": "BODY", "text": " ".join(f"{{{{{one}}}}}" for one in reversed(range(1, 12)))})
    assert [one.label for one in rules.fields(template)] == [str(one) for one in range(1, 12)]


def test_a_file_above_it_is_given_by_its_address() -> None:
    template = a_template({"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Look!"})
    filled = rules.fill(template, {"file": "https://example.org/a.jpg"})
    assert (filled.header_file, filled.text) == (("image", "https://example.org/a.jpg"), "Look!")
    with pytest.raises(Invalid, match="https"):
        rules.fill(template, {"file": "http://example.org/a.jpg"})


def test_while_it_is_filled_its_empty_places_are_shown_as_they_are() -> None:
    assert rules.shown(a_template(BODY), {"body.1": "Dana"}).text == ("Hello Dana, we come on {{2}}. Until then, Dana!")


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"body.1": "Dana"}, "body.2"), (VISIT | {"body.1": " "}, "body.1"),
        (VISIT | {"body.2": "Monday\nmorning"}, "body.2"),
        (VISIT | {"body.2": "a\tb"}, "body.2"), (VISIT | {"body.2": "a     b"}, "body.2"),
        (VISIT | {"body.2": "a" * 1025}, "body.2"), (VISIT | {"body.2": "{{1}}"}, "body.2"),
        (VISIT | {"body.2": "a" * 1000}, "body"), (VISIT | {"body.2": "\ud800"}, "body.2"),
    ],
)  # fmt: skip
def test_what_whatsapp_would_refuse_is_told_with_its_place(values: dict[str, str], place: str) -> None:
    with pytest.raises(Invalid) as told:
        rules.fill(a_template(BODY), values)
    assert told.value.details["place"] == place


def test_four_spaces_are_taken_and_a_value_too_many_is_not() -> None:
    assert "a    b" in rules.fill(a_template(BODY), VISIT | {"body.2": "a    b"}).text
    with pytest.raises(Invalid, match="no such place"):
        rules.fill(a_template(BODY), VISIT | {"body.3": "x"})
    with pytest.raises(Invalid, match="60"):
        rules.fill(a_template({"type": "HEADER", "format": "TEXT", "text": "Dear {{1}}"}), {"header": "a" * 58})


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (a_template(BODY, status="paused"), "stopped"), (a_template(BODY, gone=True), "no more"),
        (a_template({"type": "HEADER", "format": "LOCATION"}, BODY), "another program"),
        (a_template({"type": "CAROUSEL"}), "another program"),
        (a_template(BODY, {"type": "BUTTONS", "buttons": [{"type": "FLOW", "text": "x"}]}), "another program"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_says_why(template: Template, why: str) -> None:
    assert why in (rules.why_not(template) or "")
    with pytest.raises(Invalid, match=why):
        rules.fill(template, VISIT)
