"""What is proposed can be run as it stands, and takes away nothing that others rely on."""

from __future__ import annotations

import re

import pytest

from tallybook.doctor.contract import NaturalKey, Upsert
from tests.doctor.tables import Patient, key, short

LONG = "a" * 62
PARTED = "create table t (a int, b int, day date) partition by range (day);"
TWICE = "create table t (a int not null, constraint kept unique (a)); create unique index other on t (a);"
MENDED: dict[str, tuple[str, list[NaturalKey], list[str]]] = {
    "one rule for each kind of rows": (
        "create table t (a int, b int, status text);",
        [key("a, b", where="status='approved'"), key("a, b", where="status='pending'")],
        ["t_a_b_approved_key", "t_a_b_pending_key"],
    ),
    "columns alike for as long as a name can be": (
        f"create table t ({LONG}x int, {LONG}y int);",
        [key(f"{LONG}x"), key(f"{LONG}y")],
        [f"t_{'a' * 52}_~", f"t_{'a' * 52}_~"],
    ),
    "letters of more than one byte": (
        f"create table t ({'é' * 31} int);", [key("é" * 31)], [f"t_{'é' * 26}_~"],
    ),
    "tables and columns that read alike": (
        "create table a (b_c int); create table a_b (c int);",
        [key("b_c", table="a"), key("c", table="a_b")],
        ["a_b_c_key", "a_b_c_key_new"],
    ),
    "a name that another relation bears": (
        "create table t (a int); create index t_a_key on t (a); create table t_a_key_new ();", [key("a")],
        ["t_a_key_~"],
    ),
    "a name that a check bears": (
        "create table t (a int constraint t_a_key check (a > 0));", [key("a")], ["t_a_key_new"],
    ),
    "a predicate with a comment": (
        "create table t (a int, d text);", [key("a", where="d = 'x' -- asked")], ["t_a_key"],
    ),
    "two alike on a partitioned table": (
        PARTED + "create unique index one on t (a, day); alter table t add unique (a, day);", [key("a, day")], ["one"],
    ),
    "an unfinished one on a partitioned table": (
        PARTED + "create table t_1 partition of t for values from ('2026-01-01') to ('2027-01-01');"
        "create unique index one on only t (a, day);",
        [key("a, day")], ["t_a_day_key"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MENDED)
async def test_all_remedies_together_can_be_run(ill: Patient, what: str) -> None:
    statements, keys, names = MENDED[what]
    await ill.make(statements)
    found = await ill.told(*keys)
    for one in found:
        if "partition by" in statements:
            assert "concurrently" not in one.do
        await ill.make(one.do.replace(" concurrently", ""))
    told = {
        re.sub(r".*(?:index|constraint) (?:concurrently )?(?:patient\.)?\"?(\w+).*;", r"\1", one.do) for one in found
    }
    assert sorted(re.sub(r"_[0-9a-f]{8}$", "_~", name) for name in told) == names
    assert short(await ill.told(*keys)) == []


async def test_what_a_statement_names_stays_of_two_alike(ill: Patient) -> None:
    await ill.make(TWICE + "alter table t add constraint named unique using index other;")
    named = Upsert(place="a.py:1", statement="insert into t values ($1) on conflict on constraint named do nothing")
    assert short(await ill.told(key("a"))) == ["redundant-key named"]
    assert short(await ill.told(key("a"), upserts=(named,))) == ["redundant-key kept"]


async def test_what_subscribers_know_rows_by_stays_of_two_alike(ill: Patient) -> None:
    await ill.make(TWICE)
    assert short(await ill.told(key("a"))) == ["redundant-key other"]
    await ill.make("alter table t replica identity using index other;")
    assert short(await ill.told(key("a"))) == ["redundant-key kept"]
    await ill.make("alter table t drop constraint kept, add b int, add unique (a, b);")
    (found,) = await ill.told(key("a, b"))
    assert found.do == ("Give patient.t another replica identity first, then: drop index concurrently patient.other;")


async def test_what_foreign_keys_rely_on_goes_after_them(ill: Patient) -> None:
    await ill.make(
        "create table t (a int, b int, constraint k unique (a, b));"
        "create table u (a int, b int, foreign key (a, b) references t (a, b));"
    )
    (found,) = await ill.told(key("a, b", same=True))
    assert found.do.endswith(
        "Point u.u_a_b_fkey at the declared key first, then: alter table patient.t drop constraint k;"
    )


async def test_a_table_parted_by_an_expression_keeps_its_key_elsewhere(ill: Patient) -> None:
    await ill.make("create table t (a int) partition by range ((a + 1));")
    (found,) = await ill.told(key("a"))
    assert found.do == "Keep the key in a table of its own that is not partitioned."


async def test_a_type_without_equality_is_named(ill: Patient) -> None:
    await ill.make("create table t (a int, doc json);")
    (found,) = await ill.told(key("a, doc"))
    assert found.do.endswith("doc is of the type json, which has no equality.")
