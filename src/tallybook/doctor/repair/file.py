"""A plan as a file of SQL that a person reads, and runs with psql as it stands; it may be run again at any time."""

from __future__ import annotations

import re

from .keys import unusable_index
from .running import ROUNDS
from .session import SETTINGS, Limits
from .store import MAKE, registered
from .types import Doing, Pace, Plan, Statement, Step
from .words import HOME, literal, name

HEAD = """-- {what}
-- Table {table}, run {run}.
--
-- Read it, then run it as the table's owner, not through a pooler:
--     psql -v ON_ERROR_STOP=1 -f THIS_FILE "host=… dbname=…"
-- or leave it to:
--     tallybook doctor repair --continue {run}
-- Each step may be run again, so after an error (a lock that somebody holds, a new duplicate) run the file again.
-- Whatever is removed or changed is kept first, in the schema {home}. Take all of it back with:
--     tallybook doctor undo {run}
{notes}
\\set ON_ERROR_STOP on
set client_min_messages = warning;
{settings}set search_path = {schema}, public;
"""
LOOP = """do $doctor_loop$
declare
    more bigint;
begin
    for round in 1..{rounds} loop
        loop
            select {home}.{run}_batch({rows}) into more;
            commit;
            exit when more = 0;
        end loop;
        select {home}.{run}_find() into more;
        commit;
        exit when more = 0;
    end loop;
end
$doctor_loop$;
"""
STOP = """\\if :{{?switched}}
\\else
\\echo {says}
\\echo 'Then run this file again with: psql -v switched=1 -v ON_ERROR_STOP=1 -f THIS_FILE'
\\quit
\\endif
"""
LIMIT = re.compile(r"^set (lock_timeout|statement_timeout) = (.*);\n", re.MULTILINE)
BATCH = 200  # rows of a batch where nobody measures how long it takes


def written(plan: Plan, limits: Limits) -> str:
    """The whole plan as text."""
    said = [
        HEAD.format(
            what=plan.what.replace("\n", " "), table=f"{plan.schema}.{plan.table}", run=plan.run, home=HOME,
            settings="".join(f"set {setting} = {literal(value)};\n" for setting, value in SETTINGS.items()),
            schema=name(plan.schema), notes="".join(f"-- Note: {one}\n" for one in plan.notes),
        ),
        _pace(limits, Pace.BRIEF),
        _only_if(f"select to_regclass('{HOME}.steps') is null", [one.as_string() for one in MAKE]),
        registered(plan).as_string() + ";\n",
    ]  # fmt: skip
    return _each_once("\n".join([*said, *(_step(plan, step, limits) for step in plan.steps), _ended(plan)]))


def _each_once(text: str) -> str:
    """The text without limits that are in force already."""
    now: dict[str, str] = {}

    def said(match: re.Match[str]) -> str:
        before, now[match[1]] = now.get(match[1]), match[2]
        return "" if before == match[2] else match[0]

    return LIMIT.sub(said, text)


def _step(plan: Plan, step: Step, limits: Limits) -> str:
    title = f"\n-- {step.name}: {step.says}\n"
    done = (
        f"insert into {HOME}.steps (run, step) values ({literal(plan.run)}, {literal(step.name)}) "
        "on conflict (run, step) do nothing;\n"
    )
    if step.doing is Doing.STOP:
        return title + STOP.format(says=literal(step.says)) + done
    said = [_statement(statement, limits) for statement in step.statements]
    if step.doing is Doing.ROUNDS:
        loop = LOOP.format(home=HOME, run=plan.run, rows=BATCH, rounds=ROUNDS)
        said.insert(0, f"set lock_timeout = '{limits.waiting}ms';\nset statement_timeout = 0;\n{loop}")
    return title + "".join(said) + done


def _statement(statement: Statement, limits: Limits) -> str:
    said = ""
    if statement.building is not None:
        remains = f"select {unusable_index(statement.building)}"
        said += _pace(limits, Pace.LONG) + _only_if(remains, [f"drop index concurrently {statement.building}"])
    said += _pace(limits, statement.pace)
    if statement.needed is None:
        return said + statement.text + ";\n"
    return said + _only_if(statement.needed, [statement.text])


def _only_if(needed: str, statements: list[str]) -> str:
    """For psql, which runs each value that the query gives; it gives none where nothing is needed."""
    values = ",\n".join(f"({at}, {literal(one)})" for at, one in enumerate(statements))
    return f"select statement from (values {values}) as all_of (at, statement)\nwhere ({needed}) order by at \\gexec\n"


def _pace(limits: Limits, pace: Pace) -> str:
    if pace is Pace.LONG:
        return "set lock_timeout = 0;\nset statement_timeout = 0;\n"
    return f"set lock_timeout = '{limits.waiting}ms';\nset statement_timeout = '{limits.whole}ms';\n"


def _ended(plan: Plan) -> str:
    return f"\nupdate {HOME}.runs set state = 'done', ended = now() where run = {literal(plan.run)};\n"
