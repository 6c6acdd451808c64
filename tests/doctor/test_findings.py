"""Each fault has its name, and what is sound is left in peace."""

from __future__ import annotations

import pytest

from tallybook.doctor.contract import Apart, NaturalKey
from tallybook.doctor.types import Code, Severity
from tests.doctor.tables import Patient, key, short

TABLE = "create table t (id bigint generated always as identity, a int not null, b int not null, c int, d text);"
APART = Apart(table="t", name="t_apart", rule="exclude using gist (a with =, int4range(b, c) with &&)")
SOUND = {
    "another order of columns, and another name": ("create unique index some_name on t (b, a);", [key("a, b")]),
    "columns that are only carried": ("alter table t add unique (a, b) include (c);", [key("a, b")]),
    "a number of its own": ("alter table t add primary key (id), add unique (a, b);", [key("a, b")]),
    "a rule over other columns": ("alter table t add unique (a, b), add unique (a, c);", [key("a, b")]),
    "a predicate spelt another way": (
        "create unique index on t (a) where d in ('x', 'y') and c is not null;",
        [key("a", where="(C IS NOT NULL) AND d = any(array['x','y'])")],
    ),
    "an expression spelt another way": ("create unique index on t (lower(d), a);", [key("a, (LOWER( d ))")]),
    "a column in parentheses": ("alter table t add unique (a, b);", [key("(a), b")]),
    "a predicate that narrows nothing": ("alter table t add unique (a);", [key("a", where="a is not null")]),
    "two rules, each within the other's columns": ("alter table t add unique (a), add unique (a, b);",
        [key("a"), key("a, b")]),
    "a rule that a stricter one implies": ("alter table t add unique (a);", [key("a"), key("a, b")]),
    "a null rule where no value can be missing": ("alter table t add unique nulls not distinct (a, b);",
        [key("a, b")]),
    "no value as one value": ("create unique index on t (a, c) nulls not distinct;", [key("a, c", same=True)]),
    "a rule at the end of the transaction": ("alter table t add unique (a) deferrable;", [key("a", immediate=False)]),
    "rules about rows of two kinds": (
        "create unique index on t (a, b) where d = 'x'; create unique index on t (a) where d = 'y';",
        [key("a, b", where="d = 'x'")],
    ),
    "one row at most, by a constant": ("create unique index on t ((true));", [key("")]),
    "one row at most, by a check": ("alter table t add check (id = 1), add primary key (id);", [key("")]),
    "one row at most, by a check of truth": (
        "alter table t add x bool not null default true unique check (x);", [key("")]),
    "one row at most, by a generated column": (
        "alter table t add x int not null unique generated always as (1) stored;", [key("")]),
    "one row at most of a kind": ("create unique index on t (d) where d = 'x';", [key("", where="d = 'x'")]),
    "periods apart under another name": (
        "alter table t add constraint u exclude using gist (a with =, int4range(b, c) with &&);", [APART]),
    "periods apart in another order, quoted without need": (
        "alter table t add exclude using gist (int4range(b, c) with &&, a with =) where (d = 'x');",
        [Apart(table="t", name="t_apart",
            rule="EXCLUDE USING gist (\"a\" with =, int4range(\"b\", c) with &&) where ((\"d\" = 'x'))")]),
    "a list in another order": (
        "create unique index on t (a) where d in ('x', 'y');", [key("a", where="d in ('y', 'x')")]),
    "a list as choices": (
        "create unique index on t (a) where d in ('x', 'y');", [key("a", where="d = 'y' or d = 'x'")]),
    "choices as a list": (
        "create unique index on t (a) where d = 'x' or d = 'y';", [key("a", where="d in ('x', 'y')")]),
    "what is left out, one by one": (
        "create unique index on t (a) where d not in ('x', 'y');", [key("a", where="d <> 'x' and d <> 'y'")]),
    "a table without a declared rule": ("alter table t add unique (a);", []),
}  # fmt: skip
FAULTS = {
    "nothing": ("", [key("a, b")], ["missing-key"]),
    "only a key of its own": ("alter table t add primary key (id);", [key("a, b")], ["missing-key"]),
    "a rule over fewer columns": (
        "alter table t add unique (a, b), add unique (a);", [key("a, b")], ["too-strict t_a_key"]),
    "a bare index over fewer columns": (
        "alter table t add unique (a, b); create unique index i on t (b);", [key("a, b")], ["too-strict i"]),
    "an exclusion over fewer columns": (
        "alter table t add unique (a, b), add constraint x exclude using gist (a with =);", [key("a, b")],
        ["too-strict x"]),
    "an exclusion of what is near": (
        ("alter table t add unique (a, b), "
        "add constraint x exclude using gist (a with =, int4range(b, b, '[]') with &&);"),
        [key("a, b")], ["too-strict x"]),
    "one of its name over fewer columns": (
        "alter table t add constraint k unique (a);", [key("a, b", name="k")], ["missing-key k", "too-strict k"]),
    "a rule of some rows over fewer columns": (
        "alter table t add unique (a, b); create unique index i on t (a) where c > 1;", [key("a, b")],
        ["too-strict i"]),
    "a rule over columns of two rules": (
        "alter table t add unique (a, b), add unique (b, c), add unique (a, c);", [key("a, b"), key("b, c")],
        ["too-strict t_a_c_key"]),
    "all rows instead of some": (
        "alter table t add unique (a);", [key("a", where="d = 'x'")], ["too-strict t_a_key"]),
    "one row in all instead of one of a kind": (
        "create unique index i on t ((true));", [key("", where="d = 'x'")], ["too-strict i"]),
    "capitals alike": (
        "create unique index on t (d, a); create unique index i on t (lower(d), a);", [key("a, d")],
        ["too-strict i"]),
    "a rule over more columns": ("alter table t add unique (a, b, c);", [key("a, b")], ["looser-key t_a_b_c_key"]),
    "a deferrable one": (
        "alter table t add unique (a) deferrable;", [key("a")], ["deferrable-arbiter t_a_key"]),
    "some rows instead of all": (
        "create unique index i on t (a) where d = 'x';", [key("a")], ["partial-arbiter i"]),
    "a predicate that narrows nothing, which no upsert finds": (
        "create unique index i on t (c) where c is not null;", [key("c")], ["partial-arbiter i"]),
    "other rows": (
        "create unique index i on t (a) where d = 'y' or c = 1;", [key("a", where="d = 'x'")],
        ["partial-arbiter i"]),
    "other rows too": (
        "create unique index i on t (a) where d in ('x', 'y', 'z');", [key("a", where="d = 'x'")], ["too-strict i"]),
    "fewer rows": (
        "create unique index i on t (a) where d in ('x', 'y');", [key("a", where="d in ('x', 'y', 'z')")],
        ["partial-arbiter i"]),
    "rows of the rule by a check alone, by which no upsert finds it": (
        "alter table t add check (d = 'x'); create unique index i on t (a) where d = 'x';",
        [key("a", where="b > 0")], ["partial-arbiter i"]),
    "no value as one value, by two": (
        "create unique index ac on t (a, c) where c is not null; create unique index i on t (a) where c is null;",
        [key("a, c", same=True)], ["partial-arbiter ac"]),
    "no value as one value, by two where it means nothing": (
        "create unique index on t (a, c); create unique index i on t (a) where c is null;",
        [key("a, c")], ["too-strict i"]),
    "another expression": (
        "create unique index i on t (upper(d), a);", [key("a, (lower(d))")], ["expression-mismatch i"]),
    "a column instead of an expression": (
        "create unique index i on t (d, a);", [key("a, (lower(d))")], ["expression-mismatch i"]),
    "no value as one value": (
        "create unique index i on t (a, c) nulls not distinct;", [key("a, c")], ["null-rule i"]),
    "no value as many": ("create unique index i on t (a, c);", [key("a, c", same=True)], ["null-rule i"]),
    "two alike": (
        "alter table t add unique (a); create unique index i on t (a);", [key("a")], ["redundant-key i"]),
    "periods over each other": ("", [APART], ["periods-overlap t_apart"]),
    "periods apart by another rule": (
        "alter table t add constraint t_apart exclude using gist (a with =);", [APART], ["periods-overlap t_apart"]),
    "a second row where one is meant": ("alter table t add primary key (id);", [key("")], ["lost-singleton"]),
    "a second row by a check that lets no value pass": (
        "alter table t add unique (c), add check (c = 1);", [key("")], ["lost-singleton"]),
    "a second row by a check of two values": (
        "alter table t add unique (a), add check (a = 1 or a = 2);", [key("")], ["lost-singleton"]),
    "a second row by a check that old rows were spared": (
        "alter table t add unique (a), add constraint one check (a = 1) not valid;", [key("")],
        ["lost-singleton", "unvalidated-constraint one"]),
    "one row where many are meant": (
        "alter table t add unique (a); create unique index i on t ((1));", [key("a")], ["too-strict i"]),
    "no such table": ("", [key("a", table="nowhere")], ["missing-table"]),
    "no such column": ("", [key("a, z")], ["missing-column z"]),
    "words that mean nothing": (
        "alter table t add unique (a);", [key("a", where="colour = 'red'")], ["not-read"]),
    "a foreign key that spared old rows": (
        "alter table t add primary key (id), add constraint f foreign key (c) references t (id) not valid;", [],
        ["unvalidated-constraint f"]),
}  # fmt: skip


