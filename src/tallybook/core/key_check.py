"""Holds a live database against the declared keys, and says what mends one that is missing or cannot be relied on."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from .connection import Conn
from .errors import WrongSetup
from .key import Apart, Key
from .keys import NATURAL_KEYS, PERIODS_APART


class Pointing(msgspec.Struct, frozen=True):
    """A foreign key that relies on an index: its table, its name and its definition, as SQL has them."""

    table: str
    name: str
    definition: str


class LiveIndex(msgspec.Struct, frozen=True):
    """A unique index as the server has it; ``columns`` holds None for an expression."""

    table: str
    name: str
    columns: list[str | None]
    immediate: bool
    valid: bool
    partial: bool
    constrains: bool = False
    pointing: list[Pointing] = []


UNIQUE_INDEXES = """
select json_build_object(
    'table', t.relname, 'name', i.relname, 'immediate', x.indimmediate, 'valid', x.indisvalid and x.indisready,
    'partial', x.indpred is not null,
    'constrains', exists (select from pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u', 'x')),
    'pointing', (
        select coalesce(json_agg(json_build_object(
            'table', f.conrelid::regclass::text, 'name', quote_ident(f.conname),
            'definition', pg_get_constraintdef(f.oid))), '[]')
        from pg_constraint f where f.conindid = x.indexrelid and f.contype = 'f'),
    'columns', (
        select json_agg(a.attname order by k.position)
        from unnest(x.indkey) with ordinality as k (attnum, position)
        left join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum and k.attnum > 0
        where k.position <= x.indnkeyatts))
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_class t on t.oid = x.indrelid
where x.indisunique and t.relnamespace = current_schema()::regnamespace
"""


async def unique_indexes(conn: Conn) -> list[LiveIndex]:
    """Every unique index of the environment's schema, usable or not."""
    rows = await (await conn.execute(UNIQUE_INDEXES)).fetchall()
    return [msgspec.convert(row[0], LiveIndex) for row in rows]


def faults(live: list[LiveIndex], declared: tuple[Key, ...] = NATURAL_KEYS) -> list[str]:
    """One sentence for each declared key that the database does not hold, naming key, table and remedy. Pure."""
    found: list[str] = []
    for key in declared:
        same = [index for index in live if index.table == key.table and set(index.columns) == set(key.columns)]
        if any(index.immediate and index.valid and not index.partial for index in same):
            continue
        wrong = same[0] if same else None
        if wrong is None:
            what = "is missing"
        elif not wrong.valid:
            what = f"is unusable: its index {wrong.name} is invalid"
        elif not wrong.immediate:
            what = f"is unusable: {wrong.name} is deferrable, so ON CONFLICT cannot rely on it"
        else:
            what = f"is unusable: {wrong.name} covers only some of the rows"
        found.append(
            f"The key {key.constraint} on {key.table} {key.target} {what}; "
            f"without it, {key.same} would be counted twice. Mend it with: {_remedy(key, live)}"
        )
    return found


def _remedy(key: Key, live: list[LiveIndex]) -> str:
    """The statements that make the key; what bears its name without being it goes first."""
    add = f"alter table {key.table} add constraint {key.constraint} unique {key.target};"
    in_the_way = next((index for index in live if index.name == key.constraint), None)
    if in_the_way is None:
        return add
    table, name = in_the_way.table, key.constraint
    if in_the_way.pointing and not any(_stands_in(index, in_the_way) for index in live):
        # Foreign keys need it, and nothing else would do: it stays, under another name.
        what = (
            f"alter table {table} rename constraint {name}" if in_the_way.constrains else f"alter index {name} rename"
        )
        return f"{what} to {name}_before; {add}"
    away = f"alter table {table} drop constraint {name};" if in_the_way.constrains else f"drop index {name};"
    before = [f"alter table {one.table} drop constraint {one.name};" for one in in_the_way.pointing]
    after = [f"alter table {one.table} add constraint {one.name} {one.definition};" for one in in_the_way.pointing]
    return " ".join([*before, away, add, *after])


def _stands_in(index: LiveIndex, other: LiveIndex) -> bool:
    """Whether foreign keys that point at the other index may point at this one instead."""
    same = index.table == other.table and set(index.columns) == set(other.columns)
    return same and index.name != other.name and index.immediate and index.valid and not index.partial


EXCLUSIONS = """
select conname, pg_get_constraintdef(oid) from pg_constraint
where contype = 'x' and connamespace = current_schema()::regnamespace
"""


async def exclusions(conn: Conn) -> dict[str, str]:
    """The rules that keep periods apart in the environment's schema, by the constraint's name."""
    return {row[0]: row[1] for row in await (await conn.execute(EXCLUSIONS)).fetchall()}


def loose(live: Mapping[str, str], declared: tuple[Apart, ...] = PERIODS_APART) -> list[str]:
    """One sentence for each declared rule that the database does not hold as it is written. Pure."""
    return [
        f"The rule {one.constraint} on {one.table} is {'missing' if one.constraint not in live else 'another one'}; "
        f"without it, {one.same} could lie over each other. Mend it with: alter table {one.table} "
        f"{'' if one.constraint not in live else f'drop constraint {one.constraint}, '}"
        f"add constraint {one.constraint} {one.rule};"
        for one in declared
        if _words(live.get(one.constraint, "")) != _words(one.rule)
    ]


def _words(rule: str) -> str:
    """A rule without what the server adds to it: case, blanks, parentheses, and the types of constants."""
    return re.sub(r"[\s()]|::text|::character varying", "", rule.lower())


async def check(conn: Conn) -> None:
    """Refuses a database in which a declared key is missing or unusable, or periods are not kept apart.

    Raises WrongSetup with a sentence per key.
    """
    found = faults(await unique_indexes(conn)) + loose(await exclusions(conn))
    if found:
        raise WrongSetup("The database does not hold the keys that Tallybook counts by.\n" + "\n".join(found))
