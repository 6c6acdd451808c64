"""An environment is a schema with a role of its own, which the database itself keeps out of every other schema.

Runs as the owner. Repeatable: it restores what a ``drop schema … cascade`` or a hand-made change took away.
"""

from __future__ import annotations

import secrets

import psycopg
from psycopg import sql

from .db import PROD, schema_of
from .environment_names import PRODUCTION_SCHEMA
from .errors import WrongSetup
from .owner_refusals import recorded
from .revisions import known_revisions, migrate

READER = "tallybook_reader"
TABLE_EXISTS = "select to_regclass(%(table)s) is not null"
ROLE_EXISTS = "select 1 from pg_roles where rolname = %(role)s"

# Each statement names schema {schema} and role {role}; they are composed by psycopg, never by hand.
GRANTS = (
    "create schema if not exists {schema}",
    "create schema if not exists extensions",
    "revoke all on schema {schema} from public",
    "grant usage on schema {schema}, extensions to {role}, {reader}",
    "grant select, insert, update, delete on all tables in schema {schema} to {role}",
    "grant select on all tables in schema {schema} to {reader}",
    "grant usage, select on all sequences in schema {schema} to {role}",
    # The doctor asks them for their next number, and cannot take one.
    "grant select on all sequences in schema {schema} to {reader}",
    "alter default privileges in schema {schema} grant select, insert, update, delete on tables to {role}",
    "alter default privileges in schema {schema} grant select on tables to {reader}",
    "alter default privileges in schema {schema} grant usage, select on sequences to {role}",
    "alter default privileges in schema {schema} grant select on sequences to {reader}",
    "alter role {role} set search_path to {schema}, extensions",
)
# Others than production may be emptied, and are copied to, by their own role, which the owner may become. The owner can
# become production's by no statement of ours, and production's may not truncate.
GRANTS_OF_OTHERS = (
    "grant truncate on all tables in schema {schema} to {role}",
    "alter default privileges in schema {schema} grant truncate on tables to {role}",
    "grant {role} to current_user",
)
# From here on the transaction has the rights of the environment's role alone, to which the database refuses production.
BE_THE_ROLE = "set local role {role}"
# One maker at a time, of whatever environment: they grant on the same roles. Released when the connection closes.
TAKE_TURNS = "select pg_advisory_lock(hashtext('tallybook environment'))"
COPY_BUSINESSES = """
insert into {schema}.businesses (id, name, time_zone, locale, created_at)
select p.id, p.name, p.time_zone, p.locale, p.created_at from public.businesses p
where not exists (select from {schema}.businesses b where b.id = p.id or b.name = p.name)
on conflict (id) do nothing
"""
# Numbers that came with rows are not given out again. Never backwards: somebody may take one at this moment.
NUMBER_ON = """
select setval(s.name, s.newest) from (
    select pg_get_serial_sequence({businesses}, 'id') as name, (select max(id) from {schema}.businesses) as newest) s
where s.newest > (select coalesce(q.last_value, 0) from pg_sequences q
    where format('%I.%I', q.schemaname, q.sequencename)::regclass = s.name::regclass)
"""


def role_of(environment: str) -> str:
    """The application role of an environment."""
    schema_of(environment)
    return f"tallybook_{environment}"


def new_password() -> str:
    return secrets.token_urlsafe(32)


async def has_role(owner_url: str, environment: str) -> bool:
    """Whether the environment's application role exists on this server; roles outlive a restore and a drop."""
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        row = await (await conn.execute(ROLE_EXISTS, {"role": role_of(environment)})).fetchone()
        return row is not None


NAMES = """
select case n.nspname when 'public' then 'prod' else n.nspname end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relname = 'alembic_version' and c.relkind = 'r' order by n.nspname <> 'public', n.nspname
"""


async def names(url: str) -> list[str]:
    """The environments of a database, production first, told by anybody who may connect."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as conn:
        return [str(row[0]) for row in await (await conn.execute(NAMES)).fetchall()]


REVISION = "select version_num from {schema}.alembic_version"


async def revision(owner_url: str, environment: str) -> str | None:
    """The revision that an environment's tables are at, None if it has none or its role is gone."""
    schema = schema_of(environment)
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as conn:
        known = await (await conn.execute(ROLE_EXISTS, {"role": role_of(environment)})).fetchone()
        if known is None or not await _exists(conn, f"{schema}.alembic_version"):
            return None
        row = await (await conn.execute(sql.SQL(REVISION).format(schema=sql.Identifier(schema)))).fetchone()
        return str(row[0]) if row else None


async def check_stands(owner_url: str, environment: str) -> None:
    """Raises WrongSetup unless the environment's schema holds our tables, at a revision of this release; makes nothing.

    What only works on an environment asks this first, so that a name mistyped makes no schema and no role.
    """
    there = await revision(owner_url, environment)
    if there is None:
        raise WrongSetup(f"There is no environment {environment} yet. Make it with: tallybook env create {environment}")
    if there not in known_revisions():
        raise WrongSetup(f"What stands in the schema {schema_of(environment)} is not of this release, or not ours.")


async def create(owner_url: str, environment: str, passwords: dict[str, str]) -> list[str]:
    """Makes or mends an environment: schema, roles, grants, tables. Returns the migrations applied.

    ``passwords`` maps role to password. A role that is not in it keeps the password it has, or is created with one
    that nobody knows. Other environments get the businesses of prod, since a key carries its business.
    """
    role, schema = role_of(environment), schema_of(environment)
    async with await psycopg.AsyncConnection.connect(
        owner_url, autocommit=True, application_name="tallybook env"
    ) as conn:
        await conn.execute(TAKE_TURNS)
        for name in (role, READER):
            await _ensure_role(conn, name, passwords.get(name))
        names: dict[str, sql.Composable] = {
            "schema": sql.Identifier(schema),
            "role": sql.Identifier(role),
            "reader": sql.Identifier(READER),
        }
        for statement in GRANTS if schema == PRODUCTION_SCHEMA else (*GRANTS, *GRANTS_OF_OTHERS):
            await conn.execute(sql.SQL(statement).format(**names))
        applied = await migrate(owner_url, environment)
        if environment != PROD:
            if not await _exists(conn, "public.businesses"):
                raise WrongSetup("Production has no tables yet. Run first: tallybook migrate")
            names["businesses"] = sql.Literal(f"{schema}.businesses")
            async with recorded(owner_url, environment, f"make the environment {environment}"):
                await conn.execute(sql.SQL(COPY_BUSINESSES).format(**names))
                await conn.execute(sql.SQL(NUMBER_ON).format(**names))
    return applied


async def _ensure_role(conn: psycopg.AsyncConnection, role: str, password: str | None) -> None:
    name = sql.Identifier(role)
    if await (await conn.execute(ROLE_EXISTS, {"role": role})).fetchone() is None:
        await conn.execute(
            sql.SQL("create role {} login password {}").format(name, sql.Literal(password or new_password()))
        )
    elif password is not None:
        await conn.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(password)))


async def _exists(conn: psycopg.AsyncConnection, table: str) -> bool:
    row = await (await conn.execute(TABLE_EXISTS, {"table": table})).fetchone()
    return bool(row and row[0])
