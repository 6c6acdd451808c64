"""The doctor only looks: with few rights, without being in anybody's way, and within its time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from tallybook.doctor.catalog import Kind, SequenceState
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.contract import Apart, Contract, Upsert
from tallybook.doctor.examining import examine
from tallybook.doctor.types import Code, Severity
from tests.doctor.tables import SCHEMA, Patient, key, short
from tests.postgres import Server

TABLE = (
    "create table t (id serial primary key, a int not null, d text, unique (a));"
    "insert into t values (9, 1, 'x');"
    "create unique index few on t (a) where d in ('x', 'y');"
)


@pytest.fixture
def looker(worker_database: str) -> str:
    """A role without any right."""
    return f"{worker_database}_looker"


@pytest.fixture
async def shared(postgres: Server, worker_database: str, looker: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A schema that other connections see."""
    url = postgres.url("postgres", worker_database)
    drop = f"drop schema if exists {SCHEMA} cascade; drop role if exists {looker}".encode()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute(drop)
        await conn.execute(f"create schema {SCHEMA}; create role {looker} login".encode())
        await conn.execute(f"set search_path to {SCHEMA}, public".encode())
        yield conn
        await conn.execute("reset role")
        await conn.execute(drop)


async def test_the_catalogue_is_read_as_it_is(ill: Patient) -> None:
    await ill.make(
        """
        create table t (id bigserial primary key, a int not null, b text, c text, day date default now());
        create unique index mixed on t (lower(b), a) include (c) where c = 'x';
        create unique index late on t (a, b) nulls not distinct;
        alter table t add constraint put_off unique (a, c) deferrable;
        alter table t add constraint apart exclude using gist (a with =, day with &&) where (a > 1);
        """.replace("day with &&", "daterange(day, day) with &&")
        + """
        create table u (t_id bigint constraint of_t references t, twice int generated always as (1 + 1) stored);
        create table parted (a int, day date, primary key (a, day)) partition by range (day, (a + 1));
        create table part partition of parted for values from ('2025-01-01', 0) to ('2026-01-01', 0);
        """.replace(", primary key (a, day)", "")
    )
    catalog = await read(ill.conn, [SCHEMA, "not_there"])
    tables = {table.name: table for table in catalog.tables}
    indexes = {index.name: index for index in catalog.indexes}
    assert tables["parted"].partitioned_by == ("day", None)
    assert tables["part"].is_partition
    assert [column.name for column in tables["t"].columns] == ["id", "a", "b", "c", "day"]
    number = tables["t"].column("id")
    assert number is not None
    assert (number.type, number.nullable, number.sequence) == ("bigint", False, f"{SCHEMA}.t_id_seq")
    twice = tables["u"].column("twice")
    assert twice is not None
    assert (twice.generated, twice.default) == (True, "(1 + 1)")
    assert indexes["mixed"].columns == ("(lower(b))", "a")
    assert (indexes["mixed"].includes, indexes["mixed"].where) == (("c",), "(c = 'x'::text)")
    assert (indexes["late"].kind, indexes["late"].nulls_same) == (Kind.BARE, True)
    assert (indexes["put_off"].kind, indexes["put_off"].immediate) == (Kind.UNIQUE, False)
    assert (indexes["apart"].kind, indexes["apart"].operators, indexes["apart"].unique) == (
        Kind.EXCLUSION, ("=", "&&"), False,
    )  # fmt: skip
    assert indexes["t_pkey"].pointing == ("u.of_t",)


async def test_letters_that_are_alike_for_an_index_alone_are_seen(ill: Patient) -> None:
    try:
        await ill.make("create collation alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU")
    await ill.make(
        "create table t (a text); create unique index exact on t (a); create unique index i on t (a collate alike);"
    )
    catalog = await read(ill.conn, [SCHEMA])
    assert {index.name: index.columns for index in catalog.indexes} == {
        "exact": ("a",), "i": ("(a collate alike)",),
    }  # fmt: skip
    assert short(await ill.told(key("a"))) == ["too-strict i"]


