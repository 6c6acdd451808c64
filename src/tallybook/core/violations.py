"""A constraint said no: what may be known and shown of it, and whether it did its work or is in the way.

What is kept shows a person which rule was hit and by which row. Values of columns that are not known to be harmless
(phones, senders, log-ins, tokens, texts, and a provider's message ids, which contain the phone) are replaced by their
length.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

import msgspec
import psycopg
from psycopg import errors as pg

from . import arbiter_named, connection, violation_detail
from .errors import Conflict
from .key import Apart, Key
from .keys import NATURAL_KEYS, PERIODS_APART
from .violation_detail import EXCLUSION, UNIQUE

WATCHED = (
    pg.UniqueViolation,
    pg.ForeignKeyViolation,
    pg.CheckViolation,
    pg.ExclusionViolation,
    pg.InvalidColumnReference,  # 42P10: ON CONFLICT names a key that the table does not have
)
STATES = frozenset(error.sqlstate for error in WATCHED)
# Columns whose values may be shown; every other one is personal until it is listed here.
HARMLESS = frozenset({
    "business_id", "id", "account_id", "message_id", "revision", "space", "drop_number", "project", "kind", "channel",
    "state", "role", "review_date", "said_at", "created_at", "received_at", "submitted_at", "version", "team_id",
    "discipline", "sprint_index", "since", "until", "starts_at", "ends_at", "day", "boundary", "register", "run",
    "tstzrange(starts_at, ends_at)", "tstzrange(since, until)",
})  # fmt: skip
DECLARED: Mapping[str, frozenset[str]] = {
    **{key.constraint: frozenset(key.columns) for key in NATURAL_KEYS},
    # What periods lie side by side in: the columns that are compared for equality.
    **{rule.constraint: frozenset(re.findall(r"[(,] *(\w+) with =", rule.rule)) for rule in PERIODS_APART},
}
NO_ARBITER, CHECK = "42P10", "23514"
# The same as ``kind_of``, of a row of the record.
IS_EXPECTED = f"(declared and sqlstate in ('{UNIQUE}', '{EXCLUSION}'))"
NOT_APART = "‹…›"
SHARD = re.compile(r"_\d{6,}$")
# What a refusal means, for people; nothing but names of the schema stands in these.
TWO_AT_ONCE = "{name} on {table} did its work, but the code had no answer to it: somebody saw an error."
NO_SUCH_KEY = "An insert into {table} relies on a key that it does not have: {target}. It fails each time until it has."
NO_KEY = "A statement relies on a key that its table does not have. It fails each time until the key is there."
NOT_ALLOWED = "{name} on {table} does not allow a value that the code wrote."
NOTHING_THERE = "{name} on {table}: a row names another one that is not there, or that is still needed is taken away."
UNDECLARED = "{name} on {table} is no rule of ours and refuses what the business allows."
NARROWER = "{name} on {table} looks at fewer columns than the declared rule, so it refuses what the business allows."


class UnexpectedViolation(Conflict):
    """The database refused a change that the code thought possible. The transaction was undone as a whole."""

    code = "UNEXPECTED_VIOLATION"


class Kind(StrEnum):
    """What a refusal means.

    Keys and exclusions are declared, one by one. Foreign keys and checks are not: code that meets one has written what
    cannot be, and a person is to look.
    """

    EXPECTED = "expected"  # a declared key or rule did its work: two came at once
    BLOCKS = "blocks"  # nothing that we declare forbids it: a business rule is refused, or cannot be kept at all


class Violation(msgspec.Struct, frozen=True):
    """What the server said of a violation; ``key`` maps column to value and is empty where it said nothing.

    Values that could not be told apart are None there, and stand ``together``. ``existing`` are the harmless columns of
    the row in the way, where the server told of it.
    """

    sqlstate: str
    table: str | None
    constraint: str | None
    key: Mapping[str, str | None]
    existing: dict[str, Any] | None = None
    together: str = ""

    @property
    def declared(self) -> bool:
        """Whether it is a rule that we declare, over all the columns that we declare: a narrower one refuses more."""
        return is_declared(self.constraint, self.key)

    @property
    def masked(self) -> str | None:
        """The key as it may be stored and shown: ``space=fibre, sender_phone=‹12 characters›``."""
        values = {column: NOT_APART if value is None else shown(column, value) for column, value in self.key.items()}
        return ", ".join(f"{column}={value}" for column, value in values.items()) or None


def is_declared(constraint: str | None, columns: Collection[str]) -> bool:
    """Whether it is a rule that we declare, by its name and, where known, the columns that it looks at. Pure."""
    declared = DECLARED.get(constraint or "")
    return declared is not None and (not columns or declared <= set(columns))


def kind_of(sqlstate: str, *, declared: bool) -> Kind:
    """What a refusal means, by what is kept of it. Pure."""
    return Kind.EXPECTED if declared and sqlstate in {UNIQUE, EXCLUSION} else Kind.BLOCKS


def read(error: psycopg.Error) -> Violation:
    """What may be known from the error alone. Pure. Where a key is missing, what the statement named is its constraint.

    A shard's suffix (``_102015``) is taken off the names.
    """
    diag = error.diag
    if isinstance(error, pg.InvalidColumnReference):
        return of(NO_ARBITER, *arbiter_named.told(error), "")
    return of(error.sqlstate or "", diag.table_name, diag.constraint_name, diag.message_detail or "")


def of(sqlstate: str, table: str | None, constraint: str | None, detail: str) -> Violation:
    """What the server's own words say of a violation, here or in its log. Pure."""
    refused, there = violation_detail.told(sqlstate, detail, HARMLESS)
    existing = harmless({column: value for column, value in there.key.items() if value is not None})
    return Violation(sqlstate, whole(table), whole(constraint), refused.key, existing or None, refused.together)


