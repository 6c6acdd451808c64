"""What the server's own log tells of refused rows: kept among the refusals, each once, with the place in its file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from . import keys
from .db import Conn
from .violations import Violation

# A place is kept for so long after its file was last seen. What is older when a file is seen first is not taken.
KNOWN_FOR = timedelta(days=30)

POSITION = "select position from server_log_positions where file = %(file)s"
BEGIN = f"""
insert into server_log_positions (file, position) values (%(file)s, 0)
on conflict {keys.SERVER_LOG_POSITION.target} do nothing
"""
# Of several who read the same part, one finds the place at which he began.
MOVE = """
update server_log_positions set position = %(end)s::bigint, read_at = now()
where file = %(file)s and position = %(start)s::bigint
"""
KEEP = """
insert into constraint_violations
    (at, sqlstate, table_name, constraint_name, declared, key_masked, existing, place, answered, times)
values (%(at)s::timestamptz, %(sqlstate)s, %(table)s, %(constraint)s, %(declared)s, %(key)s, %(existing)s::jsonb,
    %(place)s, false, %(times)s::int)
"""
# Indexes, by which keys and exclusions are held, and what is held without one.
RULES = """
select c.relname, t.relname,
    array(select pg_get_indexdef(x.indexrelid, part, true) from generate_series(1, x.indnkeyatts) part)
from pg_class c join pg_index x on x.indexrelid = c.oid join pg_class t on t.oid = x.indrelid
where c.relnamespace = current_schema()::regnamespace and c.relname::text = any(%(names)s::text[])
union all
select c.conname, t.relname, '{}' from pg_constraint c join pg_class t on t.oid = c.conrelid
where c.connamespace = current_schema()::regnamespace and c.contype in ('c', 'f')
    and c.conname::text = any(%(names)s::text[])
"""
TABLES = """
select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
    and relname::text = any(%(names)s::text[])
"""
# Roles that find another environment's tables, or none: theirs are in the first schema of the path that has some.
ELSEWHERE = """
select r.rolname from pg_roles r join pg_db_role_setting s on s.setrole = r.oid, unnest(s.setconfig) c
where r.rolname::text = any(%(names)s::text[]) and c like 'search_path=%%'
    and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
    and current_schema() is distinct from (
        select n.nspname from unnest(string_to_array(split_part(c, '=', 2), ',')) with ordinality as path (name, place)
        join pg_namespace n on n.nspname = replace(btrim(path.name, ' "'), '$user', r.rolname)
        join pg_class t on t.relnamespace = n.oid and t.relname = 'alembic_version'
        order by path.place limit 1)
"""
HERE = "select current_database(), current_schema()"


class Place(msgspec.Struct, frozen=True):
    """Where a rule stands, and over which columns where that is known."""

    table: str
    columns: tuple[str, ...]


class Here(msgspec.Struct, frozen=True):
    """What is ours of the names in a log: rules by name, tables, and the roles that are at work in another schema."""

    database: str
    schema: str
    rules: Mapping[str, Sequence[Place]]
    tables: frozenset[str]
    elsewhere: frozenset[str]


class Refused(msgspec.Struct, frozen=True):
    """Refusals of one sort that one program met within an hour: the last, with the row in the way, and how many."""

    violation: Violation
    declared: bool
    program: str
    at: datetime
    times: int
    existing: dict[str, Any] | None = None


async def here(conn: Conn, rules: Collection[str], tables: Collection[str], roles: Collection[str]) -> Here:
    """Which of these names are those of the environment's own schema."""
    row = await (await conn.execute(HERE)).fetchone()
    if row is None:
        raise AssertionError("a select without a row")
    places: dict[str, list[Place]] = {}
    for name, table, columns in await (await conn.execute(RULES, {"names": list(rules)})).fetchall():
        places.setdefault(name, []).append(Place(table, tuple(column.strip('"') for column in columns)))
    known = await (await conn.execute(TABLES, {"names": list(tables)})).fetchall()
    away = await (await conn.execute(ELSEWHERE, {"names": list(roles)})).fetchall()
    return Here(row[0], row[1], places, frozenset(name for (name,) in known), frozenset(name for (name,) in away))


async def position(conn: Conn, file: str) -> int | None:
    """How far a file was read, in bytes; None where it was not seen yet, or not for long."""
    row = await (await conn.execute(POSITION, {"file": file})).fetchone()
    return row[0] if row else None


async def keep(conn: Conn, file: str, start: int, end: int, refused: Sequence[Refused]) -> bool:
    """Keeps what stood in a file from ``start`` to ``end``. False: somebody else was there first, nothing was done."""
    values = {"file": file, "start": start, "end": end}
    if start == 0:
        await conn.execute(BEGIN, values)
    if (await conn.execute(MOVE, values)).rowcount != 1:
        return False
    for one in refused:
        found = one.violation
        await conn.execute(KEEP, {
            "at": one.at, "sqlstate": found.sqlstate, "table": found.table, "constraint": found.constraint,
            "declared": one.declared, "key": found.masked, "place": f"server log: {one.program}", "times": one.times,
            "existing": None if one.existing is None else msgspec.json.encode(one.existing).decode(),
        })  # fmt: skip
    return True
