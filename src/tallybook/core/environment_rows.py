"""The rows of a copy: read as JSON, masked, given the numbers of the messages they name, and put in their places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import sql

from .db import Conn
from .environment import BE_THE_ROLE
from .environment_copied import Copied
from .environment_masking import Kind, Masks, own_key
from .environment_tables import MESSAGES

COLUMNS = """
select a.attname::text, format_type(a.atttypid, null), not a.attnotnull,
    a.attname <> 'business_id' and exists (
        select from pg_constraint c
        where c.conrelid = a.attrelid and c.contype = 'f' and a.attnum = any(c.conkey)
            and c.confrelid in (to_regclass('accounts'), to_regclass('account_roles')))
from pg_attribute a
where a.attrelid = to_regclass(%(table)s::text) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""


class Column(msgspec.Struct, frozen=True):
    """A column as the catalogue has it; ``account`` says that it names somebody who logs in."""

    name: str
    type: str
    nullable: bool
    account: bool


@dataclass(frozen=True)
class Plan:
    """A table's part in a copy: its columns, how each is masked, and the role that writes it."""

    copied: Copied
    columns: Sequence[Column]
    kinds: Mapping[str, Kind]
    role: str

    @property
    def needs_its_message(self) -> bool:
        return not any(column.nullable for column in self.columns if column.name == self.copied.message)

    @property
    def keeps_its_number(self) -> bool:
        """Whether rows bring their ``id``, which another row of the same number must make way for."""
        return self.copied.same is not None and not self.copied.own_number and "id" in self.kinds


async def columns_of(conn: Conn, copied: Copied) -> list[Column]:
    return [Column(*row) for row in await (await conn.execute(COLUMNS, {"table": copied.table})).fetchall()]


def kinds_of(copied: Copied, columns: Sequence[Column], *, masked: bool) -> dict[str, Kind]:
    """How each column is masked: as declared, else by its type, so that nothing readable slips through. Pure."""
    kinds = {}
    for column in columns:
        declared = copied.kinds.get(column.name)
        if column.account or declared is Kind.NEVER:
            kinds[column.name] = Kind.NEVER
        elif not masked:
            kinds[column.name] = Kind.OWN_KEY if declared is Kind.OWN_KEY else Kind.PLAIN
        else:
            kinds[column.name] = declared or kind_of_type(column.type)
    return kinds


def kind_of_type(name: str) -> Kind:
    """What a column is taken for that nobody declared."""
    if name in {"json", "jsonb"} or name.endswith("[]"):
        return Kind.LEAVES
    if name == "bytea":
        return Kind.HASH
    return Kind.WORDS if name.startswith(("text", "character", "citext")) else Kind.PLAIN


READ = "select to_jsonb(t) from {table} t where {taken} order by {order}"
READ_WITH_MESSAGE = """
select to_jsonb(t), m.channel, m.scope, m.external_id, m.kind
from {table} t left join messages m on m.business_id = t.business_id and m.id = t.{message}
where {taken} order by {order}
"""


def reading(copied: Copied) -> sql.Composed:
    """The statement that reads a table's rows since ``%(since)s``, each with the natural key of its message."""
    return sql.SQL(READ_WITH_MESSAGE if copied.message else READ).format(**names(copied))


@dataclass(frozen=True)
class Given:
    """A row as it will stand in the other environment, and the natural key of the message that it names."""

    row: dict[str, Any]
    message: tuple[str, ...] | None = None


def masked(found: tuple[Any, ...], plan: Plan, masks: Masks | None) -> Given:
    """A row as ``reading`` found it, masked; without masks it only loses what no copy takes. Pure."""
    row, *message = found
    row |= plan.copied.preset
    row |= {name: row[other] for name, other in plan.copied.matches.items()}
    key = tuple(message) if message and message[0] is not None else None
    if masks is None:
        given: dict[Kind, Any] = {Kind.NEVER: None, Kind.OWN_KEY: own_key(row) if "id" in row else None}
        return Given(row | {name: given[kind] for name, kind in plan.kinds.items() if kind in given}, key)
    if key is not None:
        named = dict(zip(("channel", "scope", "external_id", "kind"), key, strict=True))
        key = tuple(masks.row(named, MESSAGES.kinds).values())
    return Given(masks.row(row, plan.kinds, str(message[0]) if key else ""), key)


# The arbiter is the key; a row that is as production has it already is not written again.
PUT = """
insert into {table} as t ({columns}) select {columns} from jsonb_populate_recordset(null::{table}, %(rows)s::jsonb)
on conflict ({key}) do update set {sets} where ({old}) is distinct from ({new})
"""
PUT_NEW = """
insert into {table} ({columns}) select {columns} from jsonb_populate_recordset(null::{table}, %(rows)s::jsonb)
on conflict ({key}) do nothing
"""
# A row of the same number under another key was renamed in production since the last copy.
GIVE_WAY = """
delete from {table} t using jsonb_populate_recordset(null::{table}, %(rows)s::jsonb) g
where t.business_id = g.business_id and t.id = g.id and ({mine}) is distinct from ({given})
"""
# A thing that production has is known there by the keys that production has of it, and by no other.
MAKE_ROOM = """
delete from {table} t using jsonb_populate_recordset(null::{table}, %(rows)s::jsonb) g
where ({my_whole}) = ({given_whole}) and not exists (
    select from jsonb_populate_recordset(null::{table}, %(rows)s::jsonb) g where ({my_key}) = ({given_key}))
"""
# Several rows may be alike, and each of them is to be there.
TAKE_AWAY = """
delete from {table} t using jsonb_populate_recordset(null::{table}, %(rows)s::jsonb) g
where {alike} and not exists (
    select from jsonb_populate_recordset(null::{table}, %(rows)s::jsonb) g
    where {alike} and ({mine}) is not distinct from ({given}))
"""
ADD = """
insert into {table} ({columns}) select {columns} from jsonb_populate_recordset(null::{table}, %(rows)s::jsonb) g
where not exists (select from {table} t where {alike} and ({mine}) is not distinct from ({given})) {arbitrated}
"""
DO_NOTHING = "on conflict ({key}) do nothing"