async def test_the_next_value_of_a_sequence_is_exact(ill: Patient) -> None:
    await ill.make(
        "create table t (new serial, used serial, put serial, far int default 1, down int);"
        "create sequence s increment 10; alter table t alter far set default nextval('s');"
        "create sequence d increment -1; alter table t alter down set default nextval('d');"
        "select nextval('t_used_seq'), setval('t_put_seq', 7, false), nextval('s');"
    )
    states = {state.column: state for state in (await read(ill.conn, [SCHEMA])).sequences}
    assert {column: state.next for column, state in states.items()} == {
        "new": 1, "used": 2, "put": 7, "far": 11, "down": None,
    }  # fmt: skip
    assert states["far"] == SequenceState(SCHEMA, "t", "far", SCHEMA, "s", 11, 10, 2**31 - 1)


async def test_a_sequence_behind_its_table_is_found_through_an_index(ill: Patient) -> None:
    await ill.make(
        "create table t (id serial primary key, a int); insert into t values (7, 1);"
        "create table u (tenant int not null, id serial, primary key (tenant, id));"
        "insert into u values (1, 3), (2, 40), (3, 5);"
        "create table fine (id serial primary key); insert into fine select from generate_series(1, 3);"
        "create table empty (id serial primary key);"
        "create table led_by_none (id serial, a int);"
    )
    report = await ill.report()
    behind = [one for one in report.findings if one.code is Code.SEQUENCE_BEHIND]
    assert [(one.table, one.name, one.severity) for one in behind] == [
        ("t", "t_id_seq", Severity.ERROR), ("u", "u_id_seq", Severity.ERROR),
    ]  # fmt: skip
    assert behind[1].says == (
        "patient.u_id_seq gives 1 next, but id of u has 40 already: the next rows are refused as duplicates."
    )
    (note,) = [one for one in report.findings if one.code is Code.NOT_LOOKED_AT]
    assert "patient.led_by_none.id" in note.says
    for one in behind:
        await ill.make(one.do)
    assert short(await ill.told()) == []


async def test_rows_that_stand_against_each_other_are_shown(ill: Patient) -> None:
    await ill.make(
        "create table t (a int, b text, note text);"
        "insert into t select n / 2, 'x', repeat('long ', 40) from generate_series(1, 20) n;"
        "insert into t values (null, 'x', 'of nobody'), (null, 'x', 'of nobody');"
    )
    (finding,) = await ill.told(key("a, (lower(b))", where="b <> 'y'"))
    shown = finding.evidence
    assert (shown.groups, len(shown.rows)) == (9, 10)
    assert len({row["a"] for row in shown.rows}) == 5
    assert shown.rows[0]["note"] == ("long " * 40)[:79] + "…"
    (finding,) = await ill.told(key("a, b", same=True))
    assert finding.evidence.groups == 10


RECORDED = """
create table constraint_violations (like public.constraint_violations including all);
insert into constraint_violations (at, sqlstate, table_name, constraint_name, declared, place, times, answered) values
    ('2025-12-01 09:29+00', '23505', 't', 't_a_key', false, 'post', 412, false),
    ('2025-12-02 09:29+00', '23505', 't', 't_a_key', false, 'post', 1, false),
    ('2025-12-03 09:29+00', '23505', 't', 't_a_key', true, 'answered by the code', 50, true),
    ('2025-12-03 09:29+00', '23505', 'u', 't_a_key', false, 'another table', 60, false),
    ('2025-12-04 09:29+00', '42P10', 't', 'on conflict (b)', false, 'post', 7, false),
    ('2025-12-04 09:29+00', '42P10', 't', 'on conflict (a, c)', false, 'post', 70, false),
    ('2025-12-04 09:29+00', '42P10', 'u', 'on conflict (b)', false, 'post', 700, false),
    ('2025-12-04 09:29+00', '42P10', null, null, false, 'post', 7000, false);
"""


