"""``inbox answers``: what the inbox's bot knows, listed, imported, taken out and tried."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tallybook.core import businesses
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tallybook.core.sheets import MAX_BYTES
from tallybook.inbox import jobs
from tallybook.inbox.answer_types import Bot, Kept, Mode
from tallybook.inbox.service import faq, faq_lists
from tallybook.inbox.service.faq import Imported, Order, Preview, Tried
from tallybook.inbox.service.faq_lists import Read
from tallybook.projects_file import read_projects_file

from .opening import Env, Json, confirmed, opened, run, say

SHOWN = 20  # lines of each part on a terminal; --json has the counts
MAX_TEXT = 120  # characters of an answer in a list
MODES = {
    Mode.OFF: "The bot is off for this business, so until it is on everything is left to people.",
    Mode.DRAFT: "The bot writes drafts for this business, and sends none.",
}
LONGEST = 4096  # characters, as a customer may write

app = typer.Typer(no_args_is_help=True, help="The questions that the inbox's bot knows, and their answers.")
InBusiness = Annotated[str | None, typer.Option("--business", help="Needed where there are several.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


async def _home(db: Database, name: str | None) -> Business:
    return await db.run("find business", lambda conn: businesses.find(conn, name))


@app.command("list")
def list_(business: InBusiness = None, env: Env = None, as_json: Json = False) -> None:
    """List the questions and answers, with the numbers by which they are taken out."""

    async def work() -> list[Kept]:
        async with opened(env) as application:

            async def look(conn: Conn) -> list[Kept]:
                return await faq.listed(conn, await businesses.find(conn, business))

            return await application.db.run("list answers", look)

    kept = run(work())
    if as_json or not kept:
        say(msgspec.to_builtins(kept), "No answer is known yet.", as_json=as_json)
        return
    table = Table("number", "language", "question", "answer", "given", box=None, pad_edge=False)
    for one in kept:
        # What people wrote is no markup.
        given = "yes" if one.active else "no"
        table.add_row(str(one.id), one.language, _plain(one.question), _plain(one.answer), given)
    Console(markup=False, highlight=False, emoji=False).print(table)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX file with columns question, answer and language.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Also give no more what the file lacks, in the languages that it has.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    yes: Yes = False,
    many: Annotated[
        bool, typer.Option("--withdraw-many", help="Agree to withdraw more than a fifth of the answers.")
    ] = False,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Read questions and answers, show what they change, and write them down. May be repeated."""

    async def work() -> Imported:
        async with opened(env) as application:
            db = application.db
            home = await _home(db, business)
            read = _right(faq_lists.read(_bytes_of(file)))
            preview = await db.run("preview answers", lambda conn: faq.look(conn, home, read.lines, withdraws=withdraw))
            if not (as_json and yes):
                typer.echo("\n".join(_preview(read, preview, withdraws=withdraw)), err=True)
            if dry_run or not preview.changes:
                return Imported(
                    len(preview.added), len(preview.changed), preview.known, len(preview.withdrawn), applied=not dry_run
                )
            over = _agreed(preview, yes=yes, many=many)
            order = Order(read.lines, withdraw, over, preview.mark)
            return await db.run("write answers", lambda conn: faq.write(conn, home, order))

    done = run(work())
    say(msgspec.to_builtins(done), _sentence(done, withdraws=withdraw), as_json=as_json)


def _agreed(preview: Preview, *, yes: bool, many: bool) -> bool:
    """Asks what must be asked; whether it is meant to withdraw more than a fifth. Raises Invalid where nobody says."""
    lost = f" and give {len(preview.withdrawn):,} no more" if preview.withdrawn else ""
    confirmed(f"Add {len(preview.added):,} answers and change {len(preview.changed):,}{lost}?", yes=yes)
    if preview.is_much and not many:
        told = f"That is more than a fifth: {len(preview.withdrawn):,} of {preview.given:,} would be given no more."
        if not sys.stdin.isatty():
            raise Invalid(f"{told} Use --withdraw-many.")
        typer.confirm(f"{told}\nWithdraw them all the same?", abort=True)
    return preview.is_much


def _sentence(done: Imported, *, withdraws: bool) -> str:
    if not done.applied:
        return "Nothing was changed: this was a dry run."
    lost = f" {done.withdrawn} are given no more;" if withdraws else ""
    return f"{done.added} answers added; {done.changed} changed;{lost} {done.known} were known already."