async def write(conn: Conn, plan: Plan, given: Sequence[Given]) -> int:
    """One batch in the caller's transaction; returns the rows that were new or other than what stood there.

    Rows that are ``together`` must be given in one batch.
    From here on the transaction is the environment's own role, to which the database refuses production.
    """
    await conn.execute(sql.SQL(BE_THE_ROLE).format(role=sql.Identifier(plan.role)))
    rows = await _with_messages(conn, plan, given) if plan.copied.message else [one.row for one in given]
    values = {"rows": msgspec.json.encode(rows).decode()}
    known = names(plan.copied, plan.columns)
    if plan.copied.same is None:
        await conn.execute(sql.SQL(TAKE_AWAY).format(**known), values)
        return (await conn.execute(sql.SQL(ADD).format(**known), values)).rowcount
    if plan.copied.together:
        await conn.execute(sql.SQL(MAKE_ROOM).format(**known), values)
    if plan.keeps_its_number:
        await conn.execute(sql.SQL(GIVE_WAY).format(**known), values)
    statement = sql.SQL(PUT_NEW if plan.copied.only_new else PUT).format(**known)
    return (await conn.execute(statement, values)).rowcount


MESSAGE_IDS = """
select u.place, m.id
from unnest(%(place)s::int[], %(business)s::int[], %(channel)s::text[], %(scope)s::text[], %(external_id)s::text[],
    %(kind)s::text[]) as u (place, business_id, channel, scope, external_id, kind)
join messages m on m.business_id = u.business_id and m.channel = u.channel and m.scope = u.scope
    and m.external_id = u.external_id and m.kind = u.kind
"""


async def _with_messages(conn: Conn, plan: Plan, given: Sequence[Given]) -> list[dict[str, Any]]:
    """The rows with the numbers that their messages have here. A row that needs a message which is gone is left."""
    named = [(place, one.row["business_id"], *one.message) for place, one in enumerate(given) if one.message]
    columns: Iterable[tuple[Any, ...]] = zip(*named, strict=True) if named else [()] * 6
    wanted = ("place", "business", "channel", "scope", "external_id", "kind")
    values = {name: list(column) for name, column in zip(wanted, columns, strict=True)}
    ids: dict[int, int] = dict(await (await conn.execute(MESSAGE_IDS, values)).fetchall())
    column = str(plan.copied.message)
    rows = [one.row | {column: ids.get(place)} for place, one in enumerate(given)]
    return [row for row in rows if row[column] is not None or not plan.needs_its_message]


def names(copied: Copied, columns: Sequence[Column] = ()) -> dict[str, sql.Composable]:
    """What stands for the names in the statements of a copy. The conditions come from the declarations alone."""
    named = [column.name for column in columns if not (copied.own_number and column.name == "id")]
    key = copied.same.columns if copied.same else ()
    changed = [name for name in named if name not in key]
    compared = key or named
    return {
        "table": sql.Identifier(copied.table),
        "taken": _said(copied.taken),
        "order": _said(copied.order),
        "alike": _said(copied.alike),
        "arbitrated": _arbitrated(copied),
        "message": sql.Identifier(copied.message or "message_id"),
        "columns": _list(sql.Identifier(name) for name in named),
        "key": _list(sql.Identifier(name) for name in key),
        "sets": _list(sql.SQL("{} = {}").format(sql.Identifier(name), _new(copied, name)) for name in changed),
        "old": _list(sql.Identifier("t", name) for name in changed),
        "new": _list(_new(copied, name) for name in changed),
        "mine": _list(sql.Identifier("t", name) for name in compared),
        "given": _list(sql.Identifier("g", name) for name in compared),
        "my_key": _list(sql.Identifier("t", name) for name in key),
        "given_key": _list(sql.Identifier("g", name) for name in key),
        "my_whole": _list(sql.Identifier("t", name) for name in copied.together),
        "given_whole": _list(sql.Identifier("g", name) for name in copied.together),
    }


def _arbitrated(copied: Copied) -> sql.Composable:
    if copied.arbiter is None:
        return sql.SQL("")
    return sql.SQL(DO_NOTHING).format(key=_list(sql.Identifier(name) for name in copied.arbiter.columns))


def _said(condition: str) -> sql.SQL:
    return sql.SQL(condition)


def _list(parts: Iterable[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)


def _new(copied: Copied, name: str) -> sql.Composed:
    """The value that a row will have: the given one, or where a clock must not go back the later of both."""
    if name in copied.kept:
        return sql.SQL("greatest({}, {})").format(sql.Identifier("t", name), sql.Identifier("excluded", name))
    return sql.SQL("{}").format(sql.Identifier("excluded", name))
