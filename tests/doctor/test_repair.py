"""A repair merges by its rule, builds the key, drops what was too strict, and is undone to the bit."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from tallybook.core.errors import Conflict, Invalid
from tallybook.doctor.contract import NaturalKey, Nulls, Upsert
from tallybook.doctor.repair.file import written
from tallybook.doctor.repair.running import previewed, repair
from tallybook.doctor.repair.session import Limits
from tallybook.doctor.repair.types import Collide, Doing, Plan, Rule, Statement, Step
from tallybook.doctor.repair.undoing import undo
from tests.doctor.repairing import DOUBLES, KEY, PATIENT, RULE, TABLES, Conn, image, make, planned, repaired, rows


async def undone(conn: Conn, run: str) -> bool | None:
    return (await undo(conn, run, PATIENT, lambda *_: None)).same


async def test_a_table_of_every_awkward_type_is_merged_with_its_children_and_restored_to_the_bit(
    owner: Conn, schema: str
) -> None:
    await make(owner, schema, 400, 3)
    before = await image(owner, schema)
    plan = await planned(owner, schema)
    counts = await previewed(owner, plan)
    assert (await repaired(owner, plan)).state == "done"
    assert await rows(owner, DOUBLES.format(schema)) == []
    now = await image(owner, schema)
    assert now["constraints"] != before["constraints"]
    assert before["reviews"][0] - now["reviews"][0] == counts["removed"] > 0
    assert now["remarks"][0] == before["remarks"][0]
    assert sum(one["count"] for one in counts["meeting"].values()) == sum(
        before[table][0] - now[table][0] for table in ("steps", "stamps")
    )
    assert await undone(owner, plan.run)
    assert await image(owner, schema) == before


async def test_what_stays_takes_over_by_the_stated_rule(owner: Conn, schema: str) -> None:
    await owner.execute(f"create schema {schema}".encode())
    await owner.execute(f"set search_path to {schema}".encode())
    await owner.execute("create table reviews (id int primary key, drop_number text, project text, status text, "
                        "seen int, amount int, note text, photo text)")  # fmt: skip
    await owner.execute("insert into reviews values (1, 'DR1', 'Lawley', 'waiting', 9, 1, 'late', null), "
                        "(2, 'DR1', 'Lawley', 'approved', 5, 2, 'early', null), "
                        "(3, 'DR1', 'Lawley', 'waiting', 7, null, 'late', 'p'), "
                        "(4, 'DR2', 'Lawley', 'waiting', 7, 3, 'other', null)")  # fmt: skip
    plan = await planned(owner, schema)
    await repaired(owner, plan)
    assert await rows(owner, f"select * from {schema}.reviews order by id") == [
        (2, "DR1", "Lawley", "approved", 9, 3, "early, late", "p"),
        (4, "DR2", "Lawley", "waiting", 7, 3, "other", None),
    ]
    assert await undone(owner, plan.run)


async def test_children_that_would_meet_stop_the_repair_with_their_rows_named(owner: Conn, schema: str) -> None:
    await make(owner, schema, 60, 3)
    before = await image(owner, schema)
    plan = await planned(owner, schema, rule=Rule("newest:id"))
    counts = await previewed(owner, plan)
    met = counts["meeting"][f"{schema}.steps steps_pkey"]
    assert met["count"] > 0
    assert {"review", "step"} <= met["rows"][0].keys()
    with pytest.raises(Conflict, match=r"rows would meet under \w+: \(\d"):
        await repaired(owner, plan)
    assert {table: (await image(owner, schema))[table] for table in TABLES} == {
        table: before[table] for table in TABLES
    }


async def test_the_file_does_the_same_when_a_person_runs_it_twice(
    owner: Conn, owner_url: str, schema: str, tmp_path: Path
) -> None:
    await make(owner, schema, 100, 3)
    before = await image(owner, schema)
    plan = await planned(owner, schema)
    file = tmp_path / "plan.sql"
    file.write_text(written(plan, PATIENT))
    psql = shutil.which("psql")
    assert psql
    for _ in range(2):
        done = subprocess.run(
            [psql, "-X", "-q", "-f", str(file), owner_url], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert await rows(owner, DOUBLES.format(schema)) == []
    assert await undone(owner, plan.run)
    assert await image(owner, schema) == before


async def test_rows_written_since_stand_in_the_way_of_undoing_and_nothing_is_changed(owner: Conn, schema: str) -> None:
    await make(owner, schema, 60, 3)
    before = await image(owner, schema)
    plan = await planned(owner, schema)
    await repaired(owner, plan)
    here = f"from {schema}.reviews where note like '%%, %%'".replace("%%", "%")
    (one, note), *_ = await rows(owner, f"select id, note {here} limit 1")
    await owner.execute(f"update {schema}.reviews set note = 'mine' where id = {one}".encode())
    ((gone,),) = await rows(owner, f"select id from {plan.kept[0][1]} where doctor_what = 'removed' limit 1")
    await owner.execute(f"insert into {schema}.reviews (id, drop_number) overriding system value "
                        f"values ({gone}, 'DR-new')".encode())  # fmt: skip
    between = await image(owner, schema)
    with pytest.raises(Conflict, match="nothing was changed") as refused:
        await undone(owner, plan.run)
    assert "were changed or removed since" in refused.value.message
    assert "DR-new" in refused.value.message
    assert await image(owner, schema) == between
    await owner.execute(f"delete from {schema}.reviews where drop_number = 'DR-new'".encode())
    await owner.execute(f"update {schema}.reviews set note = %s where id = {one}".encode(), [note])
    assert await undone(owner, plan.run)
    assert await image(owner, schema) == before


ORDERS = """
create schema {0};
set search_path to {0};
create table places (id serial primary key, spot text, kind text not null, owner text,
    constraint places_spot_key unique (spot), constraint places_late unique (spot, kind) deferrable);
