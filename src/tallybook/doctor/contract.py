"""What a schema is held against: the business's natural keys, and the statements that rely on them.

A contract comes from the product's own declarations, from a TOML file, or as a draft from a database and a source tree.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Nulls(StrEnum):
    """Whether two rows without a value are two things (as PostgreSQL has it by itself) or the same one."""

    DISTINCT = "distinct"
    SAME = "same"


class NaturalKey(msgspec.Struct, frozen=True, kw_only=True):
    """The business's rule of what is the same thing in one table.

    ``columns`` are names, or expressions in parentheses: ``("drop_number", "(lower(project))")``. None at all means
    that the table holds one row at most. ``where`` narrows the rule to the rows that it is about. ``immediate`` False
    allows it to be held at the end of a transaction only. ``name`` is the constraint's or index's, where it matters:
    a key of another name holds as well. ``same`` completes "two rows are the same when they are …".
    """

    table: str
    columns: tuple[str, ...]
    where: str | None = None
    nulls: Nulls = Nulls.DISTINCT
    immediate: bool = True
    name: str | None = None
    same: str = ""

    @property
    def says(self) -> str:
        """The key as a person reads it: ``sprints (discipline, sprint_index) where status = 'approved'``."""
        columns = ", ".join(self.columns) if self.columns else "one row at most"
        return f"{self.table} ({columns})" + (f" where {self.where}" if self.where else "")

    @property
    def chosen_by(self) -> str:
        """How a person names it to a command: its name, or its columns with commas and its predicate, if any.

        ``one-row`` stands for no columns.
        """
        where = f" where {' '.join(self.where.split())}" if self.where else ""
        return self.name or (",".join(self.columns) or "one-row") + where


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """Periods that must not lie over each other: an exclusion constraint.

    ``rule`` is as ``pg_get_constraintdef`` writes it, without regard to case, blanks and parentheses.
    """

    table: str
    name: str
    rule: str
    same: str = ""


class Upsert(msgspec.Struct, frozen=True, kw_only=True):
    """A statement with ON CONFLICT. Parameters stand as ``$1``; ``place`` is where it was read, as ``file:line``."""

    place: str
    statement: str


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a schema is held against.

    ``scope`` are the columns of a tenant: a key of a table that has one of them, and is not in ``shared``, contains
    it. ``distributed_by`` is the column by which tables are spread over machines, which each of their keys contains.
    ``unread`` are the places whose statements could not be read, so that nobody takes them for healthy.
    """

    keys: tuple[NaturalKey, ...] = ()
    apart: tuple[Apart, ...] = ()
    upserts: tuple[Upsert, ...] = ()
    scope: tuple[str, ...] = ()
    shared: frozenset[str] = frozenset()
    distributed_by: str | None = None
    unread: tuple[str, ...] = ()
