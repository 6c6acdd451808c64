"""What was sent in by a form, from its ``view.state.values``: what is wanted, or what is wrong with which input.

Nothing that comes is trusted: a value of another shape, or one that could not be chosen, is a mistake like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import msgspec

from tallybook.core.errors import Invalid
from tallybook.triage.rules_overrides import Part

from . import words
from .names import LAST_MOMENT, YES, Field, Held, Turn, day_of, moment, person_of, turn_of
from .texts_admin import ADMIN
from .wanted import Cover

ALL = "all of the disciplines"  # longer than any code
MOST_PEOPLE = 100
MOST_PLACE = 1000
LONGEST_TEXT = 500
LONGEST_DISCIPLINE = 60
CODE = re.compile(r"[A-Za-z0-9_-]{1,20}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


class Errors(msgspec.Struct, frozen=True):
    """What is wrong, by the block_id of the input."""

    by_block: dict[str, str]

    @property
    def answer(self) -> dict[str, Any]:
        """As Slack takes it in answer to what was sent in."""
        return {"response_action": "errors", "errors": dict(self.by_block)}


class Form:
    """The inputs of a form, each read once; what is wrong is gathered."""

    def __init__(self, values: object, locale: str) -> None:
        self._values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        self._locale = locale
        self._wrong: dict[str, str] = {}

    @property
    def errors(self) -> Errors:
        return Errors(self._wrong)

    @property
    def is_right(self) -> bool:
        return not self._wrong

    def fault(self, name: Field, why: str, **values: object) -> None:
        """Tells at an input what is wrong; where the form has no such input, at the first one that it has."""
        block = name.value if name.value in self._values else next(iter(self._values), name.value)
        self._wrong.setdefault(str(block), words.filled(ADMIN, self._locale, why, **values))

    def text(self, name: Field, longest: int, *, needed: bool = True) -> str:
        found = self._found(name, "value")
        text = found.strip() if isinstance(found, str) else ""
        if len(text) > longest:
            self.fault(name, "too_long", n=longest)
        elif needed and not text:
            self.fault(name, "need")
        return text[:longest]

    def day(self, name: Field) -> date:
        try:
            return day_of(self._found(name, "selected_date"))
        except Invalid:
            self.fault(name, "need")
            return date.min

    def moment(self, name: Field, usual: int | None) -> datetime | None:
        """Where nothing is chosen the usual one; Slack's own value is a number of seconds."""
        found = self._found(name, "selected_date_time")
        found = usual if found is None else found
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= LAST_MOMENT:
            self.fault(name, "need")
            return None
        return moment(found)

    def clock(self, name: Field) -> time:
        found = self._found(name, "selected_time")
        match = _CLOCK.fullmatch(found) if isinstance(found, str) else None
        if match is None:
            self.fault(name, "need")
            return time()
        return time(int(match[1]), int(match[2]))

    def number(self, name: Field, least: int, most: int) -> int:
        found = self._found(name, "value")
        if not isinstance(found, str) or not re.fullmatch(r"[0-9]{1,6}", found) or not least <= int(found) <= most:
            self.fault(name, "number", least=least, most=most)
            return least
        return int(found)

    def choice(self, name: Field) -> str:
        """The value of the chosen option; "" where none is."""
        return _value(self._found(name, "selected_option"))

    def choices(self, name: Field) -> list[str]:
        """The values of the chosen options, in the order in which they were chosen."""
        found = self._found(name, "selected_options")
        return [_value(one) for one in found] if isinstance(found, Sequence) and not isinstance(found, str) else []

    def people(self, name: Field) -> tuple[str, ...]:
        """Those who were chosen, each once, in the order in which they were."""
        try:
            return tuple(dict.fromkeys(person_of(one) for one in self.choices(name)))
        except Invalid:
            self.fault(name, "not_ours")
            return ()

    def is_ticked(self, name: Field) -> bool:
        return YES in self.choices(name)

    def somebody(self, name: Field) -> str:
        """Somebody of the workspace; "" where nobody is chosen, which is told."""
        return self._person(name, self._found(name, "selected_user"))

    def one_of(self, name: Field) -> str:
        """Somebody from a list; "" where nobody is chosen, which is told."""
        return self._person(name, self.choice(name))

    def _person(self, name: Field, found: object) -> str:
        try:
            return person_of(found)
        except Invalid:
            self.fault(name, "need")
            return ""

    def _found(self, name: Field, part: str) -> Any:
        block = self._values.get(name.value)
        element = block.get(name.value) if isinstance(block, Mapping) else None
        return element.get(part) if isinstance(element, Mapping) else None