create table visits (id serial primary key, spot text, kind text);
insert into places (spot, kind) values ('a', 'x'), ('b', 'x');
"""
PLACES = NaturalKey(table="places", columns=("spot", "kind"), name="places_late")
OLD_CODE = Upsert(place="store.py:7", statement="insert into places (spot) values ($1) on conflict (spot) do nothing")
NEW_CODE = Upsert(
    place="store.py:9", statement="insert into places (spot, kind) values ($1, $2) on conflict (spot, kind) do nothing"
)


async def test_the_code_is_switched_before_what_was_too_strict_is_dropped(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    before = await image(owner, schema, ("places",))
    plan = await planned(owner, schema, PLACES, Rule("oldest:id"), upserts=(OLD_CODE,))
    stopped = await repaired(owner, plan)
    assert stopped.state == "waiting"
    assert 'on conflict ("spot", "kind")' in stopped.says
    assert "store.py:7" in stopped.says
    for code in ((), (OLD_CODE,), (NEW_CODE, OLD_CODE)):
        still = await repaired(owner, plan, upserts=code)
        assert still.state == "waiting"
        assert "still rely on places_spot_key, places_late, which would go: store.py:7." in still.says
    assert (await repaired(owner, plan, upserts=(NEW_CODE,))).state == "done"
    unique = "select conname, condeferrable from pg_constraint where contype = 'u' and connamespace = "
    kept = await rows(owner, f"{unique}'{schema}'::regnamespace")
    assert kept == [("places_late", False)]
    await owner.execute(f"insert into {schema}.places (spot, kind) values ('a', 'y')".encode())
    with pytest.raises(Conflict, match="places_spot_key forbade"):
        await undone(owner, plan.run)
    await owner.execute(f"delete from {schema}.places where kind = 'y'".encode())
    assert await undone(owner, plan.run)
    assert await image(owner, schema, ("places",)) == before


@pytest.mark.parametrize(
    ("known", "switched", "state"),
    [
        ((), False, "waiting"),
        ((), True, "done"),
        ("old", False, "waiting"),
        ("old", True, "done"),
        ("new", False, "done"),
    ],
)
async def test_it_stops_only_where_nobody_knows_that_the_code_is_switched(
    owner: Conn, schema: str, known: object, switched: bool, state: str
) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    code = {"old": (OLD_CODE,), "new": (NEW_CODE,)}.get(str(known), ())
    plan = await planned(owner, schema, PLACES, Rule("oldest:id"), upserts=code)
    assert (await repaired(owner, plan, switched=switched)).state == state


async def test_a_run_that_waits_or_was_broken_off_is_undone_too(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    before = await image(owner, schema, ("places",))
    plan = await planned(owner, schema, PLACES, Rule("oldest:id"))
    assert (await repaired(owner, plan)).state == "waiting"
    assert await undone(owner, plan.run)
    assert await image(owner, schema, ("places",)) == before

    await owner.execute(f"drop schema {schema} cascade".encode())
    await make(owner, schema, 60, 3)
    before = await image(owner, schema)
    plan = await planned(owner, schema)

    def told(step: str, done: int, total: int | None) -> None:
        if step == "merge" and done > 5:
            raise KeyError

    with pytest.raises(KeyError):
        await repair(owner, plan, Limits(5000, rows=8), told)
    assert await undone(owner, plan.run)
    assert await image(owner, schema) == before


async def test_foreign_keys_of_the_same_columns_rely_on_the_new_key(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    await owner.execute(
        "alter table places drop constraint places_late; create unique index odd on places (kind, spot) "
        "include (owner); alter table visits add foreign key (spot, kind) references places (spot, kind)"
    )
    before = await image(owner, schema, ("places", "visits"))
    key = NaturalKey(table="places", columns=("spot", "kind"), nulls=Nulls.SAME, name="places_spot_kind")
    plan = await planned(owner, schema, key, Rule("oldest:id"))
    await owner.execute("set search_path to public")
    await repaired(owner, plan)
    assert (await repaired(owner, plan)).state == "done"
    relied = "select conindid::regclass::text, convalidated from pg_constraint where conname = 'visits_spot_kind_fkey'"
    await owner.execute("set search_path to " + schema)
    assert await rows(owner, relied) == [("places_spot_kind", True)]
    assert await undone(owner, plan.run)
    assert await image(owner, schema, ("places", "visits")) == before


async def test_a_key_that_a_foreign_key_needs_stays_and_what_to_do_is_said(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    await owner.execute("alter table visits add foreign key (spot) references places (spot)")
    plan = await planned(owner, schema, PLACES, Rule("oldest:id"))
    assert any("visits relies on it" in note and "places_spot_key stays" in note for note in plan.notes)
    await repaired(owner, plan)
    await repaired(owner, plan)
    await owner.execute("set search_path to " + schema)
    here = "conrelid = 'places'::regclass and contype in ('p', 'u')"
    names = await rows(owner, f"select conname from pg_constraint where {here} order by 1")
    assert names == [("places_late",), ("places_pkey",), ("places_spot_key",)]


async def test_two_rows_without_a_value_are_merged_where_they_are_the_same(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    await owner.execute("alter table places drop constraint places_spot_key")
    await owner.execute("insert into places (spot, kind) values (null, 'x'), (null, 'x')")
    key = NaturalKey(table="places", columns=("spot", "kind"), nulls=Nulls.SAME)
    before = await image(owner, schema, ("places",))
    plan = await planned(owner, schema, key, Rule("complete"))
    await repaired(owner, plan)
    assert (await repaired(owner, plan)).state == "done"
    assert await rows(owner, f"select count(*) from {schema}.places where spot is null") == [(1,)]
    assert await undone(owner, plan.run)
    assert await image(owner, schema, ("places",)) == before


async def test_a_rule_about_a_column_of_the_key_is_repaired(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    await owner.execute("alter table places drop constraint places_spot_key, drop constraint places_late")
    await owner.execute("insert into places (spot, kind) values ('s', 'x'), ('s', 'x'), ('', 'x'), ('', 'x')")
    key = NaturalKey(table="places", columns=("spot", "kind"), where="spot <> ''")
    plan = await planned(owner, schema, key, Rule("complete"))
    assert (await repaired(owner, plan)).state == "done"
    assert await rows(owner, f"select count(*) from {schema}.places where spot in ('s', '')") == [(3,)]


async def test_a_table_without_a_key_of_any_sort_is_repaired_and_restored(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    await owner.execute("insert into visits (spot, kind) select 'a', 'x' from generate_series(1, 30)")
    await owner.execute("alter table visits drop column id")
    await owner.execute("insert into visits values ('A', 'x'), ('b', 'y')")
    before = await image(owner, schema, ("visits",))
    plan = await planned(owner, schema, NaturalKey(table="visits", columns=("(lower(spot))",), where="kind = 'x'"),
                         Rule("spot desc"))  # fmt: skip
    assert any("stays an index" in note for note in plan.notes)
    assert (await repaired(owner, plan)).state == "done"
    assert await rows(owner, f"select count(*) from {schema}.visits") == [(2,)]
    assert await undone(owner, plan.run)
    assert await image(owner, schema, ("visits",)) == before


async def test_a_table_that_holds_one_row_at_most_does_so_again(owner: Conn, schema: str) -> None:
    await owner.execute(ORDERS.format(schema).encode())
    plan = await planned(owner, schema, NaturalKey(table="places", columns=()), Rule("newest:id"))
    await repaired(owner, plan)
    await repaired(owner, plan)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await owner.execute("insert into places (spot, kind) values ('c', 'x')")
    assert await undone(owner, plan.run)


async def test_what_cannot_be_planned_is_said(owner: Conn, schema: str) -> None:
    await make(owner, schema, 4)
    for rule, words in (
        (None, "which of several rows stays"),
        (Rule("newest:nothing"), "no column nothing"),
        (Rule("complete", (("project", "max"),)), "part of the key"),
        (Rule("complete", (("note", "guess"),)), "how is one of"),
    ):
        with pytest.raises(Invalid, match=words):
            await planned(owner, schema, KEY, rule)
    await owner.execute(f"create table {schema}.parted (a int, b int) partition by list (a)".encode())
    with pytest.raises(Invalid, match="partitions"):
        await planned(owner, schema, NaturalKey(table="parted", columns=("b",)), RULE)


RING = """
create schema {0};
set search_path to {0};
create table people (id int primary key, email text, boss int references people, friend int references people,
    changed timestamptz default '2025-01-01');
