"""A constraint said no where the code did not expect it: recorded with table, key and existing row, never swallowed.

What is kept shows a person which rule was hit and by which row. Values of columns that are not known to be harmless
(phones, senders, log-ins, tokens, texts, and a provider's message ids, which contain the phone) are replaced by their
length.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
import psycopg
import structlog
from prometheus_client import Counter
from psycopg import errors as pg
from psycopg import sql

from .connection import Conn
from .errors import Conflict
from .keys import NATURAL_KEYS

WATCHED = (
    pg.UniqueViolation,
    pg.ForeignKeyViolation,
    pg.CheckViolation,
    pg.ExclusionViolation,
    pg.InvalidColumnReference,  # 42P10: ON CONFLICT names a key that the table does not have
)
# Columns whose values may be shown; every other one is personal until it is listed here.
HARMLESS = frozenset({
    "business_id", "id", "account_id", "message_id", "revision", "space", "drop_number", "project", "kind", "channel",
    "state", "role", "review_date", "said_at", "created_at", "received_at", "submitted_at", "version",
})  # fmt: skip
DECLARED = frozenset(key.constraint for key in NATURAL_KEYS)
SHARD = re.compile(r"_\d{6,}$")
DETAIL = re.compile(r"Key \((?P<columns>[^=]*)\)=\((?P<values>.*)\) (?:already exists|is |conflicts )", re.DOTALL)

INSERT = """
insert into constraint_violations
    (sqlstate, table_name, constraint_name, declared, key_masked, existing, place)
values (%(sqlstate)s, %(table)s, %(constraint)s, %(declared)s, %(key)s, %(existing)s::jsonb, %(place)s)
"""
BE_QUICK = "set local statement_timeout = '2s'"

seen = Counter("tallybook_constraint_violations_total", "Constraints hit unexpectedly.", ["table", "constraint"])
log = structlog.get_logger(__name__)


class UnexpectedViolation(Conflict):
    """The database refused a change that the code thought possible. The transaction was undone as a whole."""

    code = "UNEXPECTED_VIOLATION"


class Transactions(Protocol):
    """What can open a transaction: core/db.py's Database."""

    def transaction(self) -> AbstractAsyncContextManager[Conn]: ...


class Violation(msgspec.Struct, frozen=True):
    """What the server said of a violation; ``key`` maps column to value and is empty where it said nothing."""

    sqlstate: str
    table: str | None
    constraint: str | None
    key: dict[str, str]

    @property
    def declared(self) -> bool:
        return self.constraint in DECLARED

    @property
    def masked(self) -> str | None:
        """The key as it may be stored and shown: ``space=fibre, sender_phone=‹12 characters›``."""
        return ", ".join(f"{column}={_shown(column, value)}" for column, value in self.key.items()) or None


def read(error: psycopg.Error) -> Violation:
    """What may be known from the error alone. Pure. A shard's suffix (``_102015``) is taken off the names."""
    diag = error.diag
    return Violation(error.sqlstate or "", _whole(diag.table_name), _whole(diag.constraint_name),
                     _key(diag.message_detail or ""))  # fmt: skip


def _whole(name: str | None) -> str | None:
    return SHARD.sub("", name) if name else None


def _key(detail: str) -> dict[str, str]:
    """The key of the detail line. A value that holds a comma cannot be told apart, so then nothing is read."""
    match = DETAIL.match(detail)
    if match is None:
        return {}
    columns, values = match["columns"].split(", "), match["values"].split(", ")
    return dict(zip(columns, values, strict=True)) if len(columns) == len(values) else {}


def _shown(column: str, value: str) -> str:
    return value if column in HARMLESS else f"‹{len(value)} characters›"


async def record(db: Transactions, error: psycopg.Error, place: str) -> None:
    """Keeps the violation, in transactions of its own: the failed one is gone. Never raises.

    ``place`` says what was being done, in words that hold no personal data.
    """
    found = read(error)
    seen.labels(found.table or "unknown", found.constraint or "unknown").inc()
    log.error("constraint violated", sqlstate=found.sqlstate, table=found.table, constraint=found.constraint,
              declared=found.declared, place=place)  # fmt: skip
    existing = await _existing(db, found) if isinstance(error, pg.UniqueViolation) else None
    try:
        async with db.transaction() as conn:
            await conn.execute(INSERT, {
                "sqlstate": found.sqlstate, "table": found.table, "constraint": found.constraint,
                "declared": found.declared, "key": found.masked, "place": place,
                "existing": None if existing is None else msgspec.json.encode(existing).decode(),
            })  # fmt: skip
    except Exception as failure:  # noqa: BLE001 - the caller has an error to report already; this must not hide it
        log.warning("violation not recorded", failure=type(failure).__name__)


async def _existing(db: Transactions, found: Violation) -> dict[str, Any] | None:
    """The harmless columns of the row that was in the way, if it is still there and may be read."""
    if found.table is None or not found.key:
        return None
    statement = sql.SQL("select to_jsonb(t) from (select * from {table} where {same} limit 1) t").format(
        table=sql.Identifier(found.table),
        same=sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value)) for column, value in found.key.items()
        ),
    )
    try:
        async with db.transaction() as conn:
            await conn.execute(BE_QUICK)
            row = await (await conn.execute(statement)).fetchone()
    except Exception:  # noqa: BLE001 - best effort: a dropped table, no right to read, an expression in the key
        return None
    return {column: value for column, value in row[0].items() if column in HARMLESS} if row else None


async def unexpected(db: Transactions, error: psycopg.Error, place: str) -> UnexpectedViolation:
    """Records the violation and returns the error to raise instead: it names the constraint and no data."""
    await record(db, error, place)
    found = read(error)
    name = found.constraint or "a constraint"
    return UnexpectedViolation(
        f"The database refused the change: {name} on {found.table or 'a table'} does not allow it. "
        "Nothing was changed; the case is on the health page.",
        constraint=found.constraint,
        table=found.table,
    )