async def test_rows_that_break_a_rule_which_they_were_never_held_against_are_shown(ill: Patient) -> None:
    await ill.make(
        """
        create table parents (x int, y text, primary key (x, y), unique (y, x));
        insert into parents values (1, 'here');
        create table t (id int primary key, a int, b text, up int);
        insert into t values (1, -1, 'here', null), (2, 1, 'here', 1), (3, null, 'gone', 3), (4, -4, 'gone', 9),
            (5, 1, 'gone', 1);
        alter table t add constraint positive check (a > 0) not valid,
            add constraint of_parent foreign key (b, a) references parents (y, x) not valid,
            add constraint of_itself foreign key (up) references t not valid,
            add constraint whole foreign key (a, b) references parents match full not valid;
        """
    )
    found = {one.name: one for one in await ill.told()}
    shown = {name: (one.evidence.groups, [row["id"] for row in one.evidence.rows]) for name, one in found.items()}
    assert shown == {
        "positive": (2, [1, 4]), "of_parent": (3, [1, 4, 5]), "of_itself": (1, [4]), "whole": (4, [1, 3, 4, 5]),
    }  # fmt: skip
    assert found["positive"].do == (
        "Correct the rows that break it, then: alter table patient.t validate constraint positive;"
    )
    await ill.make("alter table t drop constraint of_itself; delete from t where a < 0")
    (finding,) = [one for one in await ill.told() if one.name == "positive"]
    assert (finding.evidence.groups, finding.do) == (0, "alter table patient.t validate constraint positive;")


async def test_rows_that_two_tenants_have_are_shown_of_a_key_without_the_tenant(ill: Patient) -> None:
    await ill.make(
        "create table t (tenant_id int, code text, note text, unique (tenant_id, code, note));"
        "insert into t values (1, 'x', 'a'), (1, 'x', 'b'), (2, 'x', 'c'), (1, 'x', 'd'), (1, 'y', 'e'), (1, 'y', 'f');"
    )
    found = await ill.told(key("code", name="t_code"), scope=("tenant_id",))
    (finding,) = [one for one in found if one.code is Code.KEY_WITHOUT_SCOPE]
    assert finding.evidence.groups == 1
    assert [(row["tenant_id"], row["code"]) for row in finding.evidence.rows] == [(1, "x"), (2, "x")]


async def test_how_often_users_met_a_finding_is_told_by_what_they_saw(ill: Patient) -> None:
    """In the very table that the product keeps, where a row stands for many; of each code what its users see."""
    await ill.make(f"create table t (a int, b int, c int, unique (a, b), unique (a)); {RECORDED}")
    upsert = Upsert(place="app.py:1", statement="insert into t (a) values (1) on conflict (b) do nothing")
    found = await ill.told(key("a, b"), key("c, a"), upserts=(upsert,))
    times = {(str(one.code), one.name): (one.evidence.times, str(one.evidence.last)[:10]) for one in found}
    assert times == {
        ("too-strict", "t_a_key"): (413, "2025-12-02"),
        ("missing-key", None): (70, "2025-12-04"),
        ("conflict-without-arbiter", "t_a_b_key"): (77, "2025-12-04"),
    }


async def test_a_declared_text_can_say_nothing_but_itself(ill: Patient) -> None:
    """Not a second statement, not a second column, not a word hidden by a comment, and nothing is run."""
    await ill.make("create table t (a int, d text); create table trace (a int); insert into t values (1, 'x');")
    await ill.make(
        "create function leave() returns bool language plpgsql"
        " as $$begin insert into trace values (1); return true; end$$"
    )
    for text in (
        "true); drop table trace; --",
        "true; drop table trace",
        "a = 1), (a = 2",
        "a = 1 from t; --",
        "d = 'red' -- ",
        "{table}",
        "%s",
        "leave()",
    ):
        found = await ill.told(key("a", where=text))
        assert short(found) in (["not-read"], ["missing-key"]), text
    rows = await (await ill.conn.execute("select count(*) from trace")).fetchall()
    assert rows == [(0,)]
    # What would be done beyond the database is not tried either.
    await ill.make("create table u (a int); insert into u values (1), (1)")
    (finding,) = await ill.told(key("a", table="u", where="pg_cancel_backend(pg_backend_pid()) or a > 0"))
    assert (finding.code, finding.evidence.groups) == (Code.MISSING_KEY, None)