@pytest.mark.parametrize("what", SOUND)
async def test_what_is_sound_is_left_in_peace(ill: Patient, what: str) -> None:
    statements, keys = SOUND[what]
    await ill.make(TABLE.replace("bigint generated always as identity", "bigint not null") + statements)
    assert short(await ill.told(*keys)) == []


@pytest.mark.parametrize("what", FAULTS)
async def test_a_fault_is_named(ill: Patient, what: str) -> None:
    statements, keys, expected = FAULTS[what]
    await ill.make(TABLE + statements)
    found = await ill.told(*keys)
    assert short(found) == expected
    assert all(one.says.endswith(".") and one.do for one in found)


async def test_what_an_index_over_fewer_columns_would_refuse_is_said_in_words(ill: Patient) -> None:
    await ill.make(TABLE + "alter table t add unique (a, b), add unique (a);")
    (found,) = await ill.told(key("a, b"))
    assert found.says == (
        "t_a_key on t refuses a second row with the same a, though by the rule (t (a, b)) the same a may come again "
        "with another b."
    )
    assert found.do == "alter table patient.t drop constraint t_a_key;"
    assert found.evidence.error == 'duplicate key value violates unique constraint "t_a_key"'
    assert found.severity is Severity.ERROR


async def test_it_is_said_that_rows_get_in_twice_only_where_they_do(ill: Patient) -> None:
    await ill.make(
        TABLE
        + "create unique index ac on t (a, c) where c is not null; create unique index i on t (a) where c is null;"
        "create unique index few on t (b) where d in ('x', 'y'); create unique index other on t (c, b) where d = 'z';"
    )
    found = {
        one.name: one for one in await ill.told(
            key("a, c", same=True), key("b", where="d > 'w'"), key("c, b", where="d = 'x'"))
    }  # fmt: skip
    assert {name: one.severity for name, one in found.items()} == {
        "ac": Severity.WARNING, "few": Severity.ERROR, "other": Severity.ERROR,
    }  # fmt: skip
    assert [name for name, one in found.items() if "twice" in one.says] == ["other"]


