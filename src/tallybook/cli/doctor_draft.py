"""A contract to begin with, drafted from a database and a source tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tallybook.core.errors import WrongSetup
from tallybook.doctor import contract_file, drafting
from tallybook.doctor.catalog import Catalog
from tallybook.doctor.catalog_reading import read
from tallybook.doctor.source import tree as source_tree

from .doctor_database import Database, Schemas, address, connected, run, schemas_of, told


def draft(
    database: Database = None,
    schema: Schemas = None,
    source: Annotated[
        list[Path] | None,
        typer.Option("--source", metavar="DIR", help="Read the statements with ON CONFLICT of this source tree."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="A new file, else standard output.")
    ] = None,
) -> None:
    """Draft a contract from what a database holds and what a source tree relies on, for a person to correct.

    It says what the schema and the code do now, which need not be what the business means.
    """
    with told():
        found = [source_tree.read_as_named(folder) for folder in source or []]
        upserts = [upsert for one in found for upsert in one.upserts]
        catalog = run(_catalog(address(database), schema))
        contract = msgspec.structs.replace(drafting.draft(catalog, upserts), upserts=())
        beside = output.parent if output else Path()
        folders = tuple(os.path.relpath(folder, beside) for folder in source or [])
        text = contract_file.write(contract, source=folders, notes=drafting.notes(catalog, upserts))
        _put(text, output)
    for place in [place for one in found for place in one.unread]:
        typer.echo(f"Not read: {place}", err=True)


async def _catalog(conninfo: str, schemas: list[str] | None) -> Catalog:
    async with connected(conninfo) as conn:
        return await read(conn, await schemas_of(conn, schemas))


def _put(text: str, output: Path | None) -> None:
    """A contract that is there is somebody's work, and is not written over. Raises WrongSetup."""
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise WrongSetup(f"{output} is there already. Draft into another file, and compare the two.") from None
    except OSError as error:
        raise WrongSetup(f"{output} cannot be written: {error.strerror}.") from None