create table teams (id int primary key, lead int references people, deputy int references people unique);
create table members (team int references teams, person int references people, since date, primary key (team, person));
alter table people add team int references teams;
insert into teams values (1, null, null), (2, null, null);
insert into people (id, email, boss, friend, team)
select n, 'p' || n / 4, nullif(n - 1, 0), case when n > 5 then n - 5 end, 1 + n % 2 from generate_series(1, 30) n;
update teams set lead = id * 4 + 1, deputy = id * 3;
insert into members select t.id, p.id, date '2025-01-01' + p.id from teams t cross join people p;
create function touched() returns trigger language plpgsql as $$
begin new.changed := clock_timestamp(); return new; end $$;
create trigger touched before update on people for each row execute function touched();
"""


async def test_rows_that_point_at_each_other_are_merged_and_restored_whatever_triggers_write(
    owner: Conn, schema: str
) -> None:
    await owner.execute(RING.format(schema).encode())
    tables = ("people", "teams", "members")
    before = await image(owner, schema, tables)
    key = NaturalKey(table="people", columns=("email",))
    plan = await planned(owner, schema, key, Rule("newest:id", (("changed", "max"),), Collide.DEDUPE))
    assert any("touched" in note for note in plan.notes)
    assert (await repaired(owner, plan, Limits(5000, rows=6))).state == "done"
    assert await rows(owner, f"select count(*), count(distinct email) from {schema}.people") == [(8, 8)]
    assert await rows(owner, f"select count(*) from {schema}.members") == [(16,)]
    assert await undone(owner, plan.run)
    assert await image(owner, schema, tables) == before
    firing = f"select tgenabled from pg_trigger where tgrelid = '{schema}.people'::regclass and not tgisinternal"
    assert await rows(owner, firing) == [("O",)]


async def test_of_two_repairs_at_once_one_does_it_all(owner: Conn, owner_url: str, schema: str) -> None:
    await make(owner, schema, 60, 3)
    plan = await planned(owner, schema)
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as other:
        outcomes = await asyncio.gather(repaired(owner, plan), repaired(other, plan))
    assert [one.state for one in outcomes] == ["done", "done"]
    assert await rows(owner, DOUBLES.format(schema)) == []
    assert await undone(owner, plan.run)


async def test_a_row_that_somebody_holds_is_waited_for_by_nobody(owner: Conn, owner_url: str, schema: str) -> None:
    """Its group is merged once it is let go; the others are merged meanwhile."""
    await make(owner, schema, 60, 3)
    plan = await planned(owner, schema)
    held = asyncio.Event()

    def told(step: str, done: int, total: int | None) -> None:
        if step == "build":
            held.set()

    async with await psycopg.AsyncConnection.connect(owner_url) as other:
        await other.execute(f"select 1 from {schema}.reviews where id = 4 for update".encode())
        repairing = asyncio.create_task(repair(owner, plan, Limits(1000), told))
        await held.wait()
        await other.execute(f"update {schema}.reviews set photo = 'mine' where id = 4".encode())
        await other.commit()
        assert (await repairing).state == "done"
    kept = plan.kept[0][1]
    mine = "select 1 from {} where id = 4 and photo = 'mine'"
    assert await rows(owner, f"{mine.format(f'{schema}.reviews')} union all {mine.format(kept)}") != []


async def test_what_stands_in_no_writers_way_may_take_longer_than_a_writer_waits(owner: Conn, schema: str) -> None:
    """Such as to count the groups that wait, of which a large table may have millions; here each look takes 0.2 s."""
    run = f"r{schema}"
    slow = "select 1 where pg_sleep(0.2) is null"
    statements = (
        Statement(f"create view tallybook_doctor.{run}_groups as {slow}"),
        Statement(
            f"create function tallybook_doctor.{run}_find() returns bigint return (select count(*) from ({slow}) s)"
        ),
        Statement(f"create schema {schema}", f"select not exists ({slow})"),
    )
    steps = (Step("prepare", "", statements=statements), Step("merge", "", Doing.ROUNDS))
    plan = Plan(run=run, what="nothing", schema=schema, table="none", steps=steps)
    assert (await repaired(owner, plan, Limits(100))).state == "done"


async def test_names_of_long_words_in_any_script_are_not_cut_off_into_each_other(owner: Conn, schema: str) -> None:
    table = "ביקורת" * 5  # 60 bytes of the 63 that a name may have
    taken = f"{table}_nu"
    await owner.execute(f"create schema {schema}".encode())
    await owner.execute(f'create table {schema}."{table}" (id int primary key, number int, note text)'.encode())
    await owner.execute(f'create unique index "{taken}" on {schema}."{table}" (id, number)'.encode())
    await owner.execute(f'insert into {schema}."{table}" values (1, 1), (2, 1), (3, 2)'.encode())
    key = NaturalKey(table=table, columns=("number",))
    plan = await planned(owner, schema, key, Rule("newest:id", (("note", "first"),)))
    assert (await repaired(owner, plan)).state == "done"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await owner.execute(f'insert into {schema}."{table}" values (4, 1)'.encode())
    assert await rows(owner, f'select id from {schema}."{table}" order by 1') == [(2,), (3,)]
    quarantine = plan.kept[0][1].partition(".")[2].strip('"')
    kept = f"select indexname from pg_indexes where schemaname = 'tallybook_doctor' and tablename = '{quarantine}'"
    assert len(await rows(owner, kept)) == len({"pkey", "due", "batch", "row"})
    assert await undone(owner, plan.run)
