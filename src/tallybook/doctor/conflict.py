"""What a statement's ON CONFLICT relies on, read without the statement's grammar."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .sql_tokens import Token, closing, tokens


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """One ON CONFLICT clause. ``columns`` are names, or expressions in parentheses, as a Catalog has them.

    ``table`` is "" where none was found before it; ``schema`` None where the search path decides. Without ``columns``
    and ``constraint`` it has no target. ``parameters`` are those of its predicate.
    """

    table: str
    schema: str | None = None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    where: str | None = None
    parameters: tuple[str, ...] = ()
    nothing: bool = False

    @property
    def targeted(self) -> bool:
        return bool(self.columns or self.constraint)

    @property
    def says(self) -> str:
        """The clause as it is written, as far as it matters."""
        target = f" on constraint {self.constraint}" if self.constraint else ""
        target = f" ({', '.join(self.columns)})" if self.columns else target
        return f"on conflict{target}" + (f" where {self.where}" if self.where else "")


def parameters(statement: str) -> int:
    """The number of a statement's parameters: the highest that it names."""
    return max((int(token.text[1:]) for token in tokens(statement) if token.kind == "parameter"), default=0)


def conflicts(statement: str) -> tuple[Conflict, ...]:
    """Every ON CONFLICT of a statement; those within its CTEs too."""
    found = tokens(statement)
    into: list[tuple[str | None, str]] = [(None, "")]
    clauses = []
    for place, token in enumerate(found):
        if token.text == "(":
            into.append(into[-1])
        elif token.text == ")" and len(into) > 1:
            into.pop()
        elif _words(found, place, "insert", "into"):
            into[-1] = _table(found, place + 2)
        elif _words(found, place, "on", "conflict"):
            clause = _clause(statement, found, place + 2, into[-1])
            clauses += [clause] if clause is not None else []
    return tuple(clauses)


def _words(found: Sequence[Token], at: int, *words: str) -> bool:
    return [token.text for token in found[at : at + len(words)] if token.kind == "word"] == list(words)


def _table(found: Sequence[Token], at: int) -> tuple[str | None, str]:
    parts = []
    while at < len(found) and found[at].names:
        parts.append(found[at].identifier)
        if at + 1 >= len(found) or found[at + 1].text != ".":
            break
        at += 2
    return (parts[-2] if len(parts) > 1 else None), (parts[-1] if parts else "")


def _clause(statement: str, found: Sequence[Token], at: int, into: tuple[str | None, str]) -> Conflict | None:
    """The clause after its two words; None where what follows is no clause but prose."""
    schema, table = into
    columns: tuple[str, ...] = ()
    constraint, where = None, None
    inside: Sequence[Token] = ()
    if _words(found, at, "on", "constraint") and at + 2 < len(found):
        constraint, at = found[at + 2].identifier, at + 3
    elif at < len(found) and found[at].text == "(":
        end = closing(found, at)
        columns, at = _columns(statement, found[at + 1 : end]), end + 1
        if _words(found, at, "where"):
            end = _action(found, at)
            inside = found[at + 1 : end]
            where, at = _text(statement, inside), end
    if not (_words(found, at, "do", "nothing") or _words(found, at, "do", "update")):
        return None
    return Conflict(
        table=table,
        schema=schema,
        columns=columns,
        constraint=constraint,
        where=where,
        parameters=tuple(token.text for token in inside if token.kind in {"parameter", "hole"}),
        nothing=_words(found, at, "do", "nothing"),
    )


def _action(found: Sequence[Token], at: int) -> int:
    """Where the predicate ends: at the ``do`` outside of its parentheses."""
    while at < len(found) and not _words(found, at, "do"):
        at = closing(found, at) + 1 if found[at].text == "(" else at + 1
    return at


def _text(statement: str, inside: Sequence[Token]) -> str:
    return " ".join(statement[inside[0].at : inside[-1].end].split()) if inside else ""


def _columns(statement: str, inside: Sequence[Token]) -> tuple[str, ...]:
    items: list[list[Token]] = [[]]
    depth = 0
    for token in inside:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and not depth:
            items.append([])
        else:
            items[-1].append(token)
    return tuple(_column(statement, item) for item in items if item)


def _column(statement: str, item: Sequence[Token]) -> str:
    """A name without its collation and operator class, or an expression in one pair of parentheses."""
    if item[0].names and (len(item) == 1 or item[1].names):
        return item[0].identifier
    text = _text(statement, item)
    return text if item[0].text == "(" and closing(item, 0) == len(item) - 1 else f"({text})"
