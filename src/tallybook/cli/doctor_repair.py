"""Repairs: plan one as a file of SQL, run it, go on with it, take it back."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psycopg
import typer

from tallybook.core.errors import Conflict, Invalid, WrongSetup
from tallybook.doctor import contract_file
from tallybook.doctor.contract import Contract
from tallybook.doctor.repair import store as repair_store
from tallybook.doctor.repair.choosing import Choice, choose
from tallybook.doctor.repair.file import written
from tallybook.doctor.repair.running import Outcome, Told, previewed
from tallybook.doctor.repair.running import repair as run_plan
from tallybook.doctor.repair.session import Limits
from tallybook.doctor.repair.types import Collide, Plan, Rule
from tallybook.doctor.repair.undoing import undo as take_back

from .by_name import imported
from .doctor_database import OWN, Conn, ContractFile, Database, Env, address, connected, run, schemas_of
from .progress import bar

Schema = Annotated[str | None, typer.Option("--schema", help="The table's schema. Else the first of the search path.")]
Table = Annotated[str | None, typer.Option("--table", help="Repair this table.")]
Key = Annotated[str | None, typer.Option("--key", help="The key, by its name or its columns: drop_number,review_date.")]
Keep = Annotated[
    str | None,
    typer.Option("--keep", help="Which row stays: newest:COLUMN, oldest:COLUMN, complete, or an SQL order."),
]
Merge = Annotated[
    list[str] | None,
    typer.Option("--merge", metavar="COLUMN=HOW", help="What it takes over: first, max, min, sum, concatenate."),
]
Children = Annotated[
    Collide, typer.Option("--children", help="What becomes of children that would be the same by their own key.")
]
Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write the plan there.")]
LockTimeout = Annotated[
    int, typer.Option("--lock-timeout", min=20, max=60_000, help="Milliseconds that a writer waits for us at most.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count and show what would be done, and change nothing.")]
Continue = Annotated[str | None, typer.Option("--continue", metavar="RUN", help="Go on with a run that was left.")]
Switched = Annotated[
    bool, typer.Option("--switched", help="The code that runs names the new key, whatever the contract still says.")
]
TakeBack = Annotated[
    str | None, typer.Option("--undo", metavar="RUN", help="Take a run back, as “doctor undo RUN” does.")
]
LOCK = 500


class Asked(msgspec.Struct, frozen=True):
    """Where and what to repair. Without database and contract it is the product's own environment.

    ``any_release``: its tables may be of another release than ours, as when a run is taken back.
    """

    database: str | None
    contract: Path | None
    env: str | None
    choice: Choice
    any_release: bool = False

    @property
    def own(self) -> bool:
        return self.database is None and self.contract is None


def plan(
    database: Database = None, contract: ContractFile = None, env: Env = None, schema: Schema = None,
    table: Table = None, key: Key = None, keep: Keep = None, merge: Merge = None, children: Children = Collide.STOP,
    output: Output = None, lock_timeout: LockTimeout = LOCK,
) -> None:  # fmt: skip
    """Write down, as SQL that can be read and run, what would mend a table. Nothing is changed."""
    asked = Asked(database, contract, env, Choice(schema, table, key, _rule(keep, merge, children)))

    async def work() -> tuple[Plan, dict[str, Any]]:
        async with _where(asked) as (conn, against, schemas):
            made = await choose(conn, against, schemas, asked.choice, _name())
            return made, await previewed(conn, made)

    with _refused():
        made, counts = run(work())
    if output is None:
        typer.echo(written(made, Limits(lock_timeout)), nl=False)
    else:
        _write(made, lock_timeout, output)
        typer.echo(f"The plan of run {made.run} stands in {output}.")
    typer.echo(_told(made, counts), err=output is None)


def repair(
    database: Database = None, contract: ContractFile = None, env: Env = None, schema: Schema = None,
    table: Table = None, key: Key = None, keep: Keep = None, merge: Merge = None, children: Children = Collide.STOP,
    output: Output = None, dry_run: DryRun = False, yes: Yes = False, go_on: Continue = None,
    switched: Switched = False, back: TakeBack = None, lock_timeout: LockTimeout = LOCK,
) -> None:  # fmt: skip
    """Mend a table: merge duplicates, build the key, drop what was too strict. What it did to rows can be undone."""
    if back is not None:
        undo(back, database, env, yes, lock_timeout)
        return
    where = database if go_on is None or contract else _where_it_ran(database, env)
    asked = Asked(where, contract, env, Choice(schema, table, key, _rule(keep, merge, children)))

    async def work() -> Outcome | None:
        async with _where(asked) as (conn, against, schemas):
            if go_on is not None:
                made = (await repair_store.find(conn, go_on)).plan
                return await _run(conn, made, lock_timeout, against, switched)
            made = await choose(conn, against, schemas, asked.choice, _name())
            counts = await previewed(conn, made)
            if output is not None:
                _write(made, lock_timeout, output)
            typer.echo(_told(made, counts))
            _refuse_meeting(made, counts, children)
            if dry_run or not _agreed(yes):
                typer.echo("Nothing was changed.")
                return None
            return await _run(conn, made, lock_timeout, against, switched)

    with _refused():
        _say(run(work()))


def undo(
    run_name: Annotated[str, typer.Argument(metavar="RUN", help="The run, as it was named.")],
    database: Database = None, env: Env = None, yes: Yes = False, lock_timeout: LockTimeout = LOCK,
) -> None:  # fmt: skip
    """Take a run back: every row and key as it was, or say which rows written since stand in the way."""
    asked = Asked(_where_it_ran(database, env), None, env, Choice(), any_release=True)

    async def work() -> Outcome | None:
        async with _where(asked) as (conn, _, _):
            found = await repair_store.find(conn, run_name)
            typer.echo(f"Run {run_name}: {found.plan.what}. It is {found.state}.")
            if not _agreed(yes):
                return None
            with _steps("undo") as told:
                return await take_back(conn, run_name, Limits(lock_timeout), told)

    with _refused():
        _say(run(work()))


def _write(made: Plan, lock: int, output: Path) -> None:
    """The plan as a file. Raises WrongSetup where it cannot be written."""
    try:
        output.write_text(written(made, Limits(lock)), encoding="utf-8")
    except OSError as error:
        raise WrongSetup(f"{output} cannot be written: {error.strerror}.") from None


def _where_it_ran(database: str | None, env: str | None) -> str | None:
    """A run is known by its name alone, so DATABASE_URL says where it is unless an environment is named."""
    return database if database is not None or env is not None else os.environ.get("DATABASE_URL")


@contextmanager
def _refused() -> Iterator[None]:
    """Says in one sentence what the server does not take, such as an order by a column that is not there."""
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        raise Invalid(
            f"The database did not take it: {said}. What was done until then can be continued or undone."
        ) from None


@asynccontextmanager
async def _where(asked: Asked) -> AsyncIterator[tuple[Conn, Contract, list[str]]]:
    """A connection as whoever owns the tables, the contract, and the schemas to look at."""
    given = [asked.choice.schema] if asked.choice.schema else None
    if not asked.own:
        against = contract_file.read(asked.contract) if asked.contract else Contract()
        async with connected(address(asked.database)) as conn:
            yield conn, against, await schemas_of(conn, given)
        return
    product = imported("doctor_own", OWN)
    opened = product.environments if asked.any_release else product.tables
    async with opened(asked.env) as (url, schema), connected(url) as conn:
        yield conn, product.own_contract(), await schemas_of(conn, given or [schema])


async def _run(conn: Conn, made: Plan, lock: int, against: Contract, switched: bool) -> Outcome:
    with _steps("repair") as told:
        return await run_plan(conn, made, Limits(lock), told, upserts=against.upserts, switched=switched)


@contextmanager
def _steps(deed: str) -> Iterator[Told]:
    """A bar of one step after another."""
    with bar() as progress:
        task = progress.add_task(deed, total=None)
        yield lambda step, done, total: progress.update(task, description=step, completed=done, total=total)


def _rule(keep: str | None, merge: list[str] | None, children: Collide) -> Rule | None:
    if keep is None:
        if merge:
            raise Invalid("--merge says what a row takes over of others; say with --keep which row that is.")
        return None
    pairs = []
    for one in merge or []:
        column, equals, how = one.rpartition("=")
        if not equals:
            raise Invalid(f"--merge {one}: write it as COLUMN=HOW, such as note=concatenate.")
        pairs.append((column, how))
    return Rule(keep, tuple(pairs), children)


def _name() -> str:
    """A run's name: part of the names of its tables, and typed by people."""
    return "r" + secrets.token_hex(4)


