"""Who wants no marketing, what a list of phones says, and what stands in a template's places for each. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tallybook.core import identity, sheets
from tallybook.core.content import Content
from tallybook.core.errors import Invalid
from tallybook.core.messages import Stored

STOP = (
    "stop", "stop promotions", "unsubscribe", "opt out", "הסר", "הסירו אותי", "הסר אותי", "להסרה", "הפסקת מבצעים",
    "הפסק מבצעים",
)  # fmt: skip
RESUME = ("start", "subscribe", "opt in", "הצטרף", "הצטרפות")
LONGEST_WORD, MOST_WORDS = 40, 30
MOST_ROWS = 10_000  # of one list
PHONE_COLUMNS = frozenset({"phone", "mobile", "number", "telephone", "טלפון", "נייד", "מספר"})
HEADINGS = 1
DIGITS = range(7, 16)  # of a phone
MARKETING = "marketing"
USEFUL = timedelta(hours=6)  # what could not leave so long is dropped: nobody is written to a night later
CATEGORIES = frozenset({MARKETING, "utility"})
OPTED_OUT = "The customer wants no more marketing messages."
STOPPED = "The broadcast was stopped."
# Why somebody of an audience is left out.
WHY = {
    "opted_out": "They want no more marketing messages.", "blocked": "They are blocked.",
    "no_phone": "Nothing is known of them by which they could be written to.",
    "channel": "They write to a number by which templates cannot be sent.",
}  # fmt: skip
_PLACE = re.compile(r"\{([^{}|]{1,60})(?:\|([^{}]{0,200}))?\}")
_AROUND = re.compile(r"^[\W_]+|[\W_]+$")


class Preference(msgspec.Struct, frozen=True):
    """What WhatsApp tells that somebody wants. ``key`` names the telling."""

    phone: str | None
    user_id: str
    stopped: bool
    at: datetime
    key: str


class _Told(msgspec.Struct, frozen=True):
    value: str = ""
    category: str = ""


class _Preferences(msgspec.Struct, frozen=True):
    user_preferences: list[_Told] = []


def preferences(stored: Sequence[Stored]) -> list[Preference]:
    """What a batch tells of who wants marketing and who does not."""
    found = (_preference(one) for one in stored if one.incoming.kind == "preference")
    return [one for one in found if one is not None]


def _preference(stored: Stored) -> Preference | None:
    content = msgspec.json.decode(stored.incoming.content or "null", type=Content | None)
    if content is None or content.person is None:
        return None
    told = _told(content.as_sent)
    if told is None or told.value not in {"stop", "resume"} or MARKETING not in (told.category or MARKETING):
        return None
    who = content.person
    return Preference(who.phone, who.user_id, told.value == "stop", stored.incoming.said_at, f"told:{stored.id}")


def _told(raw: msgspec.Raw) -> _Told | None:
    """Of one preference alone, or of the first of a list."""
    try:
        listed = msgspec.json.decode(raw, type=_Preferences).user_preferences
        return listed[0] if listed else msgspec.json.decode(raw, type=_Told)
    except msgspec.DecodeError:
        return None


class Words(msgspec.Struct, frozen=True):
    """By which whole messages customers say that they want no more, or want it again."""

    stop: tuple[str, ...] = STOP
    resume: tuple[str, ...] = RESUME


def said(text: str, words: Words) -> bool | None:
    """Whether a message stops marketing (True) or resumes it (False); None where it says neither."""
    word = plain(text)
    if not word or len(word) > LONGEST_WORD:
        return None
    if word in {plain(one) for one in words.stop}:
        return True
    return False if word in {plain(one) for one in words.resume} else None


def plain(text: str) -> str:
    """A word as it is compared: small letters, single spaces, nothing around it."""
    return _AROUND.sub("", " ".join(text.casefold().split()))


def words_of(text: str) -> tuple[str, ...]:
    """Words as somebody typed them, one a line. Raises Invalid."""
    found = tuple(dict.fromkeys(word for line in text.splitlines() if (word := plain(line))))
    if not 1 <= len(found) <= MOST_WORDS or any(len(word) > LONGEST_WORD for word in found):
        raise Invalid("Give 1 to 30 words, one a line, of at most 40 characters each.")
    return found


class Person(msgspec.Struct, frozen=True):
    """Somebody of a list: a phone in E.164 and the other columns by their headings."""

    phone: str
    given: dict[str, str]


class PhoneList(msgspec.Struct, frozen=True):
    """A list of phones. ``invalid`` are the numbers of the rows that hold none, ``duplicates`` those of repeats."""

    columns: list[str]
    people: list[Person]
    invalid: list[int]
    duplicates: list[int]


def read_list(data: bytes, region: str | None) -> PhoneList:
    """A list as somebody sent it, as CSV or XLSX. Its first row may be headings. Raises Invalid, TooLarge."""
    rows = [[str(cell).strip() for cell in row.cells] for row in _rows(data)]
    numbers = [row.number for row in _rows(data)] if rows else []
    if not rows:
        raise Invalid("The list is empty.")
    headings = rows[0] if not any(_phone(cell, region) for cell in rows[0]) else []
    at = next((place for place, name in enumerate(headings) if name.casefold() in PHONE_COLUMNS), None)
    body = list(zip(numbers, rows, strict=True))[HEADINGS if headings else 0 :]
    if at is None:
        at = _column_of_phones([row for _, row in body], region)
    if len(body) > MOST_ROWS:
        raise Invalid(f"A list has at most {MOST_ROWS:,} rows. Send it in parts.")
    return _read(headings, at, body, region)


def _rows(data: bytes) -> list[sheets.Row]:
    return [row for sheet in sheets.read_sheets(data) if not sheet.hidden for row in sheet.rows]


def _column_of_phones(rows: Sequence[Sequence[str]], region: str | None) -> int:
    width = max((len(row) for row in rows), default=0)
    counts = [sum(bool(_phone(row[place], region)) for row in rows if place < len(row)) for place in range(width)]
    if not any(counts):
        raise Invalid("No column of the list holds phone numbers.")
    return counts.index(max(counts))


def _read(headings: Sequence[str], at: int, body: Sequence[tuple[int, list[str]]], region: str | None) -> PhoneList:
    people: dict[str, Person] = {}
    invalid, duplicates = [], []
    for number, row in body:
        phone = _phone(row[at], region) if at < len(row) else None
        if phone is None:
            invalid.append(number)
        elif phone in people:
            duplicates.append(number)
        else:
            given = {name: row[place] for place, name in enumerate(headings) if place != at and place < len(row)}
            people[phone] = Person(phone, {name: value for name, value in given.items() if name})
    columns = [name for place, name in enumerate(headings) if name and place != at]
    return PhoneList(columns, list(people.values()), invalid, duplicates)


def _phone(cell: str, region: str | None) -> str | None:
    """A phone in any format, as a spreadsheet may spell it. A cell that is a date or a price is none."""
    text = cell.removesuffix(".0")
    if sum(one.isdecimal() for one in text) not in DIGITS or not re.fullmatch(r"[+\d\s().\-/]+", text):
        return None
    return identity.resolve(text, {}, region).phone


def filled(text: str, known: Mapping[str, str]) -> str:
    """A place's text for one recipient: of ``{name}``, ``{phone}``, ``{a column}``; ``{name|else}`` where empty."""

    def value(found: re.Match[str]) -> str:
        return known.get(found[1].strip().casefold(), "") or (found[2] or "")

    return " ".join(_PLACE.sub(value, text).split())


def unknown_places(text: str, columns: Sequence[str]) -> list[str]:
    """The names in braces that no recipient can have."""
    known = {"name", "phone", *(one.casefold() for one in columns)}
    return [found[1] for found in _PLACE.finditer(text) if found[1].strip().casefold() not in known]


def ended(counts: Mapping[str, int]) -> str:
    """How a broadcast ended, of which nobody waits any more: by what became of its recipients."""
    well = sum(counts.get(one, 0) for one in ("sent", "delivered", "read"))
    if counts.get("failed", 0) and not well:
        return "failed"
    return "partial" if counts.get("failed", 0) else "completed"
