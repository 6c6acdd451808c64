"""What a schema is made of, read from the catalogue in a form in which two schemas can be held side by side.

Definitions are read with the schema on the search path, so that no schema's name stands in them.
"""

from __future__ import annotations

import msgspec

from .connection import Conn


class Column(msgspec.Struct, frozen=True):
    """A column; columns of a table stand in the order in which ``select *`` gives them."""

    name: str
    type: str
    nullable: bool
    default: str | None
    collation: str | None = None


class Rule(msgspec.Struct, frozen=True):
    """A constraint that is no key: a check, a foreign key or an exclusion, as PostgreSQL writes it."""

    name: str
    definition: str
    valid: bool


class Index(msgspec.Struct, frozen=True):
    """An index. ``columns`` are names or expressions; ``where`` what it is limited to; ``extra`` all else about it."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    where: str | None
    usable: bool
    deferrable: bool
    nulls_alike: bool
    method: str


class Made(msgspec.Struct, frozen=True):
    """A trigger, a rewriting rule or a function: what it is called and all that it does."""

    name: str
    does: str


class Table(msgspec.Struct, frozen=True):
    """A table and all that holds its rows to something."""

    name: str
    columns: tuple[Column, ...] = ()
    rules: tuple[Rule, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Made, ...] = ()
    rewrites: tuple[Made, ...] = ()
    row_security: bool = False
    rights: tuple[str, ...] = ()


FACTS = """
select json_build_object(
    'name', t.relname,
    'columns', (
        select coalesce(json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
            'default', case a.attidentity when 'a' then 'identity, always' when 'd' then 'identity'
                else pg_get_expr(d.adbin, d.adrelid) end,
            'collation', (
                select l.collname from pg_collation l join pg_type y on y.oid = a.atttypid
                where l.oid = a.attcollation and a.attcollation <> y.typcollation))
            order by a.attnum), '[]')
        from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped),
    'rules', (
        select coalesce(json_agg(json_build_object(
            'name', c.conname, 'valid', c.convalidated,
            'definition', replace(pg_get_constraintdef(c.oid), ' NOT VALID', '')) order by c.conname), '[]')
        from pg_constraint c where c.conrelid = t.oid and c.contype in ('c', 'f', 'x')),
    'indexes', (
        select coalesce(json_agg(json_build_object(
            'name', i.relname, 'unique', x.indisunique, 'usable', x.indisvalid and x.indisready,
            'deferrable', not x.indimmediate, 'where', pg_get_expr(x.indpred, x.indrelid), 'method', m.amname,
            'nulls_alike', coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::bool, false),
            'columns', (
                select json_agg(pg_get_indexdef(x.indexrelid, k, true) order by k)
                from generate_series(1, x.indnkeyatts) k)) order by i.relname), '[]')
        from pg_index x join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam
        where x.indrelid = t.oid),
    'triggers', (
        select coalesce(json_agg(json_build_object(
            'name', g.tgname, 'does', pg_get_triggerdef(g.oid, true) || ' ' || g.tgenabled::text || ' ' || p.prosrc)
            order by g.tgname), '[]')
        from pg_trigger g join pg_proc p on p.oid = g.tgfoid
        where g.tgrelid = t.oid and not g.tgisinternal and g.tgenabled <> 'D'),
    'rewrites', (
        select coalesce(json_agg(json_build_object('name', w.rulename, 'does', pg_get_ruledef(w.oid, true))
            order by w.rulename), '[]')
        from pg_rewrite w where w.ev_class = t.oid and w.ev_enabled <> 'D'),
    'row_security', t.relrowsecurity,
    'rights', (
        select coalesce(json_agg(lower(x.privilege_type) order by x.privilege_type), '[]')
        from aclexplode(t.relacl) x join pg_roles r on r.oid = x.grantee
        where x.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
            and r.rolname = 'tallybook_' || case current_schema() when 'public' then 'prod' else current_schema() end))
from pg_class t
where t.relkind in ('r', 'p') and t.relnamespace = current_schema()::regnamespace and t.relname <> 'alembic_version'
order by t.relname
"""


async def facts(conn: Conn) -> list[Table]:
    """The tables of the schema that the connection sees."""
    rows = await (await conn.execute(FACTS)).fetchall()
    return [msgspec.convert(row[0], Table) for row in rows]


FUNCTIONS = """
select p.oid::regprocedure::text, p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), '') from pg_proc p
where p.pronamespace = current_schema()::regnamespace
    and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
order by 1
"""


async def functions(conn: Conn) -> list[Made]:
    """The functions of the schema that the connection sees, without those of extensions."""
    return [Made(*row) for row in await (await conn.execute(FUNCTIONS)).fetchall()]
