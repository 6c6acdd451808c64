"""Settles a day's workbook: drawn from the database, put in place as a whole, and never over a person's."""

from __future__ import annotations

import asyncio

from tallybook.channels.sharepoint.decide import KnownFile, Step, next_step_of_file
from tallybook.channels.sharepoint.types import Outcome, Refused, RemoteFile, Sheet, Upload, Wrote
from tallybook.channels.sharepoint.workbook import fingerprint, workbook
from tallybook.core.db import Conn
from tallybook.monitor.store import sharepoint_days as days
from tallybook.monitor.store import sharepoint_files as store
from tallybook.monitor.store.sharepoint_files import File

from . import sharepoint_sheets
from .sharepoint_turn import NO_CERTAINTY, ROUNDS, Turn


async def settle(turn: Turn, book: File, *, every: bool) -> None:
    """Settles a day's workbook, unless a person keeps theirs. With ``every`` it is looked at even if nothing is new."""
    if book.state == "kept":
        return
    sheets = await turn.db.run("read a day", lambda conn: _sheets(conn, turn, book))
    digest = fingerprint(sheets)
    if book.state == "written" and book.content_hash == digest and not every:
        turn.tally.unchanged += 1
        return
    content = await asyncio.to_thread(workbook, sheets)
    for _ in range(ROUNDS):
        found = await turn.library.look_up_file(sharepoint_sheets.file_name(book.day))
        step = next_step_of_file(_known(book, digest), found)
        if step is Step.YIELD:
            await _yielded(turn, book, found)
            return
        if step is Step.ADOPT:
            turn.tally.unchanged += 1
            return
        upload = Upload(sharepoint_sheets.file_name(book.day), content, found.etag if found else None)
        if await _recorded(turn, book, digest, await turn.library.upload(upload)):
            return
    await _postponed(turn, book, NO_CERTAINTY)


async def _sheets(conn: Conn, turn: Turn, book: File) -> list[Sheet]:
    counts = await days.counts(conn, turn.business, [book.day])
    drops = await days.reviews(conn, turn.business, book.day)
    activations = await days.activations(conn, turn.business, book.day)
    return sharepoint_sheets.sheets(counts, drops, activations, turn.business.zone)


def _known(book: File, digest: str) -> KnownFile:
    same = book.state == "written" and book.content_hash == digest
    return KnownFile(same, book.content_hash is not None, book.etag, book.overrule)


async def _recorded(turn: Turn, book: File, digest: str, outcome: Outcome) -> bool:
    """Writes down what became of an upload; False where that must be looked up."""
    if isinstance(outcome, Wrote):
        written = (digest, outcome.etag)
        await turn.write(
            "record workbook", lambda conn: store.wrote(conn, turn.business.id, turn.run, book.day, written)
        )
        turn.tally.written += 1
        return True
    if isinstance(outcome, Refused):
        await _postponed(turn, book, outcome.reason)
        return True
    return False


async def _yielded(turn: Turn, book: File, found: RemoteFile | None) -> None:
    await turn.write("record workbook", lambda conn: store.yielded(conn, turn.business.id, turn.run, book.day, found))
    turn.tally.conflicts += 1


async def _postponed(turn: Turn, book: File, reason: str) -> None:
    await turn.write("record workbook", lambda conn: store.postpone(conn, turn.business.id, book.day, reason))
    turn.reasons.append(reason)
