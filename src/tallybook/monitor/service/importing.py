"""Importing lists of valid drops: given, looked at, confirmed, applied in one transaction, as often as one likes.

While an import runs its row says so to everybody, and posts that its lists cannot answer for are held. It is finished
in the transaction that changes the lists. One that was killed ends with its lease, having changed nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.jobs import NewJob, enqueue
from tallybook.core.sheets import read_sheets
from tallybook.core.wakeups import wake_up
from tallybook.monitor.store import held as held_store
from tallybook.monitor.store import importing as store
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.store import validity as list_store
from tallybook.monitor.store.importing import Kept
from tallybook.monitor.validity_types import Change, Entry, Imported, Over, Preview, ValidList

from . import replies
from .refiling import Person
from .validity import NO_HEADER, entries_of

TOPIC = "monitor"
DECIDE = "monitor.decide-held"
AT_ONCE = 5000  # entries of one statement, and of one step of a progress bar
USUAL_LOSS = 0.2  # of a list; more is asked about again
AGAIN_AFTER = timedelta(seconds=90)  # longer than a filing that began before an import ended may take
MAX_NAME = 200
Progress = Callable[[int, int], None]


class File(msgspec.Struct, frozen=True):
    """A file as somebody gave it. ``project`` stands in where it names none; ``withdraws``: what it lacks goes."""

    name: str
    data: bytes
    project: str | None = None
    withdraws: bool = False


async def give(db: Database, business: Business, file: File, who: Person, most: int) -> int:
    """Reads a file of at most ``most`` bytes and keeps what it says; returns its number. No list is changed yet.

    Raises Invalid or TooLarge where it cannot be used, and where it has no line that can.
    """
    sheets = await asyncio.to_thread(read_sheets, file.data, most)
    known = await db.run("projects", lambda conn: project_store.every(conn, business.id))
    read = await asyncio.to_thread(entries_of, sheets, [row.name for row in known], file.project)
    if not read.entries:
        wrong = f" Row {read.unread[0].row}: {read.unread[0].reason}" if read.unread else ""
        raise Invalid(f"No line of the file can be used.{wrong}")
    name = file.name.replace("\0", "")[:MAX_NAME] or "list"
    given = store.Given(
        name, hashlib.sha256(file.data).digest(), read.projects, file.withdraws, msgspec.json.encode(read)
    )
    return await db.run("keep list", lambda conn: store.give(conn, business.id, who.name, given))


async def find(conn: Conn, business: Business, number: int) -> tuple[Kept, ValidList]:
    """An import that was given, and what its file says. Raises NotFound outside the business."""
    kept = await store.find(conn, business.id, number)
    if kept is None:
        raise NotFound("There is no such import. What is not confirmed is kept for 30 days.")
    return kept, msgspec.convert(kept.list, ValidList) if kept.list is not None else ValidList([])


async def look(conn: Conn, business: Business, number: int) -> tuple[Kept, ValidList, Preview]:
    """What an import would change now."""
    kept, read = await find(conn, business, number)
    return kept, read, await preview(conn, business, read.entries, withdraws=kept.withdraws)


async def preview(conn: Conn, business: Business, entries: Sequence[Entry], *, withdraws: bool) -> Preview:
    """What these entries would change in the lists as they are."""
    now = await list_store.every(conn, business.id)
    read_here = {row.name for row in await project_store.every(conn, business.id) if row.active}
    # A hundred thousand entries take a while to compare, and other requests must not wait for it.
    return await asyncio.to_thread(compare, now, entries, read_here, withdraws=withdraws)


def compare(
    now: Sequence[tuple[str, str]], entries: Sequence[Entry], read_here: set[str], *, withdraws: bool
) -> Preview:
    """The lists as they are against a file's entries. Pure."""
    have = {Entry(drop, project) for drop, project in now}
    named = {entry.project for entry in entries}
    wanted = set(entries)
    gains = sorted(wanted - have)
    losses = sorted(entry for entry in have - wanted if entry.project in named) if withdraws else []
    before: dict[str, set[str]] = defaultdict(set)
    for entry in have:
        before[entry.drop_number].add(entry.project)
    after: dict[str, set[str]] = {}
    for entry in gains:
        after.setdefault(entry.drop_number, set(before.get(entry.drop_number, ()))).add(entry.project)
    for entry in losses:
        after.setdefault(entry.drop_number, set(before[entry.drop_number])).discard(entry.project)
    sizes = Counter(entry.project for entry in have)
    lost = Counter(entry.project for entry in losses)
    return Preview(
        added=[entry for entry in gains if entry.drop_number not in before],
        changed=[
            Change(drop, tuple(sorted(before[drop])), tuple(sorted(then)))
            for drop, then in sorted(after.items())
            if then and drop in before
        ],
        withdrawn=[entry for entry in losses if not after[entry.drop_number]],
        unchanged=len(wanted & have),
        gains=gains,
        losses=losses,
        over=[Over(name, lost[name], sizes[name]) for name in sorted(lost) if lost[name] > USUAL_LOSS * sizes[name]],
        strange=sorted(named - read_here) if read_here else [],
    )


