"""Holds each statement with ON CONFLICT against the live database, without running it.

Its text tells what is dangerous in any database. The rest is the server's own word: it plans each statement as it
would at its sixth run, when the plan must serve every parameter, in a transaction that may only read. So a role that
may only look can ask too: what a statement relies on is found before its rights are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg import errors, sql

from .arbiters import Target, Targets, building, nearest, serves
from .catalog import Catalog, Index, Table
from .conflict import Conflict, conflicts, parameters
from .contract import Upsert
from .key_findings import DEFERRED
from .looking import Clock, looking
from .types import Code, Evidence, Finding, Severity

Conn: TypeAlias = psycopg.AsyncConnection[Any]

# The schemas asked for, and those in which extensions keep their types and functions.
SETTINGS = """
select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('search_path', (
    select string_agg(quote_ident(name), ', ' order by place) from (
        select name, place from unnest(%(schemas)s::text[]) with ordinality as ours (name, place)
        union all
        select distinct nspname, 1000 from pg_extension join pg_namespace n on n.oid = extnamespace
        where nspname <> 'pg_catalog' and nspname <> all (%(schemas)s::text[])) path (name, place)), true)
"""
PREPARE = "prepare tallybook_doctor as {statement}"
PLAN = "explain (verbose, format json) execute tallybook_doctor{values}"
FORGET = "deallocate tallybook_doctor"


class Answer(msgspec.Struct, frozen=True):
    """What the server says of a statement: what it would rely on, or its error.

    ``understood`` tells whether it got as far as planning: names and types are known then. ``schemas`` are those of
    the tables that it would write to.
    """

    arbiters: tuple[str, ...] = ()
    schemas: frozenset[str] = frozenset()
    error: psycopg.Error | None = None
    understood: bool = False

    @property
    def message(self) -> str:
        """The server's own words."""
        return (self.error.diag.message_primary or str(self.error)) if self.error is not None else ""

    @property
    def at_fault(self) -> bool:
        """Whether the statement is wrong in itself: its grammar, its names and types, or what the server can do."""
        code = (self.error.sqlstate if self.error is not None else None) or ""
        return code.startswith(("42", "0A")) and code not in _OURS


# A plan takes milliseconds; no statement is waited for longer, and all of them no longer than that.
SECONDS, ALL_SECONDS = 5.0, 60.0
# What only our role, or our guess of a parameter's type, may bring.
_OURS = {"42501", "42P18", "42P08", "42725"}


async def examine(
    conn: Conn, upserts: Sequence[Upsert], catalog: Catalog, schemas: Sequence[str], *, seconds: float = ALL_SECONDS
) -> list[Finding]:
    """What is wrong with the statements, in their order. Names without a schema are looked up in ``schemas``.

    Those for which ``seconds`` do not suffice are named in one finding.
    """
    clock, targets = Clock(seconds), Targets(catalog, schemas)
    asked = tuple(dict.fromkeys(upserts))  # a source may be named by the contract and by the command
    found: list[Finding] = []
    async with looking(conn, SECONDS):
        await conn.execute(SETTINGS, {"schemas": list(schemas)})
        for number, upsert in enumerate(asked):
            if clock.left(SECONDS) <= 0:
                return [*found, _no_time(asked[number:])]
            found += findings(upsert, await ask(conn, upsert.statement), targets)
    return found


async def relying(
    conn: Conn, upserts: Sequence[Upsert], indexes: Collection[str], schemas: Sequence[str]
) -> list[Upsert]:
    """The statements that rely on these indexes and on no other one, which would fail were they gone."""
    async with looking(conn, SECONDS):
        await conn.execute(SETTINGS, {"schemas": list(schemas)})
        found = [(one, (await ask(conn, one.statement)).arbiters) for one in upserts]
    return [one for one, arbiters in found if arbiters and set(arbiters) <= set(indexes)]


async def ask(conn: Conn, statement: str) -> Answer:
    """The server's answer on one statement, within the caller's transaction; whatever it locked is let go.

    The protocol's extended form takes one statement and no more, so that a text can never hold a second one.
    """
    understood = False
    answer = Answer()
    try:
        async with conn.transaction(force_rollback=True):
            await conn.execute(sql.SQL(PREPARE).format(statement=sql.SQL(statement)), binary=True)
            understood = True
            values = sql.SQL(_nothing(parameters(statement)))
            plan = await (await conn.execute(sql.SQL(PLAN).format(values=values))).fetchone()
            answer = _answer(plan[0] if plan else [])
    except psycopg.Error as error:
        if conn.closed:
            raise
        answer = Answer(error=error, understood=understood)
    finally:
        if understood and not conn.closed:  # it outlives its transaction
            await conn.execute(FORGET)
    return answer


