"""What another environment holds: copied from production, emptied, held against production. The owner's work."""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from tallybook import forgotten_copies
from tallybook.core import environment_comparing, environment_copying, environment_resetting
from tallybook.core.db import PROD
from tallybook.core.environment_comparing import Report
from tallybook.core.environment_copying import Preview, Request, TableCopy
from tallybook.core.environment_masking import Masks
from tallybook.core.environment_registers import Held
from tallybook.core.errors import WrongSetup
from tallybook.forgotten_copies import Forgot
from tallybook.monitor import rules, statistics_jobs
from tallybook.projects_file import read_projects_file
from tallybook.settings import Settings

from .opening import Json, confirmed, owner_url, run, say, settings_of, with_database
from .progress import bar

T = TypeVar("T")
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

LEFT_ALONE = (
    "Rows that {name} has too become production's again, and with them what was changed in them there. "
    "Rows that {name} alone has stay; to lose them first: tallybook env reset {name}. "
    "The inbox of {name} becomes production's whole: customers, rules and templates of its own there go."
)


@asynccontextmanager
async def owned(name: str) -> AsyncIterator[tuple[Settings, str]]:
    """Production's settings and the owner's address. Says what is missing where it is another role's."""
    settings = dataclasses.replace(settings_of(name), env=PROD)
    async with with_database(settings) as opened:
        try:
            yield opened, owner_url(opened)
        except psycopg.errors.InsufficientPrivilege as error:
            raise WrongSetup(
                "This is the database owner's work. Set TALLYBOOK_OWNER_DATABASE_URL to the owner's address."
            ) from error


