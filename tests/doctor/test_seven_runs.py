"""What the doctor says of a statement is what happens when it runs seven times on a prepared statement.

Tables, their keys and the statements are made at random; the server itself runs them.
"""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from hypothesis import strategies as st

from tallybook.doctor import upserts
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Upsert
from tallybook.doctor.types import Code
from tests.doctor.tables import SCHEMA, Patient, tried

# A statement that relies on what is not there, is late, is no constraint, or cannot do this.
UNFIT = {"42P10", "55000", "42704", "42809", "0A000"}
SAID = set(Code) - {Code.CONFLICT_WITHOUT_TARGET}

columns = st.lists(st.sampled_from(["a", "b", "t", "(lower(t))"]), min_size=1, max_size=3, unique=True)


@st.composite
def keys(draw: st.DrawFn) -> str:
    chosen = ", ".join(draw(columns))
    name = f"u{draw(st.integers(0, 1))}"
    plain = "(" not in chosen
    kind = draw(st.sampled_from(["index", "constraint", "late", "exclusion"]))
    if kind == "index" or not plain:
        where = draw(st.sampled_from(["", " where d = 'x'", " where d = 'y' and a is not null"]))
        return f"create unique index {name} on t ({chosen}){draw(st.sampled_from(['', ' nulls not distinct']))}{where}"
    if kind == "exclusion":
        return f"alter table t add constraint {name} exclude ({chosen.replace(',', ' with =,')} with =)"
    return f"alter table t add constraint {name} unique ({chosen}){' deferrable' if kind == 'late' else ''}"


@st.composite
def statements(draw: st.DrawFn, made: list[str]) -> str:
    """The target of a key that was made, or nearly so, or one at random."""
    key = draw(st.sampled_from(made))
    target = " (" + key.partition(" where ")[0].partition("(")[2].rpartition(")")[0].replace(" with =", "") + ")"
    own = " where " + key.partition(" where ")[2] if " where " in key else ""
    if draw(st.integers(0, 4)) == 0:
        target = f" ({', '.join(draw(columns))})"
    if draw(st.integers(0, 4)) == 0:
        target = draw(st.sampled_from([" on constraint u0", " on constraint u1", ""]))
    where = own if draw(st.integers(0, 2)) else draw(st.sampled_from(["", " where d = $5", " where d = 'x' and b = 1"]))
    target += where if target.startswith(" (") else ""
    action = draw(st.sampled_from(["nothing", "update set d = excluded.d"])) if target else "nothing"
    return f"insert into t (a, b, t, d) values ($1, $2, $3, $4) on conflict{target} do {action}"


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], str]:
    made = draw(st.lists(keys(), min_size=1, max_size=2, unique_by=lambda text: text.split("u", 2)[-1][:1]))
    return made, draw(statements(made))


async def fails(ill: Patient, statement: str) -> bool:
    """Whether one of seven runs finds that its key is unfit."""
    values = ", 'x'" if "$5" in statement else ""
    try:
        async with ill.conn.transaction(force_rollback=True):
            await ill.make(f"prepare seven as {statement}")
    except psycopg.Error as error:
        return error.sqlstate in UNFIT
    try:
        for run in range(7):
            try:
                async with ill.conn.transaction():
                    await ill.make(f"execute seven({run}, {run}, '{run}', 'x'{values})")
            except psycopg.Error as error:
                if error.sqlstate in UNFIT:
                    return True
    finally:
        await ill.make("deallocate seven")
    return False


async def agree(ill: Patient, case: tuple[list[str], str]) -> bool:
    made, statement = case
    async with ill.conn.transaction(force_rollback=True):
        await ill.make("create table t (a int, b int, t text, d text)")
        for text in made:
            try:
                async with ill.conn.transaction():
                    await ill.make(text)
            except psycopg.errors.DuplicateTable:
                continue  # two keys of one name
        found = await upserts.examine(
            ill.conn, [Upsert(place="t:1", statement=statement)], await read(ill.conn, [SCHEMA]), [SCHEMA]
        )
        failed = await fails(ill, statement)
        assert failed == any(one.code in SAID for one in found), [one.says for one in found]
        return failed


def counted(url: str, examples: int) -> tuple[int, int]:
    """How many of the statements failed, and how many ran."""
    failed = tried(url, examples, cases(), agree)
    return sum(failed), len(failed) - sum(failed)


async def test_a_statement_fails_in_seven_runs_just_where_the_doctor_says_so(superuser_url: str) -> None:
    failed, ran = await asyncio.to_thread(counted, superuser_url, 30)
    assert failed > 5
    assert ran > 5


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_many_statements_fail_just_where_the_doctor_says_so(superuser_url: str) -> None:
    failed, ran = await asyncio.to_thread(counted, superuser_url, 600)
    assert failed > 100
    assert ran > 100
