"""What constraints refused, for people: by constraint, the latest first, and the last cases of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from .connection import Conn
from .violations import IS_EXPECTED, Kind, kind_of, meaning


class Case(msgspec.Struct, frozen=True):
    """One row of the record; ``existing`` is what is known of the row in the way, ``times`` how many it stands for."""

    at: datetime
    key_masked: str | None
    existing: dict[str, Any] | None
    place: str
    answered: bool
    times: int


class Group(msgspec.Struct, frozen=True):
    """One constraint that said no in one way. ``unanswered`` are the times that the code had no answer to it.

    ``last_id`` is the number of its last row, below which the next page of groups begins.
    """

    last_id: int
    table: str | None
    constraint: str | None
    sqlstate: str
    declared: bool
    answered: int
    unanswered: int
    first_at: datetime
    last_at: datetime
    cases: list[Case]

    @property
    def kind(self) -> Kind:
        return kind_of(self.sqlstate, declared=self.declared)

    @property
    def says(self) -> str:
        """What it means; empty where the code had an answer each time."""
        if self.kind is Kind.EXPECTED and not self.unanswered:
            return ""
        return meaning(self.sqlstate, self.table, self.constraint, declared=self.declared)


# Of the cases those of the reader's business, and those of which nobody knows whose they were.
GROUPS = rf"""
select g.last_id, g.table_name, g.constraint_name, g.sqlstate, g.declared, g.answered, g.unanswered, g.first_at,
    g.last_at,
    coalesce((
        select jsonb_agg(to_jsonb(c) order by c.at desc) from (
            select v.at, v.key_masked, v.existing, v.place, v.answered, v.times from constraint_violations v
            where v.table_name is not distinct from g.table_name
                and v.constraint_name is not distinct from g.constraint_name
                and v.sqlstate = g.sqlstate and v.declared = g.declared
                and coalesce(v.existing->>'business_id', substring(v.key_masked from 'business_id=(\d+)'),
                    %(business_id)s::int::text) = %(business_id)s::int::text
            order by v.at desc, v.id desc limit %(cases)s::int) c), '[]')
from (
    select table_name, constraint_name, sqlstate, declared, max(id) as last_id, min(at) as first_at, max(at) as last_at,
        coalesce(sum(times) filter (where answered), 0)::bigint as answered,
        coalesce(sum(times) filter (where not answered), 0)::bigint as unanswered
    from constraint_violations
    where %(expected)s::bool is null or {IS_EXPECTED} = %(expected)s::bool
    group by 1, 2, 3, 4) g
where %(below)s::bigint is null or g.last_id < %(below)s::bigint
order by g.last_id desc limit %(limit)s::int
"""


async def groups(
    conn: Conn, business_id: int, limit: int, *, kind: Kind | None = None, below: int | None = None, cases: int = 5
) -> list[Group]:
    """What was refused, by constraint, the latest first; of one kind, where it is named. ``below`` is a ``last_id``."""
    values = {
        "business_id": business_id, "limit": limit, "below": below, "cases": cases,
        "expected": None if kind is None else kind is Kind.EXPECTED,
    }  # fmt: skip
    found = await (await conn.execute(GROUPS, values)).fetchall()
    return [Group(*(*row[:-1], msgspec.convert(row[-1], list[Case]))) for row in found]