def _nothing(count: int) -> str:
    """No value for each parameter."""
    return f"({', '.join(['null'] * count)})" if count else ""


def _answer(plan: Any) -> Answer:
    written = [node for node in _nodes(plan) if node.get("Node Type") == "ModifyTable"]
    return Answer(
        arbiters=tuple(name for node in written for name in node.get("Conflict Arbiter Indexes", ())),
        schemas=frozenset(node["Schema"] for node in written if "Schema" in node),
        understood=True,
    )


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
    for part in plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ():
        yield from _nodes(part)


def findings(upsert: Upsert, answer: Answer, targets: Targets) -> list[Finding]:
    """What is wrong with one statement, from its text and the server's answer. Pure."""
    clauses = [(one, targets.of(one)) for one in conflicts(upsert.statement)]
    if isinstance(answer.error, errors.InsufficientPrivilege) and answer.understood:
        answer = Answer(understood=True)  # it found what it relies on, and only then that we may not write
    found = [finding for one in clauses for finding in _of_text(upsert, *one, answer)]
    if _lacks_key(answer):
        at_fault = [one for one in clauses if one[0].targeted and not _served(*one)] or clauses
        found += [_without_arbiter(upsert, *one, answer) for one in at_fault]
    elif answer.error is not None:
        found.append(_refused(upsert, clauses, answer))
    astray = sorted(answer.schemas - {*targets.schemas})
    if astray and clauses and not any(clause.schema for clause, _ in clauses):
        found.append(_elsewhere(upsert, clauses[0][0].table, astray, targets.schemas))
    of = {clause.table: where.table.schema for clause, where in clauses if where.table is not None}
    return [msgspec.structs.replace(one, schema=of.get(one.table, "")) for one in found]


def _lacks_key(answer: Answer) -> bool:
    """Whether the error is of what ON CONFLICT names: columns without a key, or a constraint that is none."""
    if answer.understood:
        return isinstance(answer.error, errors.InvalidColumnReference)
    return isinstance(answer.error, errors.UndefinedObject) and "constraint" in answer.message


def _served(conflict: Conflict, where: Target) -> bool:
    """With a parameter in the predicate, an index that covers only some rows serves five times and no more."""
    return any(serves(conflict, one) for one in where.indexes if one.where is None or not conflict.parameters)


def _of_text(upsert: Upsert, conflict: Conflict, where: Target, answer: Answer) -> Iterator[Finding]:
    """What the server does not say before the statement runs."""
    if not conflict.targeted:
        yield _without_target(upsert, conflict, where)
    if answer.error is None and (late := _deferrable(conflict, where, answer)):
        yield _late(upsert, conflict, where, late)


def _deferrable(conflict: Conflict, where: Target, answer: Answer) -> Index | None:
    """The planner takes an index that is checked late; it is refused only when the statement runs."""
    for index in where.indexes:
        named = index.name in answer.arbiters or (not answer.arbiters and serves(conflict, index))
        if not index.immediate and (named or not conflict.targeted):
            return index
    return None


def _finding(upsert: Upsert, code: Code, severity: Severity, table: str, **more: Any) -> Finding:
    return Finding(code=code, severity=severity, table=table, place=upsert.place, **more)


def _without_target(upsert: Upsert, conflict: Conflict, where: Target) -> Finding:
    names = ", ".join(index.name for index in where.indexes)
    return _finding(
        upsert, Code.CONFLICT_WITHOUT_TARGET, Severity.WARNING, conflict.table,
        says=f"This insert into {conflict.table} names no key after ON CONFLICT, so a row that any constraint refuses"
        f"{f' ({names})' if names else ''} is dropped without an error or a line in a log: what a user sent is gone.",
        do="name the key that is meant: on conflict (columns) do nothing",
    )  # fmt: skip


