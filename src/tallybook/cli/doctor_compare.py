"""Two schemas, or one schema of two databases, held against each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from tallybook.core.errors import WrongSetup
from tallybook.doctor import drift_evidence
from tallybook.doctor.catalog import Catalog
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.drift import drift
from tallybook.doctor.looking import Clock
from tallybook.doctor.report import worst_first
from tallybook.doctor.types import Finding, Report

from .by_name import imported
from .doctor_database import Schemas, address, connected, run, schemas_of, told
from .doctor_output import AsJson, FailOn, FailOnOption, Junit, Sarif, give

PRODUCTION = "prod"
SIDES = 2
# Seconds for looking at rows.
ROWS_WITHIN = 30.0
OWN = "Comparing the product's environments"


def compare(
    database: Annotated[
        list[str] | None,
        typer.Option("--database", metavar="ADDRESS", help="Once for two schemas of it, or twice for two databases."),
    ] = None,
    schema: Schemas = None,
    env: Annotated[
        str | None, typer.Option("--env", help="The product's environment to hold against production.")
    ] = None,
    fail_on: FailOnOption = FailOn.ERROR,
    as_json: AsJson = False,
    sarif: Sarif = None,
    junit: Junit = None,
) -> None:
    """Say which rows one of two schemas takes and the other refuses, and where ON CONFLICT works in one alone.

    Names and the order of columns make no difference. Nothing is written to a database.
    """
    databases, schemas = database or [], schema or []
    if env is not None and (databases or schemas):
        raise typer.BadParameter("Either --env, or databases and schemas.")
    if max(len(databases), len(schemas)) > SIDES:
        raise typer.BadParameter("Two sides are compared: at most two databases and two schemas.")
    if env is None and max(len(databases), len(schemas)) < SIDES:
        raise typer.BadParameter("Name two sides: --database twice, or --schema twice; or the product's --env.")
    began = time.monotonic()
    with told():
        sides, findings = run(_compared(databases, schemas, env))
    give(_report(sides, findings, time.monotonic() - began), None, fail_on, as_json=as_json, sarif=sarif, junit=junit)


class Side(msgspec.Struct, frozen=True):
    """One of the two: its address, what it is called, its schema and its catalogue."""

    url: str
    name: str
    schema: str
    catalog: Catalog


async def _compared(
    databases: Sequence[str], schemas: Sequence[str], env: str | None
) -> tuple[list[Side], list[Finding]]:
    """The two sides, and what they differ in, shown by rows that one has and the other would refuse."""
    sides = await (_environments(env) if env is not None else _sides(databases, schemas))
    here, there = sides
    findings = list(drift(here.catalog, there.catalog, names=(here.name, there.name)))
    if any(one.key for one in findings):
        async with connected(here.url) as one, connected(there.url) as other:
            both = (drift_evidence.Side(one, here.catalog), drift_evidence.Side(other, there.catalog))
            findings = await drift_evidence.with_rows(findings, both, Clock(ROWS_WITHIN))
    return sides, findings


async def _environments(env: str) -> list[Side]:
    """Production and another environment of the product. Raises WrongSetup."""
    if env == PRODUCTION:
        raise WrongSetup("Production is what the others are compared with. Name another environment.")
    async with imported("doctor_own", OWN).environments(env) as (url, schema), connected(url) as conn:
        sides = ((PRODUCTION, "public"), (env, schema))
        return [Side(url, name, one, await read(conn, await schemas_of(conn, [one]))) for name, one in sides]


async def _sides(databases: Sequence[str], schemas: Sequence[str]) -> list[Side]:
    """Two schemas of one database, or one schema (or two) of two databases. Raises WrongSetup."""
    addresses = [address(one) for one in databases] or [address(None)]
    found = []
    for number in range(SIDES):
        asked = [schemas[min(number, len(schemas) - 1)]] if schemas else None
        async with connected(addresses[min(number, len(addresses) - 1)]) as conn:
            schema = (await schemas_of(conn, asked))[0]
            found.append((conn.info.host, conn.info.dbname, schema, await read(conn, [schema])))
    urls = [addresses[min(number, len(addresses) - 1)] for number in range(SIDES)]
    return [Side(url, name, one[2], one[3]) for url, name, one in zip(urls, _names(found), found, strict=True)]


def _names(found: Sequence[tuple[str, str, str, Catalog]]) -> list[str]:
    """The shortest names that tell the two apart: by schema, by database, by both, by host. Raises WrongSetup."""
    for each in (
        [schema for _, _, schema, _ in found],
        [database for _, database, _, _ in found],
        [f"{database} on {host}" for host, database, _, _ in found],
    ):
        if each[0] != each[1]:
            return each
    raise WrongSetup("Both sides are the same schema of the same database.")


def _report(sides: Sequence[Side], findings: Sequence[Finding], seconds: float) -> Report:
    here, there = sides
    tables = {one.name for side in sides for one in side.catalog.tables}
    return Report(
        findings=worst_first(findings),
        tables=len(tables),
        keys=sum(len(side.catalog.indexes) for side in sides),
        upserts=0,
        seconds=seconds,
        database=f"{here.name} and {there.name}",
        schemas=tuple(dict.fromkeys(side.schema for side in sides)),
    )