async def test_what_foreign_keys_rely_on_is_not_dropped_under_them(ill: Patient) -> None:
    await ill.make(TABLE + "alter table t add unique (a, b), add unique (a); create table u (a int references t (a));")
    (found,) = await ill.told(key("a, b"))
    assert found.do.startswith("Point u.u_a_fkey at the declared key first")


async def test_a_rule_with_a_number_that_the_table_gives_itself_is_a_note_alone(ill: Patient) -> None:
    await ill.make(TABLE + "alter table t add unique (a, b, id), add primary key (id), add unique (a, id);")
    found = (await ill.report(key("a, b, id"))).findings
    assert {(one.code, one.name, one.severity) for one in found if one.code is Code.TOO_STRICT} == {
        (Code.TOO_STRICT, "t_a_id_key", Severity.NOTE),
    }


async def test_a_rule_with_a_value_that_the_table_makes_up_is_a_note_alone(ill: Patient) -> None:
    await ill.make(
        "create function gen_ulid() returns text language sql as $$select md5(random()::text)$$;"
        "create table t (a int, mark text default gen_ulid(), unique (a, mark), unique (mark));"
    )
    found = (await ill.report(key("a, mark"))).findings
    assert [(one.code, one.name, one.severity) for one in found] == [(Code.TOO_STRICT, "t_mark_key", Severity.NOTE)]


async def test_the_remedy_heals(ill: Patient) -> None:
    """What is proposed can be run as it stands, and then nothing is wrong."""
    for statements, keys in (
        ("", [key("a, b")]),
        ("alter table t add unique (a) deferrable;", [key("a")]),
        ("create unique index i on t (a) where d = 'x';", [key("a")]),
        ("create unique index i on t (a, c);", [key("a, c", same=True)]),
        ("create unique index i on t (a, c) nulls not distinct;", [key("a, c")]),
        ("alter table t add unique (a);", [key("a", where="d = 'x'")]),
        ("", [APART]),
        ("", [key("")]),
        ("", [key("(lower(d)), a", name="order")]),
    ):  # fmt: skip
        async with ill.conn.transaction(force_rollback=True):
            await ill.make(TABLE + statements)
            for finding in await ill.told(*keys):
                await ill.make(finding.do.replace(" concurrently", ""))
            assert short(await ill.told(*keys)) == [], (statements, keys)


