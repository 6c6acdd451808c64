"""Where no error is told between two schemas, whatever rows one of them takes the other takes too: tried on rows."""

from __future__ import annotations

import asyncio
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import strategies as st

from tallybook.doctor.catalog_reading import read
from tallybook.doctor.drift import drift
from tallybook.doctor.types import Severity
from tests.doctor.tables import Patient, tried

COLUMNS = ("a", "b", "c")
indexes = st.builds(
    lambda columns, nulls, where: f"({', '.join(columns)}) {nulls} {where}",
    st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=3, unique=True),
    st.sampled_from(["", "", "nulls not distinct"]),
    st.sampled_from(["", "", "where c = 1", "where a is not null"]),
)
sides = st.tuples(st.lists(indexes, max_size=3), st.sets(st.sampled_from(COLUMNS), max_size=2))
# Two that have nothing to do with each other nearly always differ; so the other is often the same one, told anew.
two_sides = st.one_of(
    st.tuples(sides, sides),
    sides.flatmap(lambda one: st.tuples(st.just(one), st.permutations(one[0]).map(lambda them: (them, one[1])))),
    sides.flatmap(lambda one: st.tuples(st.just(one), indexes.map(lambda more: ([*one[0], more], one[1])))),
    sides.flatmap(lambda one: st.tuples(st.just(one), st.just((one[0], set(COLUMNS))))),
)
# Which of all pairs of rows a schema takes; in one statement, since there are many.
TAKES = """
create function pg_temp.takes(pairs jsonb) returns setof bool language plpgsql as $$
declare pair jsonb; taken bool;
begin
    for pair in select value from jsonb_array_elements(pairs) loop
        begin
            insert into t select (r ->> 0)::int, (r ->> 1)::int, (r ->> 2)::int from jsonb_array_elements(pair) r;
            raise sqlstate 'T0000';
        exception
            when sqlstate 'T0000' then taken := true;
            when unique_violation or not_null_violation then taken := false;
        end;
        return next taken;
    end loop;
end $$
"""
ROWS = list(product((None, 1, 2), repeat=3))
# Every row beside one of ones and beside itself; and what is the same in some columns, or without a value in some.
PAIRS = [(row, other) for row in ROWS for other in {row, (1, 1, 1), (1, 1, 2), (None, 1, 1)}]


async def agree(ill: Patient, made: Any) -> bool:
    """Whether no error is told of the two; then they must take the same pairs of rows."""
    conn = ill.conn
    async with conn.transaction(force_rollback=True):
        await ill.make(TAKES)
        found = []
        for schema, (unique, needed) in zip(("here_env", "there_env"), made, strict=True):
            columns = ", ".join(f"{name} int{' not null' if name in needed else ''}" for name in COLUMNS)
            statements = [f"create table t ({columns})", *(f"create unique index on t {index}" for index in unique)]
            await conn.execute(f"create schema {schema}; set local search_path to {schema}".encode())
            await conn.execute("; ".join(statements).encode())
            taken = await conn.execute("select pg_temp.takes(%s::jsonb)", [json.dumps(PAIRS)])
            found.append((await read(conn, [schema]), await taken.fetchall()))
        (here, here_takes), (there, there_takes) = found
        told = drift(here, there, names=("here", "there"))
        if any(one.severity is Severity.ERROR for one in told):
            return False
        # A value that one side alone demands, in no key of both, makes no row unique.
        one_sided = [COLUMNS.index(name) for name in made[0][1] ^ made[1][1]]
        different = [
            pair for pair, *two in zip(PAIRS, here_takes, there_takes, strict=True)
            if two[0] != two[1] and all(row[column] is not None for row in pair for column in one_sided)
        ]  # fmt: skip
        assert not different, (made, different[0])
        return True


def alike(url: str, examples: int) -> int:
    """How many of so many pairs of schemas were told to take the same, and did."""
    return sum(tried(url, examples, two_sides, agree))


async def test_schemas_without_an_error_between_them_take_the_same_rows(superuser_url: str) -> None:
    assert await asyncio.to_thread(alike, superuser_url, 25) > 5


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_many_schemas_without_an_error_between_them_take_the_same_rows(superuser_url: str) -> None:
    assert await asyncio.to_thread(alike, superuser_url, 400) > 80
