"""The doctor: examines a database, drafts a contract, compares two schemas, reads a server's logs, mends.

What it needs of the product is imported only where the product's own environment is asked for: the rest must run
where only the doctor was installed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tallybook.doctor import contract_file
from tallybook.doctor.contract import Contract
from tallybook.doctor.examining import examine
from tallybook.doctor.log_verdicts import with_logs
from tallybook.doctor.server_log import read_logs
from tallybook.doctor.types import Report

from .by_name import imported
from .doctor_compare import compare
from .doctor_database import (
    OWN,
    Conn,
    ContractFile,
    Database,
    Env,
    Schemas,
    address,
    connected,
    run,
    schemas_of,
    told,
)
from .doctor_draft import draft
from .doctor_log import known_names, log
from .doctor_output import AsJson, FailOn, FailOnOption, Junit, Sarif, give
from .doctor_repair import plan, repair, undo

app = typer.Typer(invoke_without_command=True)
app.command("draft")(draft)
app.command("compare")(compare)
app.command("log")(log)
app.command("plan")(plan)
app.command("repair")(repair)
app.command("undo")(undo)

SECONDS = 60.0
NO_CONTRACT = (
    "No contract was given, so what the business calls the same was not looked at; "
    "tallybook doctor draft --output contract.toml writes one to begin with."
)


class Asked(msgspec.Struct, frozen=True):
    """What an examination was asked for. Without database and contract it is the product's own environment."""

    database: str | None
    contract: Path | None
    env: str | None
    schemas: list[str] | None
    source: list[Path]
    logs: list[Path]
    seconds: float

    @property
    def own(self) -> bool:
        return self.database is None and self.contract is None


@app.callback()
def doctor(
    ctx: typer.Context,
    database: Database = None,
    contract: ContractFile = None,
    env: Env = None,
    schema: Schemas = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--source", metavar="DIR", help="Examine the statements of this source tree too."),
    ] = None,
    logs: Annotated[
        list[Path] | None,
        typer.Option("--logs", metavar="FILE", help="Say how often a server's log recorded each finding."),
    ] = None,
    fail_on: FailOnOption = FailOn.ERROR,
    seconds: Annotated[float, typer.Option(min=1, help="How long to look at most.")] = SECONDS,
    as_json: AsJson = False,
    sarif: Sarif = None,
    junit: Junit = None,
) -> None:
    """Say whether the database holds the business's own keys, and mend it.

    Without --database and --contract it is the product's own environment. Nothing is written to the database.

    Exit code 0: all is well. 1: something was found. 2: it could not be examined as it was asked, such as a table of a
    declared key that somebody held locked.
    """
    if ctx.invoked_subcommand is not None:
        _nothing_before(ctx)
        return
    asked = Asked(database, contract, env, schema, source or [], logs or [], seconds)
    with told():
        against = _contract(asked)
        report = run(_examined(asked, against))
        if asked.logs:
            report = with_logs(report, read_logs(asked.logs, known_names(against)).recorded)
    if not asked.own and contract is None:
        typer.echo(NO_CONTRACT, err=True)
    give(report, contract, fail_on, as_json=as_json, sarif=sarif, junit=junit)


def _nothing_before(ctx: typer.Context) -> None:
    """An option before the name of a subcommand would be without effect."""
    given = [name for name in ctx.params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    if given:
        raise typer.BadParameter(f"Options stand behind {ctx.invoked_subcommand}: --{given[0].replace('_', '-')} …")


def _contract(asked: Asked) -> Contract:
    """What the database is held against, with the statements of the sources. Raises WrongSetup."""
    if asked.own:
        contract: Contract = imported("doctor_own", OWN).own_contract()
    else:
        contract = contract_file.read(asked.contract) if asked.contract else Contract()
    return contract_file.with_sources(contract, asked.source)


async def _examined(asked: Asked, contract: Contract) -> Report:
    async with _where(asked) as (conn, schemas):
        return await examine(conn, contract, schemas, seconds=asked.seconds)


@asynccontextmanager
async def _where(asked: Asked) -> AsyncIterator[tuple[Conn, list[str]]]:
    """The connection and the schemas to look at."""
    if not asked.own:
        async with connected(address(asked.database)) as conn:
            yield conn, await schemas_of(conn, asked.schemas)
        return
    async with imported("doctor_own", OWN).environment(asked.env) as (url, schema), connected(url) as conn:
        yield conn, await schemas_of(conn, asked.schemas or [schema])
