"""Which constraint a server's message names, and of which table, in whatever language the server speaks.

English is read by its words. In other languages the names stand in quotation marks of some kind.
"""

from __future__ import annotations

import re

import msgspec

from .predicates import parted

UNIQUE, FOREIGN_KEY, CHECK, EXCLUSION, NO_ARBITER = "23505", "23503", "23514", "23P01", "42P10"
# By state. The greedy ones end at the message's end, since a name may hold quotation marks itself.
ENGLISH = {
    UNIQUE: (
        re.compile(r'duplicate key value violates unique constraint "(?P<name>.+)"'),
        re.compile(r'could not create unique index "(?P<name>.+)"'),
    ),
    EXCLUSION: (
        re.compile(r'conflicting key value violates exclusion constraint "(?P<name>.+)"'),
        re.compile(r'could not create exclusion constraint "(?P<name>.+)"'),
    ),
    FOREIGN_KEY: (
        re.compile(
            r'update or delete on table ".+?" violates .*foreign key constraint "(?P<name>.+?)" on table '
            r'"(?P<table>.+)"'
        ),
        re.compile(r'insert or update on table "(?P<table>.+?)" violates foreign key constraint "(?P<name>.+)"'),
    ),
    CHECK: (
        re.compile(r'new row for relation "(?P<table>.+?)" violates check constraint "(?P<name>.+)"'),
        re.compile(r'check constraint "(?P<name>.+?)" of relation "(?P<table>.+?)" is violated by some row'),
        re.compile(r'no partition of relation "(?P<table>.+)" found for row'),
        re.compile(r'new row for relation "(?P<table>.+)" violates partition constraint'),
    ),
}
QUOTED = re.compile(r'["“”„«»]\s?([^"“”„«»]+?)\s?["“”„«»]')
# ``Key (a, lower(b))=(1, x) already exists.``; the values, which may hold anything, are not read.
KEY = re.compile(r"[^(]*\((?P<columns>[^=]+?)\)=\(")
NAME = r'(?:"[^"]+"|[\w$]+)'
WRITES = re.compile(
    rf"\b(?:insert\s+into|merge\s+into|(?<!for )update|delete\s+from)\s+(?:only\s+)?(?P<table>{NAME}(?:\.{NAME})?)",
    re.IGNORECASE,
)
TARGET = re.compile(r"\bon\s+conflict\s*\((?P<columns>(?:[^()']|\([^()']*\))*)\)", re.IGNORECASE)
USUAL_ENDS = ("_fkey", "_fk", "_key", "_check", "_idx", "_excl", "_pkey")


class Said(msgspec.Struct, frozen=True):
    """What a record names. ``columns`` are those of the key, or of ON CONFLICT's target; no value is kept."""

    constraint: str | None
    table: str | None
    columns: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """One record of a log, as far as it is read. The same names as in jsonlog."""

    timestamp: str = ""
    state_code: str = ""
    message: str = ""
    detail: str = ""
    statement: str = ""
    application_name: str = ""
    dbname: str = ""
    user: str = ""


def read_message(state: str, entry: Entry, known: frozenset[str]) -> Said | None:
    """What a record of that state names; None where it is of another kind in spite of its state."""
    written = WRITES.search(entry.statement)
    table = written["table"].replace('"', "") if written else None
    if state == NO_ARBITER:
        # Other mistakes of the same state (ORDER BY by a position that is not there) have no such clause. Where the
        # server writes no statements its own words name it, in every language.
        if "on conflict" not in " ".join((entry.statement or entry.message).lower().split()):
            return None
        target = TARGET.search(entry.statement)
        return Said(None, table, _columns(target["columns"]) if target else ())
    name, named_table = _english(state, entry.message) or _by_marks(state, entry.message, known)
    key = KEY.match(entry.detail)
    columns = _columns(key["columns"]) if key else ()
    # The statement may write several tables; its first is the best guess where the message names none.
    return Said(name, named_table or table, () if state == CHECK else columns)


def _columns(text: str) -> tuple[str, ...]:
    """The columns of a list, in which commas within parentheses do not count."""
    return tuple(column.strip().strip('"') for column in parted(text, ",") if column.strip())


def _english(state: str, message: str) -> tuple[str | None, str | None] | None:
    for pattern in ENGLISH[state]:
        if match := pattern.fullmatch(message.partition("\n")[0]):
            named = match.groupdict()
            return named.get("name"), named.get("table")
    return None


def _by_marks(state: str, message: str, known: frozenset[str]) -> tuple[str | None, str | None]:
    """The constraint and the table of a message in another language."""
    names = QUOTED.findall(message)
    if not names:
        return None, None
    if state in {UNIQUE, EXCLUSION}:
        return names[0], None
    constraint = next(
        (name for name in names if name in known),
        next((name for name in names if name.endswith(USUAL_ENDS)), names[1] if len(names) > 1 else None),
    )
    # Of three names, two are tables: the last is the one that the constraint stands on.
    tables = [name for name in names if name != constraint]
    return constraint, tables[-1] if tables else None