async def test_a_key_lacks_the_column_by_which_its_table_is_parted_or_spread(ill: Patient) -> None:
    await ill.make(
        "create table t (a int, b int, day date, primary key (a, day)) partition by range (day);"
        "create table t_1 partition of t for values from ('2025-01-01') to ('2026-01-01');"
        "create unique index only_here on t_1 (a); create table u (a int, b int, primary key (a));"
    )
    found = await ill.told(key("a"), key("a", table="u"), distributed_by="b")
    assert [(one.table, one.code) for one in found] == [
        ("t", Code.KEY_LACKS_PARTITION), ("t", Code.KEY_LACKS_PARTITION), ("u", Code.KEY_LACKS_PARTITION),
        ("t", Code.KEY_LACKS_PARTITION),
    ]  # fmt: skip
    assert "partitioned by day" in found[0].says + found[1].says
    assert short(await ill.told(key("a", table="t_1"))) == []
    (alone,) = await ill.told(key("a, day"))
    assert (alone.code, alone.table, alone.name) == (Code.TOO_STRICT, "t_1", "only_here")
    assert alone.says.startswith("only_here on t_1, a part of t refuses a second row with the same a,")


async def test_the_column_by_which_citus_spreads_a_table_is_read_where_it_is_installed(ill: Patient) -> None:
    await ill.make(
        "set local allow_system_table_mods = on; create table t (tenant int, a int unique);"
        "create table pg_catalog.pg_dist_partition (logicalrelid regclass, partkey text);"
        "create function pg_catalog.column_to_column_name(regclass, text) returns text language sql return $2;"
        "insert into pg_dist_partition values ('t', 'tenant'), ('t', null)"
    )
    (found,) = await ill.told(key("a"))
    assert (found.code, found.severity) == (Code.KEY_LACKS_PARTITION, Severity.ERROR)
    assert "spread over machines by tenant" in found.says


async def test_a_key_without_the_tenant_is_named_declared_or_not(ill: Patient) -> None:
    await ill.make(
        "create table t (id bigserial primary key, tenant int not null, phone text not null, unique (phone));"
        "create table u (tenant int not null, a int primary key);"
        "create table v (id uuid primary key, tenant int not null, email text not null, unique (tenant, email));"
        "create table w (id uuid, tenant int, code text, unique (id), unique (code, id));"
    )
    found = await ill.told(key("tenant, phone"), key("a", table="u"), scope=("tenant",))
    assert short(found) == [
        "key-without-scope",
        "key-without-scope w_code_id_key",
        "missing-key",
        "too-strict t_phone_key",
    ]
    found = list((await ill.report(scope=("tenant",))).findings)
    assert [(one.name, one.severity) for one in found if one.code is Code.KEY_WITHOUT_SCOPE] == [
        ("t_phone_key", Severity.ERROR), ("w_code_id_key", Severity.ERROR), ("u_pkey", Severity.NOTE),
    ]  # fmt: skip
    assert short(await ill.told(scope=("tenant",), shared=frozenset({"t", "u", "w"}))) == []


async def test_an_index_that_was_never_finished_is_named(ill: Patient) -> None:
    await ill.make(TABLE + "create unique index i on t (a); create unique index j on t (b);")
    await ill.make("update pg_index set indisvalid = false where indexrelid = 'i'::regclass;")
    await ill.make("update pg_index set indisvalid = false, indisready = false where indexrelid = 'j'::regclass;")
    found = {one.name: one for one in await ill.told(key("a"))}
    assert {name: (one.code, one.severity) for name, one in found.items()} == {
        "i": (Code.INVALID_INDEX, Severity.ERROR),
        "j": (Code.INVALID_INDEX, Severity.WARNING),
    }
    assert "refuses new rows and yet no ON CONFLICT finds it" in found["i"].says
    assert "IF NOT EXISTS takes it for a finished one" in found["j"].says


async def test_of_several_schemas_each_that_has_the_table_is_held_against_the_rule(ill: Patient) -> None:
    await ill.make(TABLE + "alter table t add unique (a); create schema other; create table other.t (a int);")
    other = NaturalKey(table="t", columns=("a",))
    from_both = await ill.report_of([other], ["patient", "other"])
    assert [(one.schema, one.table, one.code) for one in from_both] == [("other", "t", Code.MISSING_KEY)]
    assert from_both[0].says.startswith("Nothing in other.t stops")
    named = NaturalKey(table="patient.t", columns=("a",))
    assert await ill.report_of([named], ["patient", "other"]) == []
