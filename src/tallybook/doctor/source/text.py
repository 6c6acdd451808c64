"""Tells whether a text of a source file is a whole statement with ON CONFLICT, and if not, why not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from tallybook.doctor.conflict import conflicts
from tallybook.doctor.contract import Upsert
from tallybook.doctor.placeholders import numbered
from tallybook.doctor.sql_tokens import HOLE, statements, tokens

try:
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
except ImportError:  # it comes with the extra; reading a source tree is all that needs it
    READABLE = False
else:
    READABLE = True

# A clause, and not only talk of one.
CLAUSE = re.compile(rf"\bon\s+conflict\s*(?:[({HOLE}{{%]|do\s+(?:nothing|update)\b|on\s+constraint\b)", re.IGNORECASE)
# A statement that ends so goes on elsewhere.
_GOES_ON = {"set", "values", "where", "and", "or", "returning", "=", ","}
# A part of PostgreSQL's grammar that the second reader lacks.
_UNKNOWN = re.compile(r"\boverriding\s+(?:system|user)\s+value\b", re.IGNORECASE)
# One placeholder for all rows, which psycopg2's execute_values fills in.
_ALL_ROWS = re.compile(r"(\(([^()]*)\)\s*values\s*)%s", re.IGNORECASE)


class Piece(msgspec.Struct, frozen=True):
    """A text of a source file as it stands there, a HOLE for what is filled in at run time.

    ``name`` is that of the constant, where it is one.
    """

    line: int
    text: str
    name: str | None = None


class Read(msgspec.Struct, frozen=True):
    """What was read; ``unread`` says ``file:line: why`` of each clause that was not."""

    upserts: tuple[Upsert, ...] = ()
    unread: tuple[str, ...] = ()


def quoted(*names: str) -> str:
    """A name as a statement has it, with its schema."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def judged(file: str, piece: Piece) -> Iterator[Upsert | str]:
    """The statements of a piece that have ON CONFLICT, or why one cannot be read. Nothing where it has no clause."""
    if not CLAUSE.search(piece.text):
        return
    place = f"{file}:{piece.line}"
    text = numbered(_ALL_ROWS.sub(_one_row, piece.text))
    for at, statement in statements(text):
        if not CLAUSE.search(statement):
            continue
        # Where a file holds many statements, each has its own line; a text within a program has one.
        line = piece.line + text.count("\n", 0, at)
        why = _why_not(statement)
        here = f"{file}:{line}" if file.endswith(".sql") else place
        yield f"{here}: {why}" if why else Upsert(place=here, statement=statement)


def _one_row(found: re.Match[str]) -> str:
    return f"{found[1]}({', '.join(['null'] * (found[2].count(',') + 1))})"


def _why_not(statement: str) -> str | None:
    """Why a statement cannot be read; None where it can."""
    words = tokens(statement)
    if any(word.kind == "hole" or word.text in {"{", "}"} for word in words):
        return "a part of it is filled in at run time"
    if any(word.kind == "body" and CLAUSE.search(word.text) for word in words):
        return "it stands in a function's body, whose variables are not known from outside"
    clauses = conflicts(statement)
    whole = words[0].text in {"insert", "with"} and words[-1].text not in _GOES_ON
    if not whole or not clauses or not all(one.table for one in clauses):
        return "it is only a part of a statement"
    return _not_understood(statement)


def _not_understood(statement: str) -> str | None:
    """A second reader, which knows the whole grammar: it tells what is cut off, or meant for another database."""
    try:
        parsed = parse_one(_UNKNOWN.sub("", _without_parameters(statement)), dialect="postgres")
    except SqlglotError as error:
        why = re.sub(r"\x1b\[\d+m", "", str(error).partition("\n")[0]).rstrip(".")
        return f"it is not understood ({why}); where it is whole, write it into the contract under [[upserts]]"
    return None if parsed.find(exp.Insert) else "it is not understood as an insert"


def _without_parameters(statement: str) -> str:
    """That reader takes what stands between two parameters for a text in dollar quotes, as in ``($1,$2)``."""
    at, parts = 0, []
    for token in tokens(statement):
        if token.kind == "parameter":
            parts += [statement[at : token.at], "null"]
            at = token.end
    return "".join([*parts, statement[at:]])
