"""Everything that is known of one customer, as a ZIP of JSON and CSV with their files, for who asks what is known.

Written to the disk as it is read, table by table, so that a thread of any length lies in memory a batch at a time.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import msgspec

from tallybook.core import audit, kept_files, receive, spool
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn, Database
from tallybook.core.errors import NotFound
from tallybook.core.sheet_cells import csv_file
from tallybook.core.updates import hash_in_hex
from tallybook.inbox import raw_words
from tallybook.inbox.personal import AUDIT, HOLDINGS
from tallybook.inbox.store import erasing as raw_store
from tallybook.inbox.store import whole as store
from tallybook.inbox.store.erasing import Needles
from tallybook.inbox.store.whole import Whole

from . import threads
from .erasing import STRETCH, Places, ids_of, read

MESSAGES = "whatsapp_message"
FILES = "inbox_files"
# Of a message as a line of the table: when it was said, and as what.
COLUMNS = ("id", "said_at", "direction", "source", "message_type", "body", "status", "media_url")
HEX = "\\x"
LONGEST_NAME = 100


@asynccontextmanager
async def exported(db: Database, caller: Caller, ref: str, places: Places) -> AsyncIterator[Path]:
    """A ZIP with everything of the customer of a thread, which is gone when the block ends.

    ``ref`` is the thread's number, its key, or a phone in any format. The record says that it was asked for. Raises
    NotAllowed, NotFound.
    """
    require(caller, Right.LEAD)
    with tempfile.TemporaryDirectory(prefix="tallybook-export-") as folder:
        path = Path(folder) / "contact.zip"

        async def work(conn: Conn) -> None:
            thread = await threads.thread(conn, caller, ref)
            one = await store.whole(conn, caller.business_id, thread.id)
            if one is None:
                raise NotFound("There is no such conversation.")
            subject = ("contact", str(one.contacts[0]))
            await audit.record_by(conn, caller, "contact.exported", *subject, None, {})
            await _write(conn, one, path, places)

        await db.run("export contact", work)
        yield path


async def _write(conn: Conn, one: Whole, path: Path, places: Places) -> None:
    # Anew at every try of the transaction.
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for holding in (*HOLDINGS, AUDIT):
            if not holding.name:
                continue
            with archive.open(f"{holding.name}.json", "w", force_zip64=True) as file:
                await _write_rows(conn, one, holding.table, file)
        await _write_table(conn, one, archive)
        await _add_files(conn, one, archive, places.files)
        with archive.open("raw.json", "w", force_zip64=True) as file:
            between = b"[\n"
            async for line in _raw(conn, one, places):
                await asyncio.to_thread(file.write, between + line)
                between = b",\n"
            await asyncio.to_thread(file.write, b"[]\n" if between == b"[\n" else b"\n]\n")


async def _raw(conn: Conn, one: Whole, places: Places) -> AsyncIterator[bytes]:
    """What is theirs in raw deliveries of the business, and in the spool; others' words in the same body are not."""
    needles = Needles(ids_of(one), [], await raw_store.turns(conn, one))
    ids = needles.always_theirs
    owned = await raw_store.accounts(conn, one.business_id)

    async def said(channel: str, body: bytes, received_at: datetime) -> bytes | None:
        told = await asyncio.to_thread(read, places, channel, body)
        _, theirs = await asyncio.to_thread(raw_words.apart, body, ids)
        if not theirs or not told or any((channel, each.account) not in owned for each in told):
            return None
        return msgspec.json.encode({"channel": channel, "received_at": received_at, "said": theirs})

    async for raw in raw_store.raw(conn, needles, STRETCH):
        if line := await said(raw.channel, raw.body, raw.received_at):
            yield line
    for record in await spool.naming(places.spool, [each.encode() for each in ids]):
        received = receive.from_spool(record)
        if line := await said(received.channel, received.body, received.received_at):
            yield line


async def _write_rows(conn: Conn, one: Whole, table: str, file: IO[bytes]) -> None:
    """The rows of a table as one JSON list, a row on a line."""
    holding = next(each for each in (*HOLDINGS, AUDIT) if each.table == table)
    between = "[\n"
    async for some in store.rows(conn, one, holding):
        text = between + ",\n".join(json.dumps(row, ensure_ascii=False) for row in some)
        await asyncio.to_thread(file.write, text.encode())
        between = ",\n"
    await asyncio.to_thread(file.write, b"[]\n" if between == "[\n" else b"\n]\n")


async def _write_table(conn: Conn, one: Whole, archive: ZipFile) -> None:
    """The messages once more, for a spreadsheet program, which finds no formula among them."""
    holding = next(each for each in HOLDINGS if each.table == MESSAGES)
    with archive.open("messages.csv", "w", force_zip64=True) as file:
        await asyncio.to_thread(file.write, csv_file(COLUMNS, []))
        async for some in store.rows(conn, one, holding):
            lines = csv_file([], [[row[column] for column in COLUMNS] for row in some])
            await asyncio.to_thread(file.write, _without_head(lines))


def _without_head(lines: bytes) -> bytes:
    """The rows of a table that goes on: without its mark and its empty heading. Pure."""
    return lines.decode("utf-8-sig").partition("\r\n")[2].encode()


async def _add_files(conn: Conn, one: Whole, archive: ZipFile, files: Path) -> None:
    holding = next(each for each in HOLDINGS if each.table == FILES)
    async for some in store.rows(conn, one, holding):
        for row in some:
            sha256 = hash_in_hex(str(row["sha256"] or "").removeprefix(HEX))
            path = kept_files.path_of(files, sha256) if sha256 else None
            if path is not None and await asyncio.to_thread(path.is_file):
                await asyncio.to_thread(archive.write, path, f"files/{name_of(row)}", ZIP_STORED)


def name_of(row: dict[str, Any]) -> str:
    """What a file is called in the archive: its number, and its own name without any folder. Pure."""
    named = PurePosixPath(str(row["filename"] or "").replace("\\", "/")).name
    plain = "".join(one if one.isalnum() or one in "._- " else "_" for one in named)[-LONGEST_NAME:]
    return f"{row['id']}-{plain}" if plain.strip(". ") else f"{row['id']}"