async def run(
    db: Database,
    business: Business,
    number: int,
    who: Person,
    *,
    over: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Applies an import that was given. ``over`` says that somebody agreed to a list's losing more than a fifth.

    ``progress`` hears of entries written and entries in all. Raises Conflict where another has begun or done it.
    """

    async def begin(conn: Conn) -> None:
        if (await find(conn, business, number))[0].state == "done":
            raise Conflict("This list has been imported already.")
        if not await store.begin(conn, business.id, number):
            raise Conflict("This list is being imported at this moment.")

    await db.run("begin import", begin)
    try:
        return await db.run(
            "import valid drops", lambda conn: _apply(conn, business, number, who, over=over, progress=progress)
        )
    except Exception:
        await db.run("give import up", lambda conn: store.give_up(conn, business.id, number))
        raise


async def _apply(
    conn: Conn, business: Business, number: int, who: Person, *, over: bool, progress: Progress | None
) -> Imported:
    await held_store.take_turn(conn, business.id, "import")
    if not await store.hold(conn, business.id, number):
        raise Conflict("The import took too long and was ended. Nothing was changed; try again.")
    kept, read, changes = await look(conn, business, number)
    if kept.withdraws and (wrong := unusable(read)):
        raise Conflict(wrong)
    if changes.over and not over:
        raise Conflict(too_many(changes.over))
    await _write(conn, business, kept, changes, progress)
    await list_store.note_marketing(conn, business.id)
    await replies.take_back(conn, business.id, {one.drop_number for one in [*changes.gains, *changes.losses]})
    done = Imported(
        len({entry.drop_number for entry in changes.added}), changes.unchanged, len(changes.changed),
        len({entry.drop_number for entry in changes.withdrawn}),
    )  # fmt: skip
    await store.finish(conn, business.id, number, done)
    told = {"file": kept.file_name, "projects": kept.projects, **msgspec.structs.asdict(done)}
    await audit.record(
        conn, business.id, who.name, who.account_id, "valid_list.imported", "valid_list", str(number), None, told
    )
    await ask_to_decide(conn, business.id, f"import {number}")
    await wake_up(conn, TOPIC, business.id)
    return done


async def _write(conn: Conn, business: Business, kept: Kept, changes: Preview, progress: Progress | None) -> None:
    """Writes gains, then losses, in steps that a progress bar can show."""
    total = len(changes.gains) + len(changes.losses)
    for at in range(0, len(changes.gains), AT_ONCE):
        step = changes.gains[at : at + AT_ONCE]
        await list_store.add(conn, business.id, step, f"import: {kept.file_name}")
        if progress is not None:
            progress(at + len(step), total)
    for at in range(0, len(changes.losses), AT_ONCE):
        step = changes.losses[at : at + AT_ONCE]
        await list_store.withdraw(conn, business.id, step)
        if progress is not None:
            progress(len(changes.gains) + at + len(step), total)


async def ask_to_decide(conn: Conn, business_id: int, cause: str) -> None:
    """Asks for what is held to be decided now, and once more when filings that began before must have ended."""
    later = datetime.now(UTC) + AGAIN_AFTER
    now = datetime.now(UTC).isoformat()
    await enqueue(
        conn,
        [
            NewJob(DECIDE, f"{business_id} {cause} {now}", {}, business_id),
            NewJob(DECIDE, f"{business_id} {cause} {now} again", {"marketing": True}, business_id, later),
        ],
    )


def unusable(read: ValidList) -> str | None:
    """Why nothing may be withdrawn by this file, if it is so: what its unread rows mean would go too. Pure."""
    rows = [one for one in read.unread if one.reason != NO_HEADER]
    if not rows:
        return None
    return f"Row {rows[0].row} cannot be used: {rows[0].reason} Mend it first: what it means would be withdrawn."


def too_many(over: Sequence[Over]) -> str:
    """Says which lists would lose more than is usual. Pure."""
    told = "; ".join(f"{one.project} would lose {one.withdrawn:,} of {one.of:,}" for one in over)
    return f"That is more than a fifth of a list: {told}. Say so again if it is meant."
