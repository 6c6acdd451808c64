"""The rota's commands."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from tallybook.core import businesses
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.triage import ics
from tallybook.triage.rules import FOR_EVER, Schedule, prepare, who
from tallybook.triage.store import facts as store
from tallybook.triage.types import Answer

from .opening import Env, Json, opened, run, say
from .triage_import import import_json, import_old, undo_import
from .triage_record import record

AHEAD = timedelta(days=366)

app = typer.Typer(no_args_is_help=True, help="The rota: who is on triage duty, when and why.")
app.command("import-json")(import_json)
app.command("import-old")(import_old)
app.command("undo-import")(undo_import)
app.command("record")(record)

Team = Annotated[str | None, typer.Option("--team", help="A team by its name; else all.")]
Business = Annotated[str | None, typer.Option(help="Needed where there are several.")]


async def schedules(env: str | None, business: str | None, team: str | None) -> list[Schedule]:
    """The schedules of a business's teams, or of one of them. Raises NotFound."""

    async def read(conn: Conn) -> list[Schedule]:
        home = await businesses.find(conn, business)
        found = [one for one in await store.teams(conn, home.id) if team in {None, one.name, str(one.id)}]
        if not found:
            raise NotFound("There is no team yet." if team is None else f"There is no team called {team}.")
        facts = [await store.read(conn, home.id, one.id) for one in found]
        return [prepare(one) for one in facts if one is not None]

    async with opened(env) as application:
        return await application.db.run("read rota", read)


@app.command(name="who")
def who_(
    at: Annotated[
        str | None, typer.Option(help="A moment, such as 2026-03-02T08:00; the team's clocks; else now.")
    ] = None,
    team: Team = None,
    business: Business = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say who is on duty, and why."""
    moment = _moment(at)
    found = [(one, _answers(one, moment)) for one in run(schedules(env, business, team))]
    value = [
        {"team": one.facts.team.name, "discipline": code, "at": answer.at, "person": answer.person,
         "name": _name(one, answer.person), "why": answer.why.value, "until": answer.shift.ends_at}
        for one, answers in found for code, answer in answers
    ]  # fmt: skip
    text = "\n".join(_told(one, answers) for one, answers in found)
    say(msgspec.to_builtins(value), text, as_json=as_json)


def _moment(text: str | None) -> datetime:
    """Raises BadParameter. A moment without a zone is of each team's clocks."""
    if text is None:
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"“{text}” is not a moment. Write it as 2026-03-02T08:00.") from None


def _answers(schedule: Schedule, moment: datetime) -> list[tuple[str, Answer]]:
    at = moment if moment.tzinfo else moment.replace(tzinfo=schedule.facts.team.tz)
    return [(one.code, who(schedule, one.code, at)) for one in schedule.facts.disciplines if one.active]


def _name(schedule: Schedule, person: str | None) -> str | None:
    return next((one.name for one in schedule.facts.people if one.slack_id == person), person)


def _told(schedule: Schedule, answers: list[tuple[str, Answer]]) -> str:
    zone = ZoneInfo(schedule.facts.team.zone)
    lines = [f"{schedule.facts.team.name} ({zone.key})"]
    for code, answer in answers:
        until = answer.shift.ends_at
        ends = f", until {until.astimezone(zone):%Y-%m-%d %H:%M}" if until < FOR_EVER else ""
        lines.append(f"  {code}: {_name(schedule, answer.person) or 'nobody'} ({answer.why.value}{ends})")
    return "\n".join(lines)


@app.command("export-ics")
def export_ics(
    to: Annotated[Path | None, typer.Option(help="The file; else standard output.")] = None,
    team: Team = None,
    discipline: Annotated[str | None, typer.Option(help="A discipline by its code; else all.")] = None,
    person: Annotated[str | None, typer.Option(help="Somebody's shifts alone, by their Slack id.")] = None,
    business: Business = None,
    env: Env = None,
) -> None:
    """Write the shifts from today on, for a year, as a calendar. A link of the pages keeps itself up to date; this not.

    A discipline is that of every team that has it. A later export has higher sequences where anything changed, so that
    a program that reads it again takes it over.
    """
    now = datetime.now(UTC)
    found: list[Any] = []
    for one in _with(discipline, run(schedules(env, business, team))):
        events = ics.events(one, ics.Wanted(person, discipline), now, now + AHEAD)
        found += [msgspec.structs.replace(event, sequence=one.facts.version) for event in events]
    body = ics.calendar(person or discipline or team or "Triage", found, now)
    if to is None:
        sys.stdout.buffer.write(body)
        return
    try:
        to.write_bytes(body)
    except OSError as error:
        raise typer.BadParameter(f"{to} cannot be written: {error.strerror}.") from None
    typer.echo(f"{len(found):,} shifts are in {to}.")


def _with(discipline: str | None, found: list[Schedule]) -> list[Schedule]:
    """Those that have a discipline, whose code several teams may use. Raises NotFound where none does."""
    if discipline is None:
        return found
    having = [one for one in found if any(each.code == discipline for each in one.facts.disciplines)]
    if not having:
        raise NotFound("There is no such discipline.")
    return having