def refused(values: object, why: str, name: Field | None = None) -> Errors:
    """What the service says no to, at the input that it is about, else at the first one of the form."""
    listed = values if isinstance(values, Mapping) else {}
    block = name.value if name is not None and name.value in listed else next(iter(listed), Field.NAME.value)
    return Errors({str(block): why})


def _value(option: object) -> str:
    found = option.get("value") if isinstance(option, Mapping) else None
    return found if isinstance(found, str) else ""


def chosen_person(values: object) -> str:
    """Whose turn it is about, from the form of a turn; "" where nobody is chosen."""
    return Form(values, words.DEFAULT).somebody(Field.PERSON)


def chosen_span(values: object, held: Held) -> tuple[datetime, datetime] | None:
    """From when until when, from the form of who instead; None where that is no period."""
    form = Form(values, words.DEFAULT)
    since, until = form.moment(Field.SINCE, held.since), form.moment(Field.UNTIL, held.until)
    return (since, until) if since is not None and until is not None and since < until else None


def chosen_substitute(values: object) -> str:
    """Who instead, as far as somebody is chosen."""
    return Form(values, words.DEFAULT).one_of(Field.SUBSTITUTE)


def turn(values: object, locale: str) -> Turn | Errors:
    """Which turn, from the form of a turn."""
    form = Form(values, locale)
    try:
        return turn_of(form.choice(Field.TURN))
    except Invalid:
        form.fault(Field.TURN, "no_turn")
        return form.errors


def cover(values: object, held: Held, now: datetime, locale: str) -> Cover | Errors:
    """Who instead, when and why. The turn is the one that the form is about."""
    form = Form(values, locale)
    nobody = form.is_ticked(Field.NOBODY)
    if nobody and (form.choice(Field.SUBSTITUTE) or form.choice(Field.EXCHANGE)):
        form.fault(Field.NOBODY, "one_or_nobody")
    substitute = None if nobody else form.one_of(Field.SUBSTITUTE)
    since, until = form.moment(Field.SINCE, held.since), form.moment(Field.UNTIL, held.until)
    reason = form.text(Field.REASON, LONGEST_TEXT, needed=nobody)
    exchange = _exchange(form, held, substitute) if substitute is not None else None
    if since is None or until is None:
        return form.errors
    whole = held.span
    if since >= until:
        form.fault(Field.UNTIL, "order_of_days")
    elif until <= now:
        form.fault(Field.UNTIL, "not_past")
    elif whole is not None and (since < whole[0] or until > whole[1]):
        form.fault(Field.SINCE if since < whole[0] else Field.UNTIL, "within")
    if not form.is_right:
        return form.errors
    part = Part(held.discipline, substitute, since, until)
    return Cover(part, exchange, reason, form.is_ticked(Field.AT_ONCE))


def _exchange(form: Form, held: Held, substitute: str) -> Part | None:
    value = form.choice(Field.EXCHANGE)
    if not value:
        return None
    try:
        theirs = turn_of(value)
    except Invalid:
        form.fault(Field.EXCHANGE, "not_ours")
        return None
    if theirs.person != substitute or theirs.discipline != held.discipline:
        form.fault(Field.EXCHANGE, "same_person")
    return Part(theirs.discipline, held.person, theirs.starts_at, theirs.ends_at)


def why(values: object) -> str:
    """Why something is changed, where a form asks for it; what is wrong with it is told by the form's own reading."""
    return Form(values, words.DEFAULT).text(Field.REASON, LONGEST_TEXT, needed=False)


def note(values: object, locale: str) -> str | Errors:
    """What should be said of a decision; it may be nothing."""
    form = Form(values, locale)
    text = form.text(Field.NOTE, LONGEST_TEXT, needed=False)
    return text if form.is_right else form.errors