async def test_a_declared_text_is_tried_on_rows_only_where_all_of_it_only_looks(ill: Patient) -> None:
    """However a function is written: behind a comment, an operator, a cast, a domain's check, a view or a dot."""
    await ill.make(
        "create table t (a int, d text, now text); insert into t values (1, 'x'), (1, 'x'); create sequence tried;"
        "create function evil(int) returns bool language sql as $$select nextval('tried') > 0$$;"
        "create function twice(int, int) returns bool language sql as $$select evil($1)$$;"
        "create operator ## (leftarg = int, rightarg = int, function = twice);"
        "create domain dom as int check (evil(value)); create type pair as (one dom); create view v as select evil(1);"
        "create function of_row(t) returns bool language sql as $$select evil($1.a)$$;"
    )
    for text in (
        "evil/**/(a)", "evil -- (\n(a)", '"evil" (a)', "patient.evil(a)", 'U&"evil"(a)', "t.of_row", "a ## a",
        "a::dom > 0", "cast(a as dom) > 0", "row(a)::pair is not null", "exists (table v)", "(select evil(a))",
        "nextval('tried') > 0", "pg_sleep/**/(9) is not null", "d = $$'$$ and evil(a) and d <> $$'$$",
    ):  # fmt: skip
        report = await ill.report(key("a", where=text))
        shown = [one.evidence.groups for one in report.findings if one.code is Code.MISSING_KEY]
        assert shown == [None], text
        assert any(one.code is Code.NOT_LOOKED_AT for one in report.findings), text
    for text in ("a is not null and d in ('x', 'select')", "lower(t.d) like 'x%' and coalesce(now, 'x') = 'x'"):
        (finding,) = await ill.told(key("a", where=text))
        assert finding.evidence.groups == 1, text
    apart = Apart(table="t", name="t_apart", rule="exclude using gist (a with ##)")
    (finding,) = await ill.told(apart)
    assert finding.evidence.groups is None
    assert await (await ill.conn.execute("select is_called from tried")).fetchone() == (False,)


async def test_a_role_that_may_only_select_sees_as_much_as_the_owner(
    shared: psycopg.AsyncConnection[Any], looker: str
) -> None:
    await shared.execute(
        f"{TABLE} grant usage on schema {SCHEMA} to {looker};"
        f"grant select on all tables in schema {SCHEMA} to {looker};"
        f"grant select on all sequences in schema {SCHEMA} to {looker}".encode()
    )
    contract = Contract(keys=(key("a, d"), key("a", where="d = any (array['x','y'])")))
    owners = await examine(shared, contract, [SCHEMA])
    await shared.execute(f"set role {looker}".encode())
    theirs = await examine(shared, contract, [SCHEMA])
    assert theirs.findings == owners.findings
    assert {"too-strict t_a_key", "sequence-behind t_id_seq"} <= set(short(theirs.findings))


async def test_a_role_without_any_right_is_told_what_the_catalogue_says(
    shared: psycopg.AsyncConnection[Any], looker: str
) -> None:
    await shared.execute(f"{TABLE} set role {looker}".encode())
    contract = Contract(keys=(key("a"), key("d"), key("a", where="d in ('x','y')")))
    report = await examine(shared, contract, [SCHEMA])
    found = [one for one in report.findings if one.code is not Code.NOT_LOOKED_AT]
    assert short(found) == ["missing-key"]
    assert found[0].evidence.rows == ()
    notes = [one.says for one in report.findings if one.code is Code.NOT_LOOKED_AT]
    assert len(notes) == 2
    assert all(f"{SCHEMA}.t" in note for note in notes)


