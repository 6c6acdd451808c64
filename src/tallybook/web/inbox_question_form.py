"""A question with answers to press as a plain form has it: read, checked in words for people, drawn as it was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tallybook.core.errors import Invalid
from tallybook.inbox.contents import (
    LONGEST_BUTTON,
    LONGEST_DETAIL,
    LONGEST_QUESTION,
    LONGEST_ROW,
    MOST_BUTTONS,
    MOST_ROWS,
    Choice,
    Interactive,
)

BUTTONS, LIST = "buttons", "list"


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text: three ``buttons``, and ten ``rows`` of a list with their ``details``.

    ``quote`` is the number of the message that it answers, empty for none.
    """

    kind: str = BUTTONS
    text: str = ""
    label: str = ""
    buttons: Sequence[str] = ("",) * MOST_BUTTONS
    rows: Sequence[str] = ("",) * MOST_ROWS
    details: Sequence[str] = ("",) * MOST_ROWS
    quote: str = ""
    key: str = ""

    @property
    def is_list(self) -> bool:
        return self.kind == LIST

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What is there to choose, with what is said about it."""
        if not self.is_list:
            return [(one, "") for one in self.buttons if one]
        return [(one, more) for one, more in zip(self.rows, self.details, strict=True) if one]


def read(form: Mapping[str, Any]) -> Typed:
    """What somebody typed; what is not said is empty, and nothing stands around it."""

    def one(name: str) -> str:
        return str(form.get(name, "")).strip()

    def some(name: str, most: int) -> list[str]:
        return [one(f"{name}{number}") for number in range(1, most + 1)]

    kind = LIST if one("kind") == LIST else BUTTONS
    return Typed(
        kind, one("text"), one("label"), some("button", MOST_BUTTONS), some("row", MOST_ROWS),
        some("detail", MOST_ROWS), one("quote"), one("key"),
    )  # fmt: skip


def question_of(typed: Typed) -> Interactive:
    """The question as it is asked. Raises Invalid, with the ``place`` in the form, for what WhatsApp would refuse."""
    if not typed.text:
        raise Invalid("Write the question first.", place="text")
    if len(typed.text.replace("\r\n", "\n")) > LONGEST_QUESTION:
        raise Invalid("The question has at most 1,024 characters.", place="text")
    if typed.is_list:
        _check_label(typed.label)
        _check_details(typed)
    _check_titles(typed)
    choices = tuple(
        Choice(f"choice-{number}", title, detail) for number, (title, detail) in enumerate(typed.choices, 1)
    )
    label = typed.label if typed.is_list else ""
    return Interactive(kind=typed.kind, text=typed.text, choices=choices, label=label)


def _check_label(label: str) -> None:
    if not label:
        raise Invalid("Say what stands on the button that opens the list.", place="label")
    if len(label) > LONGEST_BUTTON:
        raise Invalid("The button that opens the list has at most 20 characters.", place="label")


def _check_details(typed: Typed) -> None:
    for number, (title, detail) in enumerate(zip(typed.rows, typed.details, strict=True), 1):
        if detail and not title:
            raise Invalid("Write the answer that this is said about.", place=f"row{number}")
        if len(detail) > LONGEST_DETAIL:
            raise Invalid("What is said about an answer has at most 72 characters.", place=f"detail{number}")


def _check_titles(typed: Typed) -> None:
    name, titles = ("row", typed.rows) if typed.is_list else ("button", typed.buttons)
    if not any(titles):
        raise Invalid("Write at least one answer to choose.", place=f"{name}1")
    seen: set[str] = set()
    for number, title in enumerate(titles, 1):
        place = f"{name}{number}"
        if typed.is_list and len(title) > LONGEST_ROW:
            raise Invalid("An answer in a list has at most 24 characters.", place=place)
        if not typed.is_list and len(title) > LONGEST_BUTTON:
            raise Invalid("A button has at most 20 characters.", place=place)
        if not title.isprintable():
            raise Invalid("This answer holds a sign that cannot be seen. Write it anew.", place=place)
        if title and title in seen:
            raise Invalid("Two answers to choose are called the same.", place=place)
        seen.add(title)