def _agreed(yes: bool) -> bool:
    return yes or typer.confirm("Go on?", default=False)


def _refuse_meeting(made: Plan, counts: dict[str, Any], children: Collide) -> None:
    """Rows that would meet under their own keys stop a repair before it begins, unless they are to be merged too."""
    meeting = counts.get("meeting")
    if isinstance(meeting, list) and meeting:
        raise Conflict(f"These rows are in the way of {made.what}; move them first:\n" + _lines(meeting))
    if not isinstance(meeting, dict) or children is Collide.DEDUPE:
        return
    met = {where: one for where, one in meeting.items() if one["count"]}
    if met:
        said = "\n".join(f"{where}: {one['count']} rows\n{_lines(one['rows'])}" for where, one in met.items())
        raise Conflict(
            "Children would be the same by their own keys once their parents are one. Merge them by the same rule with "
            f"--children dedupe, or mend these rows first:\n{said}"
        )


def _told(made: Plan, counts: dict[str, Any]) -> str:
    """What would be done, in a few lines, with a few groups as they are."""
    said = [f"Run {made.run} makes this hold: {made.what}", *(f"Note: {note}" for note in made.notes)]
    if "groups" in counts:
        said.append(f"{counts['groups']} groups of duplicates; {counts['removed']} rows go, into quarantine.")
        said += [
            f"{count} rows of {child} are handed to the row that stays." for child, count in counts["moved"].items()
        ]
        said += [
            f"{one['count']} rows of {child} would meet." for child, one in counts["meeting"].items() if one["count"]
        ]
        said += [f"  {'stays' if one['stays'] else 'goes '} {one['row']}" for one in counts["samples"]]
    said += [f"Step {step.name}: {step.says}" for step in made.steps]
    return "\n".join(said)


def _lines(rows: list[Any]) -> str:
    return "\n".join(f"  {row}" for row in rows)


def _say(outcome: Outcome | None) -> None:
    if outcome is None:
        return
    typer.echo(outcome.says)
    if outcome.state == "waiting":
        typer.echo(f"Then: tallybook doctor repair --continue {outcome.run}")