def answers(error: psycopg.Error, *rules: Key | Apart) -> bool:
    """Whether one of these said no, to which the caller has an answer; every other error is to be raised again.

    One that bears a declared name over fewer columns is none of them: the answer would not be true.
    """
    violation = read(error)
    if violation.constraint not in {rule.constraint for rule in rules} or not violation.declared:
        return False
    connection.notice(error).answered = True
    return True


def whole(name: str | None) -> str | None:
    """The name without a shard's suffix."""
    return SHARD.sub("", name) if name else None


def shown(column: str, value: str) -> str:
    """A value as it may be stored and shown."""
    return value if column in HARMLESS else f"‹{len(value)} characters›"


def harmless(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what is personal in it."""
    return {column: value for column, value in row.items() if column in HARMLESS}


def masked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with every value that is not known to be harmless replaced by its length."""
    return {
        column: value if value is None or isinstance(value, bool) or column in HARMLESS else shown(column, str(value))
        for column, value in row.items()
    }


def unexpected(error: psycopg.Error) -> UnexpectedViolation:
    """The error to raise in place of the database's. That it happened is recorded when the transaction is over."""
    found = read(error)
    name = found.constraint or "a constraint"
    return UnexpectedViolation(
        f"The database refused the change: {name} on {found.table or 'a table'} does not allow it. "
        "Nothing was changed; the case is on the health page.",
        constraint=found.constraint,
        table=found.table,
    )


def meaning(sqlstate: str, table: str | None, constraint: str | None, *, declared: bool) -> str:
    """What a refusal means, in one sentence for whoever is told of it. Pure."""
    table, name = table or "?", constraint or "?"
    if kind_of(sqlstate, declared=declared) is Kind.EXPECTED:
        return TWO_AT_ONCE.format(name=name, table=table)
    if sqlstate == NO_ARBITER:
        return NO_SUCH_KEY.format(table=table, target=name) if name != "?" else NO_KEY
    if sqlstate == CHECK:
        return NOT_ALLOWED.format(name=name, table=table)
    if sqlstate not in {UNIQUE, EXCLUSION}:
        return NOTHING_THERE.format(name=name, table=table)
    return (NARROWER if name in DECLARED else UNDECLARED).format(name=name, table=table)