@app.command()
def remove(
    number: Annotated[int, typer.Argument(help="As the list has it.", min=1, max=2**63 - 1)],
    yes: Yes = False,
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show one answer, and take it out."""

    async def work() -> Kept:
        async with opened(env) as application:
            db = application.db
            home = await _home(db, business)
            kept = await db.run("show answer", lambda conn: faq.one(conn, home, number))
            if not (as_json and yes):
                typer.echo(f"{kept.id}  {kept.language}\n{kept.question}\n→ {kept.answer}", err=True)
            confirmed("Take this answer out?", yes=yes)
            await db.run("remove answer", lambda conn: faq.remove(conn, home, kept.id))
            return kept

    kept = run(work())
    say({"removed": msgspec.to_builtins(kept)}, f"Answer {kept.id} is taken out.", as_json=as_json)


@app.command("try")
def try_(
    question: Annotated[str, typer.Argument(help="As a customer would write it.")],
    business: InBusiness = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Say what the bot would answer and how sure it is, or that a person would be told. Sends nothing."""
    if not question.strip() or len(question) > LONGEST:
        raise typer.BadParameter(f"A question has 1 to {LONGEST:,} characters.")

    async def work() -> tuple[Tried, Mode]:
        async with opened(env) as application:
            db = application.db
            home = await _home(db, business)
            now = datetime.now(UTC)
            tried = await db.run("try question", lambda conn: faq.tried(conn, home, question, now))
            file = application.settings.config
            bot = read_projects_file(file).bot if file.exists() else Bot()
            first = (await db.run("list businesses", businesses.every))[0]
            return tried, jobs.mode_of(bot, home, is_first=home == first)

    tried, mode = run(work())
    lines = [*_tried(tried), *([MODES[mode]] if mode in MODES else [])]
    say(msgspec.to_builtins(tried) | {"mode": mode.value}, "\n".join(lines), as_json=as_json)


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened_file:
            return opened_file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from error


def _right(read: Read) -> Read:
    """A list that is right throughout. Raises Invalid with the rows that are not: half a list is no list."""
    if not read.wrong:
        return read
    lines = [f"  {f'{one.sheet} ' if one.sheet else ''}row {one.row}: {one.reason}" for one in read.wrong]
    raise Invalid("\n".join([f"Nothing was changed. Rows that cannot be used: {len(lines):,}", *_first(lines)]))


def _preview(read: Read, preview: Preview, *, withdraws: bool) -> list[str]:
    """What an import would change, as lines for a terminal."""
    lost = [
        f"Withdrawn: {len(preview.withdrawn):,}",
        *_first([f"  {one.id}  {one.language}  {_plain(one.question)}" for one in preview.withdrawn]),
    ]
    return [
        f"Added: {len(preview.added):,}",
        *_first([f"  {one.language}  {_plain(one.question)} → {_plain(one.answer)}" for one in preview.added]),
        f"Changed: {len(preview.changed):,}",
        *_first([_changed(one) for one in preview.changed]),
        *(lost if withdraws else []),
        f"Known already: {preview.known:,}. Said twice in the file: {read.repeats:,}.",
        *([f"Sheets without the columns, or hidden, left out: {', '.join(read.left_out)}."] if read.left_out else []),
    ]


def _changed(one: faq.Change) -> str:
    begins = f"  {one.before.id}  {one.before.language}  {_plain(one.before.question)}: "
    if one.before.answer == one.answer:
        return f"{begins}not given so far, given again"
    return f"{begins}{_plain(one.before.answer)} → {_plain(one.answer)}"


def _first(lines: list[str]) -> list[str]:
    more = [f"  … and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _plain(text: str) -> str:
    """A text on one line, its beginning where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT else f"{line[: MAX_TEXT - 1]}…"


def _tried(tried: Tried) -> list[str]:
    """What would be done, as lines for a terminal."""
    if tried.answer is not None:
        begins = f"Answered by number {tried.answer.id}, {tried.sure:.0%} alike: {_plain(tried.answer.question)}"
        lines: list[Any] = [begins, tried.answer.answer]
    else:
        lines = [f"A person would be told: {tried.reason}."]
    others = [one for one in tried.nearest if tried.answer is None or one.id != tried.answer.id]
    return lines + [f"  near: number {one.id}, {one.sure:.0%} alike: {_plain(one.question)}" for one in others]
