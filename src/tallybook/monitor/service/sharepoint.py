"""The sync with SharePoint: a list with an item for each project's day, and a workbook for each day.

A run that dies at any point leaves nothing that the next one does not recognise: what is about to be sent is written
down first, what was answered afterwards, and no request is made inside a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from tallybook.channels.sharepoint.budget import WINDOW
from tallybook.channels.sharepoint.calls import BATCH
from tallybook.channels.sharepoint.types import ItemKey, Library, SharePointAway
from tallybook.core.businesses import Business
from tallybook.core.db import PROD, Conn, Database
from tallybook.core.errors import Invalid, TallybookError, WrongSetup
from tallybook.monitor.store import sharepoint as items_store
from tallybook.monitor.store import sharepoint_days as days_store
from tallybook.monitor.store import sharepoint_files as files_store
from tallybook.monitor.store import sharepoint_runs as runs
from tallybook.monitor.store.sharepoint import Item
from tallybook.monitor.store.sharepoint_files import File

from . import sharepoint_books, sharepoint_items, sharepoint_nights
from .sharepoint_sheets import file_name
from .sharepoint_turn import Turn

LEASE = 120.0  # seconds after which a run that says nothing any more gives way

Finish = Callable[[Conn], Awaitable[None]]


@dataclass(frozen=True)
class Order:
    """What is asked for: a night, with the days that it brings up to date, or one day looked at anew."""

    day: date
    asked_by: str
    nightly: bool = False


class Report(msgspec.Struct, frozen=True):
    """What a run did, items and workbooks together. ``conflicts`` are a person's changes that were left as they are."""

    run: int
    day: date
    days: list[date]
    written: int
    unchanged: int
    conflicts: int


@dataclass(frozen=True)
class Sync:
    """Writes one business's days to one library. Only production can have one: WrongSetup anywhere else."""

    db: Database
    business: Business
    library: Library
    lease: float = LEASE

    def __post_init__(self) -> None:
        if self.db.environment != PROD:
            raise WrongSetup("Only production writes to SharePoint.")

    async def run(self, order: Order, finish: Finish | None = None) -> Report:
        """Brings SharePoint up to date; ``finish`` runs in the transaction that records the end.

        Raises SharePointAway where something is to be tried again, SharePointError where a setting must be mended,
        Conflict while another run has the turn. Whatever happens, what was done stays written down.
        """
        turn = await self._begin(order)
        keeper = asyncio.create_task(turn.keep())
        try:
            days = await _work(turn, order)
            await turn.write("end a sync", lambda conn: _close(conn, turn, finish))
        except BaseException as error:
            await asyncio.shield(_failed(turn, error))
            raise
        finally:
            keeper.cancel()
        tally = turn.tally
        return Report(turn.run, order.day, days, tally.written, tally.unchanged, tally.conflicts)

    async def _begin(self, order: Order) -> Turn:
        async def work(conn: Conn) -> tuple[int, int, float]:
            lately = await runs.lately(conn, self.business.id, WINDOW, BATCH)
            return await runs.open_run(conn, self.business.id, order.day, order.asked_by, self.lease), *lately

        if not order.nightly:
            refuse_future(order.day, datetime.now(self.business.zone).date())
        number, things, ago = await self.db.run("begin a sync", work)
        if things:
            self.library.presume(things, ago)
        return Turn(self.db, self.business, self.library, number, self.lease)


async def _close(conn: Conn, turn: Turn, finish: Finish | None) -> None:
    await runs.close_run(conn, turn.business.id, turn.run, turn.tally, None)
    if finish is not None:
        await finish(conn)


async def _failed(turn: Turn, error: BaseException) -> None:
    """Says why a run ended. Where even that cannot be written down, its lease ends it."""
    reason = error.message if isinstance(error, TallybookError) else f"It was interrupted ({type(error).__name__})."
    with suppress(Exception):
        await turn.write(
            "end a sync", lambda conn: runs.close_run(conn, turn.business.id, turn.run, turn.tally, reason)
        )


async def _work(turn: Turn, order: Order) -> list[date]:
    """All of it; the days. Raises SharePointAway where something of it could not be written this time."""
    await turn.library.open()
    days, books, due = await turn.write("plan a sync", lambda conn: _plan(conn, turn, order))
    for first in range(0, len(due), BATCH):
        await sharepoint_items.settle(turn, due[first : first + BATCH])
    for book in books:
        await sharepoint_books.settle(turn, book, every=not order.nightly)
    await turn.write("mark days done", lambda conn: files_store.checked(conn, turn.business.id, days))
    if turn.reasons:
        raise SharePointAway(" ".join(dict.fromkeys(turn.reasons)))
    return days


async def _plan(conn: Conn, turn: Turn, order: Order) -> tuple[list[date], list[File], list[Item]]:
    """Writes down what should stand there; gives the days, their workbooks and the items to be settled."""
    days = await _days(conn, turn.business, order)
    wanted = await days_store.counts(conn, turn.business, days)
    refuse_twins(wanted)
    await items_store.plan(conn, turn.business.id, turn.library.list_id, wanted)
    names = {day: turn.library.address_of(file_name(day)) for day in days}
    books = await files_store.begin(conn, turn.business.id, names, nightly=order.nightly)
    return days, books, await items_store.due(conn, turn.business.id, days, every=not order.nightly)


async def _days(conn: Conn, business: Business, order: Order) -> list[date]:
    if not order.nightly:
        return [order.day]
    first = await files_store.first_night(conn, business.id)
    known = await files_store.nights(conn, business.id, first or order.day)
    return sharepoint_nights.days_of(order.day, known, first)


def refuse_future(day: date, today: date) -> None:
    """Raises Invalid for a day that has not begun: nothing can have been posted. Pure."""
    if day > today:
        raise Invalid(f"{day} has not begun yet. Choose today, or a day before.")


def refuse_twins(wanted: Iterable[ItemKey]) -> None:
    """Raises Invalid for projects that differ in capitals alone: to SharePoint their keys are one. Pure."""
    seen: dict[str, str] = {}
    for project in sorted({key.project for key in wanted}):
        if (other := seen.setdefault(project.casefold(), project)) != project:
            raise Invalid(f"SharePoint cannot tell the projects “{other}” and “{project}” apart. Rename one of them.")
