"""A table of every awkward type with two levels of children, and what a test needs to repair it."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from tallybook.doctor.contract import NaturalKey
from tallybook.doctor.repair.planning import Asked, plan_key
from tallybook.doctor.repair.reading import read_family
from tallybook.doctor.repair.running import Outcome, repair
from tallybook.doctor.repair.session import Limits
from tallybook.doctor.repair.types import Collide, Plan, Rule

Conn = psycopg.AsyncConnection[Any]
PATIENT = Limits(lock=2000)
KEY = NaturalKey(table="reviews", columns=("drop_number", "project"), name="reviews_key", same="the same drop's review")
RULE = Rule(
    "status = 'approved' desc, seen desc nulls last",
    (("amount", "sum"), ("seen", "max"), ("note", "concatenate"), ("photo", "first")),
    Collide.DEDUPE,
)
SCHEMA = """
create schema {schema};
set search_path to {schema};
create type state as enum ('waiting', 'approved');
create type place as (lat numeric, lon numeric, said text);
create domain drop_name as text check (value like 'DR%');
create table reviews (
    id bigint generated always as identity primary key,
    drop_number drop_name not null, project text,
    "Odd name" char(5) default 'ab', gone integer,
    amount numeric, seen timestamptz, photo bytea, tags text[], box integer[][], raw json, shaped jsonb,
    status state not null default 'waiting', spot place, during tstzrange, cost money, flag bit(3), near inet,
    ratio double precision, took interval, whole tsvector,
    longer text generated always as (lower(project)) stored, note text);
alter table reviews drop column gone;
create table steps (
    review bigint not null references reviews, step integer not null, done boolean, primary key (review, step));
create table photos (
    id uuid primary key default gen_random_uuid(), review bigint, step integer, content bytea,
    foreign key (review, step) references steps (review, step));
create table remarks (id serial primary key, review bigint references reviews on delete cascade, remark text);
create table stamps (id serial primary key, review bigint unique references reviews, stamp text);
"""
ROWS = """
set search_path to {schema};
insert into reviews (drop_number, project, amount, seen, photo, tags, box, raw, shaped, status, spot, during, cost,
    flag, near, ratio, took, whole, note)
select 'DR' || (n / {each}), case when n %% 11 = 0 then null else 'Lawley' end,
    case n %% 4 when 0 then 1.50 when 1 then 'NaN' when 2 then 12345678901234567890.000100 end,
    case n %% 5 when 0 then 'infinity' else '2025-11-26 11:42:54.123456+00'::timestamptz + n * interval '1 s' end,
    decode(md5(n::text), 'hex'), array['a,"b"', null, n::text], ('[0:1][2:3]={{{{1,2}},{{3,' || n || '}}}}')::integer[],
    ('{{"b": ' || n || ',  "a":1, "a":2}}')::json, jsonb_build_object('n', n),
    case when n %% 3 = 0 then 'approved' else 'waiting' end::state, row(n + 0.10, null, ' a(b) ')::place,
    tstzrange('2025-01-01', '2025-01-02') , 12.34::money, b'101', '10.0.0.1/8', n / 3.0::double precision,
    interval '1 mon 2 days 3.5 s', to_tsvector('simple', 'a b a'), 'note ' || n
from generate_series(1, {rows}) n;
insert into steps select id, s, s %% 2 = 0 from reviews cross join generate_series(1, 3) s where id %% 2 = 0;
insert into steps select id, 4, true from reviews where id %% 3 = 0;
insert into photos (review, step, content) select review, step, decode(md5(review::text), 'hex') from steps;
insert into remarks (review, remark) select id, 'said ' || id from reviews;
insert into stamps (review, stamp) select id, 'stamp' from reviews where id %% 4 = 0;
analyze;
"""
DOUBLES = "select 1 from {}.reviews where project is not null group by drop_number, project having count(*) > 1"
TABLES = ("reviews", "steps", "photos", "remarks", "stamps")


async def make(conn: Conn, schema: str, rows: int, each: int = 2) -> None:
    """The tables, with about half of the rows doubles."""
    await conn.execute(SCHEMA.replace("{schema}", schema).encode())
    text = ROWS.replace("%%", "%").format(schema=schema, rows=rows, each=each)
    await conn.execute(text.encode())


async def checksum(conn: Conn, table: str) -> Any:
    """How many rows a table has, and a checksum of them all, in no order."""
    (found,) = await rows(
        conn, f"select count(*), md5(coalesce(string_agg(t::text, E'\\n' order by t::text), '')) from {table} t"
    )
    return found


async def image(conn: Conn, schema: str, tables: tuple[str, ...] = TABLES) -> dict[str, tuple[int, str]]:
    """Each table's rows, in no order, as the test's own checksum has them; and its keys."""
    found: dict[str, Any] = {table: await checksum(conn, f"{schema}.{table}") for table in tables}
    definitions = """
        select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
        where connamespace = %s::regnamespace order by 1, 2"""
    found["constraints"] = await (await conn.execute(definitions, [schema])).fetchall()
    indexes = "select indexname, indexdef from pg_indexes where schemaname = %s order by 1"
    found["indexes"] = await (await conn.execute(indexes, [schema])).fetchall()
    return found


async def planned(conn: Conn, schema: str, key: NaturalKey = KEY, rule: Rule | None = RULE, **more: Any) -> Plan:
    family = await read_family(conn, schema, key.table)
    run = "r" + uuid.uuid4().hex[:10]
    return plan_key(run, family, Asked(key, rule, **({"declared": (key,)} | more)))


async def repaired(conn: Conn, plan: Plan, limits: Limits = PATIENT, **code: Any) -> Outcome:
    return await repair(conn, plan, limits, lambda *_: None, **code)


async def rows(conn: Conn, statement: str) -> list[Any]:
    return await (await conn.execute(statement.encode())).fetchall()
