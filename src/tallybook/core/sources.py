"""Reading a source (a channel that is asked): each batch and the reader's position commit together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Self

import msgspec
from psycopg.types.json import Jsonb

from . import ingest, keys, refusals
from .businesses import Business
from .channel import Position, Reading, Source
from .db import Conn, Database
from .ingest import Absorbed, Fact, Handler
from .wakeups import wake_up

Told = Callable[[Reading, Absorbed[Any]], None]


@dataclass(frozen=True)
class Intake(Generic[Fact]):
    """A source, the business whose it is, who files its messages, and the topic of the wake-ups that follow."""

    business: Business
    source: Source
    handler: Handler[Fact]
    topic: str


POSITION = """
select position from source_positions
where business_id = %(business_id)s and channel = %(channel)s and account = %(account)s
"""
MOVE = f"""
insert into source_positions (business_id, channel, account, position)
values (%(business_id)s, %(channel)s, %(account)s, %(position)s)
on conflict {keys.POSITION.target} do update set position = excluded.position, moved_at = now()
"""


async def stands_at(conn: Conn, business: Business, source: Source) -> Position:
    """Where the reader of a source stands; the beginning if it never read."""
    names = {"business_id": business.id, "channel": source.name, "account": source.account}
    row = await (await conn.execute(POSITION, names)).fetchone()
    return msgspec.convert(row[0], Position) if row else Position()


async def catch_up(db: Database, intake: Intake[Fact], told: Told, *, full: bool = False) -> int:
    """Reads what is new in a source, or with ``full`` everything again; returns how many messages were new or edited.

    ``told`` hears of each batch after it was committed. Any number of readers may read one source at once: the
    position is a hint, and the messages' key decides what is new. Raises SourceUnreadable.
    """

    async def begin(conn: Conn) -> Position:
        return await stands_at(conn, intake.business, intake.source)

    if not full and await intake.source.quiet():
        return 0
    changed = 0
    async with _Telling(told) as telling:
        async for reading in intake.source.read(await db.run("read position", begin), full=full):

            async def keep(conn: Conn, reading: Reading = reading) -> Absorbed[Fact]:
                return await _keep(conn, intake, reading, move=not full)

            absorbed = await db.run("file messages", keep)
            ingest.count(intake.source.name, absorbed)
            try:
                await refusals.tell(db, absorbed.refused)
            finally:
                await telling.of(reading, absorbed)
            changed += absorbed.new + absorbed.edited
    return changed


async def rehearse(db: Database, intake: Intake[Fact], told: Told, *, full: bool = False) -> int:
    """Reads as ``catch_up`` does and files each batch, then undoes it: nothing is kept and the position stays.

    Returns how many messages would be new or edited. A batch does not see what those before it would have done.
    """

    async def begin(conn: Conn) -> Position:
        return await stands_at(conn, intake.business, intake.source)

    changed = 0
    async for reading in intake.source.read(await db.run("read position", begin), full=full):

        async def undo(conn: Conn, reading: Reading = reading) -> Absorbed[Fact]:
            async with conn.transaction(force_rollback=True):
                return await ingest.absorb(conn, intake.business, reading.incomings, intake.handler)

        absorbed = await db.run("rehearse filing", undo)
        told(reading, absorbed)
        changed += absorbed.new + absorbed.edited
    return changed


class _Telling:
    """Tells of each batch in a thread, one after the other, while the next is stored; at the end all are told."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._last: asyncio.Task[None] | None = None

    async def of(self, reading: Reading, absorbed: Absorbed[Any]) -> None:
        try:
            await self._end()
        finally:
            # Also where telling the one before has raised (a stop): this one is committed, and nobody else will tell.
            self._last = asyncio.create_task(asyncio.to_thread(self._told, reading, absorbed))

    async def _end(self) -> None:
        if self._last is not None:
            await self._last

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()


async def _keep(conn: Conn, intake: Intake[Fact], reading: Reading, *, move: bool) -> Absorbed[Fact]:
    """Files a batch and moves the position. A full reading leaves it: who follows the tail meanwhile needs it there."""
    absorbed = await ingest.absorb(conn, intake.business, reading.incomings, intake.handler)
    if move:
        await conn.execute(
            MOVE,
            {
                "business_id": intake.business.id,
                "channel": intake.source.name,
                "account": intake.source.account,
                "position": Jsonb(msgspec.to_builtins(reading.position)),
            },
        )
    if absorbed.facts or absorbed.parked:
        await wake_up(conn, intake.topic, intake.business.id)
    return absorbed


UNRESOLVED = """
select distinct sender_lid from messages
where business_id = %(business_id)s and sender_phone is null and sender_lid is not null
"""
RESOLVE = """
update messages m set sender_phone = u.phone
from unnest(%(lids)s::text[], %(phones)s::text[]) as u (lid, phone)
where m.business_id = %(business_id)s and m.sender_phone is null and m.sender_lid = u.lid
returning m.id
"""


async def unresolved_lids(conn: Conn, business_id: int) -> set[str]:
    """The LIDs whose phones were not known when their messages came."""
    return {row[0] for row in await (await conn.execute(UNRESOLVED, {"business_id": business_id})).fetchall()}


async def resolve_senders(conn: Conn, business_id: int, phones: dict[str, str]) -> list[int]:
    """Writes the phones (E.164) of LIDs that have become known; returns the messages concerned."""
    lids = sorted(phones)
    names = {"business_id": business_id, "lids": lids, "phones": [phones[lid] for lid in lids]}
    return [row[0] for row in await (await conn.execute(RESOLVE, names)).fetchall()]