def _late(upsert: Upsert, conflict: Conflict, where: Target, index: Index) -> Finding:
    return _finding(
        upsert, Code.DEFERRABLE_ARBITER, Severity.ERROR, conflict.table, name=index.name,
        says=f"This insert into {conflict.table} fails at every run: {index.name} is deferrable, so ON CONFLICT "
        "cannot rely on it, and what a user sent is refused.",
        do=f"build a key that is checked at once, then drop {index.name}: "
        f"{building(conflict.table, where, index.columns)};",
        evidence=Evidence(error=DEFERRED),
    )  # fmt: skip


def _without_arbiter(upsert: Upsert, conflict: Conflict, where: Target, answer: Answer) -> Finding:
    near = nearest(conflict, where)
    name = near.index.name if near.index is not None else conflict.constraint
    evidence = Evidence(error=answer.message)
    if conflict.parameters and near.index is not None and near.index.valid and near.index.where is not None:
        return _finding(
            upsert, Code.PARAMETER_IN_PREDICATE, Severity.ERROR, conflict.table, name=name, evidence=evidence,
            says=f"This insert into {conflict.table} works five times on a connection and then fails: the predicate "
            f"of its ON CONFLICT holds a parameter ({', '.join(conflict.parameters)}), and {near.index.name} is for "
            f"rows where {near.index.where} alone.",
            do=f"write the value itself: on conflict ({', '.join(conflict.columns)}) where {near.index.where}",
        )  # fmt: skip
    bare = conflict.constraint and near.index is not None
    return _finding(
        upsert, Code.NOT_A_CONSTRAINT if bare else Code.CONFLICT_WITHOUT_ARBITER, Severity.ERROR, conflict.table,
        name=name, evidence=evidence, do=near.do,
        says=f"This insert into {conflict.table} fails at every run, and what a user sent is refused: nothing serves "
        f"its “{conflict.says}”; {near.why}.",
    )  # fmt: skip


def _refused(upsert: Upsert, clauses: Sequence[tuple[Conflict, Target]], answer: Answer) -> Finding:
    """An error that is no matter of keys."""
    table = clauses[0][0].table if clauses else ""
    evidence = Evidence(error=answer.message)
    if isinstance(answer.error, errors.UndefinedTable) and _closed(clauses):
        return _not_for_us(upsert, clauses, answer)
    if answer.at_fault:
        return _finding(
            upsert, Code.STATEMENT_REFUSED, Severity.WARNING, table, evidence=evidence,
            says=f"The server refuses this insert into {table or 'a table'} before it looks for a key: "
            f"{answer.message}.",
            do="correct the statement, or the schema that it is meant for",
        )  # fmt: skip
    return _finding(
        upsert, Code.NOT_LOOKED_AT, Severity.NOTE, table, evidence=evidence,
        says=f"This insert into {table or 'a table'} could not be examined: {answer.message}.",
        do="ask again, by a role that may look, when nothing holds the table",
    )  # fmt: skip


def _closed(clauses: Sequence[tuple[Conflict, Target]]) -> list[Table]:
    """The tables that are there, in a schema that our role may not use: to it the server calls them missing."""
    return [where.table for _, where in clauses if where.table is not None and not where.table.may_use]


def _not_for_us(upsert: Upsert, clauses: Sequence[tuple[Conflict, Target]], answer: Answer) -> Finding:
    table = _closed(clauses)[0]
    return _finding(
        upsert, Code.NOT_LOOKED_AT, Severity.NOTE, table.name, evidence=Evidence(error=answer.message or None),
        says=f"This insert into {table.name} could not be examined: our role may not use the schema {table.schema}.",
        do=f"grant our role usage on the schema {table.schema}, or examine by a role that may use it",
    )  # fmt: skip


def _no_time(left: Sequence[Upsert]) -> Finding:
    return Finding(
        code=Code.NOT_LOOKED_AT, severity=Severity.NOTE, table="", place=left[0].place,
        says=f"There was no time to examine {len(left)} statements, from {left[0].place} on.",
        do="give the examination more time, or examine when the server is less busy",
    )  # fmt: skip


def _elsewhere(upsert: Upsert, table: str, astray: Sequence[str], schemas: Sequence[str]) -> Finding:
    return _finding(
        upsert, Code.STATEMENT_REFUSED, Severity.WARNING, table,
        says=f"This insert would write to {table} of the schema {', '.join(astray)}: {', '.join(schemas)} has no such "
        "table.",
        do="make the table, or name its schema in the statement",
    )  # fmt: skip
