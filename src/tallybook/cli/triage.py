"""The rota's commands."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from tallybook import rota_snapshot
from tallybook.core import businesses
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound, Unavailable
from tallybook.settings import Settings
from tallybook.triage import ics
from tallybook.triage.rules import Schedule, prepare, reason_of, who
from tallybook.triage.store import facts as store
from tallybook.triage.types import FOR_EVER, Answer, Team

from .opening import Env, Json, opened, run, say, settings_of
from .triage_import import import_json, import_old, undo_import
from .triage_record import record

AHEAD = timedelta(days=366)

app = typer.Typer(no_args_is_help=True, help="The rota: who is on triage duty, when and why.")
app.command("import-json")(import_json)
app.command("import-old")(import_old)
app.command("undo-import")(undo_import)
app.command("record")(record)

TeamName = Annotated[str | None, typer.Option("--team", help="A team by its name; else all.")]
Business = Annotated[str | None, typer.Option(help="Needed where there are several.")]


async def schedules(env: str | None, business: str | None, team: str | None) -> list[Schedule]:
    """The schedules of a business's teams, or of one of them. Raises NotFound."""

    async def read(conn: Conn) -> list[Schedule]:
        home = await businesses.find(conn, business)
        found = _chosen(await store.teams(conn, home.id), team)
        facts = [await store.read(conn, home.id, one.id) for one in found]
        return [prepare(one) for one in facts if one is not None]

    async with opened(env) as application:
        return await application.db.run("read rota", read)


def _chosen(there: list[Team], team: str | None) -> list[Team]:
    """Raises NotFound."""
    found = [one for one in there if team in {None, one.name, str(one.id)}]
    if not found:
        raise NotFound("There is no team yet." if team is None else f"There is no team called {team}.")
    return found


@app.command(name="who")
def who_(
    at: Annotated[
        str | None, typer.Option(help="A moment, such as 2026-03-02T08:00; the team's clocks; else now.")
    ] = None,
    team: TeamName = None,
    business: Business = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say who is on duty, and why; while the database is away, by the copy of this machine."""
    moment = _moment(at)
    there, as_of = _there_or_kept(env, business, team)
    found = [(one, _answers(one, moment)) for one in there]
    value = [
        {"team": one.facts.team.name, "discipline": code, "at": answer.at, "person": answer.person,
         "name": _name(one, answer.person), "why": answer.why.value, "until": answer.shift.ends_at, "as_of": as_of}
        for one, answers in found for code, answer in answers
    ]  # fmt: skip
    text = "\n".join(_told(one, answers) for one, answers in found)
    if as_of is not None:
        when = as_of.astimezone(UTC)
        text = f"The database is away. This is the rota as it was at {when:%Y-%m-%d %H:%M} UTC.\n{text}"
    say(msgspec.to_builtins(value), text, as_json=as_json)


def _there_or_kept(env: str | None, business: str | None, team: str | None) -> tuple[list[Schedule], datetime | None]:
    """The schedules; while the database is away those that were kept, with when that was. Raises as ``schedules``."""
    try:
        return run(schedules(env, business, team)), None
    except Unavailable:
        kept = of_copy(settings_of(env), business, team)
        if kept is None:
            raise
        return kept


def of_copy(settings: Settings, business: str | None, team: str | None) -> tuple[list[Schedule], datetime] | None:
    """What this machine keeps for an outage, and when it was so; None without it. Raises NotFound.

    It has no businesses' names: where one is named, or where it is of several, it says nothing.
    """
    kept = rota_snapshot.shelf(rota_snapshot.path_of(settings)).current()
    if kept is None or business is not None or len({one.business_id for one in kept.teams}) != 1:
        return None
    chosen = _chosen([one.facts.team for one in kept.teams], team)
    return [prepare(one.facts) for one in kept.teams if one.facts.team in chosen], kept.as_of


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
    return [(one.code, who(schedule, one.code, at)) for one in schedule.facts.disciplines if one.in_use(at)]


def _name(schedule: Schedule, person: str | None) -> str | None:
    return next((one.name for one in schedule.facts.people if one.slack_id == person), person)


def _told(schedule: Schedule, answers: list[tuple[str, Answer]]) -> str:
    zone = ZoneInfo(schedule.facts.team.zone)
    lines = [f"{schedule.facts.team.name} ({zone.key})"]
    for code, answer in answers:
        until = answer.shift.ends_at
        ends = f", until {until.astimezone(zone):%Y-%m-%d %H:%M}" if until < FOR_EVER else ""
        reason = reason_of(schedule, answer.shift)
        why = f"{answer.why.value}: {reason}" if reason else answer.why.value
        lines.append(f"  {code}: {_name(schedule, answer.person) or 'nobody'} ({why}{ends})")
    return "\n".join(lines)


@app.command("export-ics")
def export_ics(
    to: Annotated[Path | None, typer.Option(help="The file; else standard output.")] = None,
    team: TeamName = None,
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