async def test_a_schema_that_our_role_may_not_use_is_not_said_to_lack_its_tables(
    shared: psycopg.AsyncConnection[Any], looker: str
) -> None:
    await shared.execute(f"create table t (a int unique); set role {looker}".encode())
    good = Upsert(place="app.py:1", statement="insert into t values (1) on conflict (a) do nothing")
    found = (await examine(shared, Contract(upserts=(good,)), [SCHEMA])).findings
    assert [(one.code, one.severity) for one in found] == [(Code.NOT_LOOKED_AT, Severity.NOTE)]
    assert f"our role may not use the schema {SCHEMA}." in found[0].says
    await shared.execute(f"reset role; grant usage on schema {SCHEMA} to {looker}; set role {looker}".encode())
    bad = Upsert(place="app.py:2", statement="insert into t select 1 from nowhere on conflict (a) do nothing")
    found = (await examine(shared, Contract(upserts=(good, bad)), [SCHEMA])).findings
    assert [(one.code, one.place) for one in found] == [(Code.STATEMENT_REFUSED, "app.py:2")]


async def test_a_table_that_somebody_changes_is_named_and_not_waited_for(
    shared: psycopg.AsyncConnection[Any], superuser_url: str
) -> None:
    await shared.execute(
        "create table t (a int, d text default 'x'); create table held (a int unique, d text default 'y');"
        "create unique index on held (a) where d = 'y';"
    )
    contract = Contract(keys=(key("a", where="d = 'x'"), key("a", table="held", where="d = 'y'")))
    async with (
        await psycopg.AsyncConnection.connect(superuser_url) as other,
        await psycopg.AsyncConnection.connect(superuser_url) as waiting,
    ):
        await other.execute(f"alter table {SCHEMA}.held add column e int".encode())
        began = time.monotonic()
        report = await examine(shared, contract, [SCHEMA])
        assert time.monotonic() - began < 10
        assert [(str(one.code), one.table, str(one.severity)) for one in report.findings] == [
            ("missing-key", "t", "error"), ("not-looked-at", "held", "warning"),
        ]  # fmt: skip
        await other.rollback()
        # Nor does anybody wait for us: what we looked at is free as soon as we are done.
        await waiting.execute("set local lock_timeout = '1ms'")
        await waiting.execute(f"lock table {SCHEMA}.held, {SCHEMA}.t in access exclusive mode".encode())
        await waiting.rollback()


async def test_nothing_is_written_and_no_setting_stays(shared: psycopg.AsyncConnection[Any]) -> None:
    await shared.execute("create table t (a int); insert into t values (1), (1)")
    settings = "select current_setting('lock_timeout'), current_setting('search_path')"
    before = await (await shared.execute(settings.encode())).fetchone()
    written = "select pg_current_wal_insert_lsn(), pg_current_xact_id_if_assigned()"
    await examine(shared, Contract(keys=(key("a", where="a > 0"),)), [SCHEMA])
    async with shared.transaction():
        await examine(shared, Contract(keys=(key("a", where="a > 0"),)), [SCHEMA])
        row = await (await shared.execute(written.encode())).fetchone()
        assert row is not None
        assert row[1] is None
        await shared.execute("insert into t values (2)")
    assert await (await shared.execute(settings.encode())).fetchone() == before


async def test_it_ends_within_its_time_and_says_what_it_did_not_see(shared: psycopg.AsyncConnection[Any]) -> None:
    await shared.execute("create table t (a int, d text); insert into t values (1), (1)")
    report = await examine(shared, Contract(keys=(key("a"), key("d", where="a > 0"))), [SCHEMA], seconds=0.0)
    assert not report.healthy
    assert Code.NOT_LOOKED_AT in {one.code for one in report.findings}
    assert report.seconds < 5


async def test_a_lost_connection_is_an_error_and_no_report(postgres: Server, worker_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.url("postgres", worker_database)) as conn:
        postgres.run(f"select pg_terminate_backend({conn.info.backend_pid})")
        with pytest.raises(psycopg.OperationalError):
            await examine(conn, Contract(keys=(key("a"),)), [SCHEMA])