def copy(
    name: str,
    days: Annotated[int, typer.Option(min=0, help="What was said in the last so many days.")] = 0,
    hours: Annotated[int, typer.Option(min=0, help="The same in hours.")] = 0,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Leave phones, names and texts readable.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Copy production's records of the last days to another environment, masked. May be repeated."""
    if bool(days) == bool(hours):
        raise typer.BadParameter("Say either --days or --hours.")
    since = datetime.now(UTC) - timedelta(days=days, hours=hours)

    async def ahead() -> list[Preview]:
        async with owned(name) as (settings, url):
            return await environment_copying.preview(url, request(settings, name, since, unmasked=unmasked))

    async def work() -> list[TableCopy]:
        async with owned(name) as (settings, url):
            with bar() as progress:
                tasks: dict[str, Any] = {}

                def told(table: str, done: int, total: int) -> None:
                    if table not in tasks:
                        tasks[table] = progress.add_task(table)
                    progress.update(tasks[table], completed=done, total=total)

                asked = request(settings, name, since, unmasked=unmasked)
                # Before: a customer whom the new copy has no more is found by the thread that the old one has.
                await forgotten_copies.apply(url, settings, name)
                return await environment_copying.copy(url, asked, told)

    found = run(ahead())
    if not as_json:
        show_preview(name, found)
    if dry_run:
        if as_json:
            say({"environment": name, "since": since, "would_copy": msgspec.to_builtins(found)}, "", as_json=True)
        return
    ask(name, found, unmasked=unmasked, yes=yes)
    done = run(work())
    written = sum(one.written for one in done)
    say(
        {"environment": name, "since": since, "masked": not unmasked, "tables": msgspec.to_builtins(done)},
        f"{name}: {sum(one.read for one in done):,} rows copied, {written:,} of them new or changed.",
        as_json=as_json,
    )


def request(settings: Settings, name: str, since: datetime, *, unmasked: bool) -> Request:
    """What is asked for, with masks of a key that only production's host knows, the same for every copy."""
    follows = (statistics_jobs.WHOLE,)
    if unmasked:
        return Request(name, since, None, afterwards=follows)
    patterns = []
    if settings.config.exists():
        projects = read_projects_file(settings.config).monitor.projects
        patterns = [rules.compile_pattern(project.pattern) for project in projects if project.pattern]
    key = hmac.digest(settings.secret_keys()[0], f"masks of {name}".encode(), "sha256")
    return Request(name, since, Masks(key, patterns), afterwards=follows)


def show_preview(name: str, found: Sequence[Preview]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("table")
    table.add_column("to be copied", justify="right")
    table.add_column(f"in {name} now", justify="right")
    for one in (one for one in found if one.taken or one.there):
        table.add_row(one.table, f"{one.taken:,}", f"{one.there:,}")
    Console().print(table)
    typer.echo(LEFT_ALONE.format(name=name))


def ask(name: str, found: Sequence[Preview], *, unmasked: bool, yes: bool) -> None:
    """Asks where something readable leaves production, or something may be overwritten."""
    if unmasked:
        confirmed(
            f"Phones, names and what people wrote become readable in {name}, and production's record will say so. "
            "Go on?", yes=yes,
        )  # fmt: skip
    elif any(one.there for one in found if one.table not in {"businesses", "monitor_projects"}):
        confirmed(f"{name} holds rows already. Go on?", yes=yes)


def reset(
    name: str,
    people: Annotated[bool, typer.Option("--people", help="Remove its people and their log-ins too.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Empty an environment that is not production, its position in the bridge's file included."""

    async def each(what: Callable[..., Awaitable[T]]) -> T:
        async with owned(name) as (_, url):
            return await what(url, name, people=people)

    found = run(each(environment_resetting.preview))
    rows = ", ".join(f"{one.table} {one.rows:,}" for one in found)
    if found:
        confirmed(f"{name} loses these rows: {rows}. Go on?", yes=yes)
    done = run(each(environment_resetting.reset))
    said = f"{name} is empty. It reads the bridge's file from its beginning again."
    say({"environment": name, "removed": {one.table: one.rows for one in done}}, said, as_json=as_json)


def forget(
    name: Annotated[
        str | None, typer.Argument(help="The environment; all but production where it is left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Have copies forget the customers whom production forgot. May be repeated; each copy does it first, too."""

    async def work() -> list[Forgot]:
        async with owned(name or PROD) as (settings, url):
            if name is not None:
                return [await forgotten_copies.apply(url, settings, name)]
            return await forgotten_copies.apply_everywhere(url, settings)

    done = run(work())
    said = "\n".join(map(forgot, done)) or "There is no environment but production."
    say({"environments": msgspec.to_builtins(done)}, said, as_json=as_json)


def forgot(one: Forgot) -> str:
    """What a copy forgot, as a sentence. Pure."""
    threads = "nobody whom production forgot is left" if not one.threads else f"{one.threads:,} threads taken away"
    rest = "" if one.ended else " Its worker ends the rest: a delivery that names them waits there."
    return f"{one.environment}: {threads}.{rest}"


def compare(
    name: str,
    days: Annotated[int, typer.Option(min=1, help="Name the drops that differ within so many days.")] = 7,
    as_json: Json = False,
) -> None:
    """Hold an environment against production: registers, drops, schema. Production's page shows it, too.

    The exit code is 1 where the schemas differ.
    """

    async def work() -> dict[int, Report]:
        async with owned(name) as (_, url):
            reports = await environment_comparing.compare(url, name, days, datetime.now(UTC))
            await environment_comparing.keep(url, reports)
            return reports

    reports = run(work())
    if as_json:
        typer.echo(msgspec.json.encode({str(business): report for business, report in reports.items()}))
    else:
        for business, report in reports.items():
            show_report(name, report, f"Business {business}" if len(reports) > 1 else None)
    if any(report.drift for report in reports.values()):
        raise typer.Exit(1)


def show_report(name: str, report: Report, title: str | None) -> None:
    """Production's line of each project above the other environment's, then a sentence for each difference."""
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for column in ("register", "project", "where"):
        table.add_column(column)
    for column in ("rows", "drops", f"in {report.days} days", "latest"):
        table.add_column(column, justify="right")
    for line in report.lines:
        table.add_row(line.register, line.project or "–", "production", *counts(line.here))
        table.add_row("", "", name, *counts(line.there))
    console = Console()
    if report.lines:
        console.print(table)
    for sentence in differences(name, report):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def counts(held: Held | None) -> tuple[str, str, str, str]:
    if held is None:
        return "–", "–", "–", "–"
    latest = f"{held.latest:%Y-%m-%d %H:%M %Z}" if held.latest else "–"
    return f"{held.rows:,}", f"{held.drops:,}", f"{held.recent:,}", latest


def differences(name: str, report: Report) -> list[str]:
    """A sentence for each difference, the schema's first; one that says so where there is none. Pure."""
    said = list(report.drift)
    for line in report.lines:
        where = f"{line.register}, {line.project or 'without a project'}"
        for count, drops, side in (
            (line.missing_count, line.missing, "production"), (line.extra_count, line.extra, name),
        ):  # fmt: skip
            if count:
                said.append(f"{where}: {count} in {side} alone{': ' + ', '.join(drops) if drops else ''}.")
    return said or [f"Production and {name} hold the same drops of these {report.days} days, by the same rules."]


COMMANDS = (copy, reset, forget, compare)
