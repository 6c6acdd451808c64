"""Whatever the doctor calls healthy accepts every two rows that the rule allows, and refuses every two that it forbids.

Tables, rules and indexes are made at random; the server itself is asked about every pair of rows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from tallybook.doctor.contract import NaturalKey, Nulls
from tests.doctor.tables import Patient, tried

Row = dict[str, Any]

COLUMNS: dict[str, Callable[[Row], Any]] = {
    "a": lambda row: row["a"],
    "b": lambda row: row["b"],
    "t": lambda row: row["t"],
    "(lower(t))": lambda row: row["t"] and row["t"].lower(),
}
PREDICATES: dict[str | None, Callable[[Row], bool]] = {
    None: lambda _: True,
    "d = 'x'": lambda row: row["d"] == "x",
    "d = 'y'": lambda row: row["d"] == "y",
    "a is not null": lambda row: row["a"] is not None,
    "a is not null and d = 'x'": lambda row: row["a"] is not None and row["d"] == "x",
}
VALUES: dict[str, list[Any]] = {"a": [None, 1], "b": [None, 1, 2], "t": [None, "k", "K"], "d": ["x", "y"]}
FILLED: dict[str, list[Any]] = VALUES | {"a": [1, 2], "b": [1, 2], "t": ["k", "K"]}
# For each pair of rows, whether the second is refused once the first is there.
REFUSED = """
create function refused(pairs jsonb) returns setof boolean language plpgsql as $$
declare pair jsonb;
begin
    for pair in select value from jsonb_array_elements(pairs) with ordinality order by ordinality loop
        begin
            begin
                insert into t select * from jsonb_populate_record(null::t, pair -> 0);
                insert into t select * from jsonb_populate_record(null::t, pair -> 1);
                raise exception using errcode = 'TB000';
            exception when unique_violation or exclusion_violation then return next true;
            end;
        exception when sqlstate 'TB000' then return next false;
        end;
    end loop;
end $$;
"""

columns = st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=3, unique=True)
narrow = st.sampled_from([None, None, *PREDICATES])


@st.composite
def rules(draw: st.DrawFn) -> NaturalKey:
    return NaturalKey(
        table="t",
        columns=tuple(draw(columns)) if draw(st.integers(0, 9)) else (),
        where=draw(narrow),
        nulls=draw(st.sampled_from(Nulls)),
        immediate=draw(st.booleans()),
    )


@st.composite
def indexes(draw: st.DrawFn, rules: list[NaturalKey]) -> str:
    """An index at random, or one made for a rule, or nearly so."""
    near = draw(st.sampled_from(rules)) if draw(st.integers(0, 3)) else None
    chosen = list(near.columns) if near else draw(columns)
    where = near.where if near and draw(st.integers(0, 4)) else draw(narrow)
    same = (near.nulls is Nulls.SAME) if near and draw(st.integers(0, 4)) else draw(st.booleans())
    if draw(st.integers(0, 4)) == 0:
        chosen = draw(columns)
    order = ", ".join(draw(st.permutations(chosen))) or "(true)"
    nulls = "nulls not distinct" if same else ""
    if where is None and "(" not in order and draw(st.integers(0, 3)) == 0:
        return f"alter table t add unique {nulls} ({order}) deferrable"
    return f"create unique index on t ({order}) {nulls}" + (f" where {where}" if where else "")


@st.composite
def schemas(draw: st.DrawFn) -> tuple[frozenset[str], list[NaturalKey], list[str]]:
    filled = draw(st.frozensets(st.sampled_from(["a", "b", "t"])))
    declared = draw(st.lists(rules(), min_size=1, max_size=2))
    made = [draw(indexes(declared[number : number + 1] or declared)) for number in range(draw(st.integers(1, 3)))]
    return filled, declared, made


def forbidden(key: NaturalKey, one: Row, other: Row) -> bool:
    """What the rule says of two rows; it needs no database."""
    if not (PREDICATES[key.where](one) and PREDICATES[key.where](other)):
        return False
    values = [(COLUMNS[column](one), COLUMNS[column](other)) for column in key.columns]
    return all(mine == its and (mine is not None or key.nulls is Nulls.SAME) for mine, its in values)


def folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def pairs(filled: frozenset[str], declared: list[NaturalKey]) -> list[tuple[Row, Row]]:
    """Every two rows that differ wherever no rule compares them, at least one of which some rule is about."""
    kinds = [(FILLED if name in filled else VALUES)[name] for name in VALUES]
    rows = [dict(zip(VALUES, values, strict=True)) for values in itertools.product(*kinds)]
    compared = {column.strip("()").removeprefix("lower(") for key in declared for column in key.columns}
    free = [name for name in ("a", "b", "t") if name not in compared]
    return [
        (one, other)
        for one, other in itertools.combinations_with_replacement(rows, 2)
        if all(folded(one[name]) != folded(other[name]) for name in free)
        and any(PREDICATES[key.where](row) for key in declared for row in (one, other))
    ]


async def holds(ill: Patient, case: tuple[frozenset[str], list[NaturalKey], list[str]]) -> bool:
    """Whether the doctor calls the schema healthy, and whether the server then does as the rules say."""
    filled, declared, made = case
    async with ill.conn.transaction(force_rollback=True):
        null = {name: "not null" if name in filled else "" for name in VALUES}
        await ill.make(f"create table t (a int {null['a']}, b int {null['b']}, t text {null['t']}, d text)")
        for statement in made:
            await ill.make(statement)
        report = await ill.report(*declared)
        if not report.healthy:
            return False
        asked = pairs(filled, declared)
        await ill.make(REFUSED)
        cursor = await ill.conn.execute("select refused(%s::jsonb)", [json.dumps(asked)])
        for (one, other), (refused,) in zip(asked, await cursor.fetchall(), strict=True):
            expected = any(forbidden(key, one, other) for key in declared)
            assert refused == expected, (one, other, [finding.says for finding in report.findings])
        for key in declared:
            if key.immediate and len(declared) == 1 and key.columns:
                where = f" where {key.where}" if key.where else ""
                await ill.make(
                    f"explain insert into t values (1) on conflict ({', '.join(key.columns)}){where} do nothing"
                )
        return True


def healthy(url: str, examples: int) -> int:
    """How many of so many schemas were called healthy, and were."""
    return sum(tried(url, examples, schemas(), holds))


async def test_a_schema_that_is_called_healthy_does_what_its_rules_say(superuser_url: str) -> None:
    assert await asyncio.to_thread(healthy, superuser_url, 60) > 5


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_many_schemas_that_are_called_healthy_do_what_their_rules_say(superuser_url: str) -> None:
    assert await asyncio.to_thread(healthy, superuser_url, 1_000) > 100
