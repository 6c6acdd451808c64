"""Everything that was put aside, over all tables of work: seen, looked into, and replayed by a person.

A reference is the kind and the number: ``message:12``, ``delivery:3``, ``job:7``, ``outgoing:40``. A list shows no text
and no person; only ``show`` does, to somebody at the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import structlog

from . import jobs, outbox, receive
from .businesses import Business
from .db import Conn, Database, is_transient
from .deliveries import Filing
from .errors import Conflict, Invalid, NotFound, TallybookError
from .ingest import Absorbed
from .messages import Identity, Incoming, Media, Stored
from .numbers import number_in
from .queue import DELIVERIES
from .wakeups import wake_up
from .work import reason_of

log = structlog.get_logger(__name__)


class Kind(StrEnum):
    """The tables in which something can be parked, by the names that people use."""

    DELIVERY = "delivery"
    JOB = "job"
    MESSAGE = "message"
    OUTGOING = "outgoing"


class Ref(msgspec.Struct, frozen=True, order=True):
    """Which item is meant; written ``kind:number``."""

    kind: Kind
    id: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def of(cls, text: str) -> Ref:
        """Reads a reference. Raises Invalid."""
        kind, _, number = text.partition(":")
        row = number_in(number)
        if kind not in set(Kind) or row is None:
            raise Invalid(f"“{text[:40]}” is no reference; one looks like message:12. List them: tallybook parked list")
        return cls(Kind(kind), row)


class Item(msgspec.Struct, frozen=True):
    """Something put aside, parked or unknown. ``sort`` is its channel or kind of job; ``at`` is when it came."""

    ref: str
    business_id: int | None
    sort: str
    state: str
    attempts: int
    reason: str
    at: datetime


class Shown(msgspec.Struct, frozen=True):
    """An item with what is in it. ``content`` holds what people wrote and who they are: never for a log."""

    item: Item
    content: dict[str, Any]


class Replay(msgspec.Struct, frozen=True):
    """What came of replaying one item; ``says`` is a sentence for a person."""

    ref: str
    replayed: bool
    says: str


# One row per item, the same columns from each table; a table is entered behind the last item that was shown.
LISTED = """
select kind || ':' || id, business_id, sort, state, attempts, reason, at from (
    (select 'delivery' as kind, id, null::int as business_id, channel as sort, state, attempts, reason,
        received_at as at
    from deliveries where state = 'parked' and ('delivery', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
    union all
    (select 'job', id, business_id, kind, state, attempts, reason, created_at
    from jobs where state = 'parked' and ('job', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
    union all
    (select 'message', id, business_id, channel, 'parked', 1, parked_reason, seen_at
    from messages where parked_reason is not null and ('message', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
    union all
    (select 'outgoing', id, business_id, channel, state, attempts, reason, created_at
    from outbox where state in ('parked', 'unknown') and ('outgoing', id) > (%(kind)s::text, %(id)s::bigint)
    order by id limit %(limit)s::int)
) as aside
order by kind, id limit %(limit)s::int
"""


async def listed(conn: Conn, limit: int = 100, after: str | None = None) -> list[Item]:
    """What is parked or unknown, by kind and number, beginning behind the reference ``after``. Raises Invalid."""
    kind, number = ("", 0) if after is None else (str(Ref.of(after).kind), Ref.of(after).id)
    rows = await (await conn.execute(LISTED, {"kind": kind, "id": number, "limit": limit})).fetchall()
    return [Item(*row) for row in rows]


async def find(conn: Conn, ref: Ref) -> Item:
    """One item of the list. Raises NotFound where nothing of that reference is parked."""
    asked = {"kind": str(ref.kind), "id": ref.id - 1, "limit": 1}
    row = await (await conn.execute(LISTED, asked)).fetchone()
    if row is None or row[0] != str(ref):
        raise NotFound(f"Nothing is parked as {ref}.")
    return Item(*row)


DELIVERY_CONTENT = "select to_jsonb(d) - 'body', body from deliveries d where id = %(id)s::bigint"
JOB_CONTENT = "select to_jsonb(j), null::bytea from jobs j where id = %(id)s::bigint"
MESSAGE_CONTENT = "select to_jsonb(m), null::bytea from messages m where id = %(id)s::bigint"
OUTGOING_CONTENT = "select to_jsonb(o), null::bytea from outbox o where id = %(id)s::bigint"


async def show(conn: Conn, ref: Ref) -> Shown:
    """An item with all that is in it, what people wrote included. Raises NotFound."""
    item = await find(conn, ref)
    names = {"id": ref.id}
    if ref.kind is Kind.DELIVERY:
        cursor = await conn.execute(DELIVERY_CONTENT, names)
    elif ref.kind is Kind.JOB:
        cursor = await conn.execute(JOB_CONTENT, names)
    elif ref.kind is Kind.MESSAGE:
        cursor = await conn.execute(MESSAGE_CONTENT, names)
    else:
        cursor = await conn.execute(OUTGOING_CONTENT, names)
    row = await cursor.fetchone()
    content: dict[str, Any] = dict(row[0]) if row else {}
    if row and row[1] is not None:
        content["body"] = bytes(row[1]).decode("utf-8", "replace")
    return Shown(item, content)


@dataclass(frozen=True)
class Replayer:
    """Replays items. ``filings`` says per channel who files its messages.

    With ``even_unknown``, a message of ours that may have been sent already is sent again: a person says so.
    """

    db: Database
    filings: Mapping[str, Filing]
    even_unknown: bool = False

    async def replay(self, refs: Sequence[Ref]) -> list[Replay]:
        """Replays each item in a transaction of its own; one that fails again stays parked, its neighbours do not care.

        Raises only while the database is away.
        """
        return [await self._one(ref) for ref in sorted(set(refs))]

    async def _one(self, ref: Ref) -> Replay:
        try:
            if ref.kind is Kind.MESSAGE:
                return await self._message(ref)
            says = await self.db.run("replay parked", lambda conn: self._wait_again(conn, ref))
        except Exception as error:
            if is_transient(error):
                raise
            if not isinstance(error, NotFound):  # there was none: whoever asked is told, and nothing is wrong
                log.warning("a parked item could not be replayed", item=str(ref), reason=reason_of(error))
            says = error.message if isinstance(error, TallybookError) else f"It failed again: {reason_of(error)}."
            return Replay(str(ref), replayed=False, says=says)
        return Replay(str(ref), replayed=True, says=says)

    async def _wait_again(self, conn: Conn, ref: Ref) -> str:
        item = await find(conn, ref)
        if ref.kind is Kind.DELIVERY:
            await DELIVERIES.replay(conn, [ref.id])
            await wake_up(conn, receive.TOPIC)
        elif ref.kind is Kind.JOB:
            await jobs.JOBS.replay(conn, [ref.id])
            await wake_up(conn, jobs.TOPIC)
        elif item.state == "unknown":
            await self._send_again(conn, item, ref)
        else:
            await outbox.replay(conn, item.business_id or 0, [ref.id])
        return "It waits again; a worker takes it."

    async def _send_again(self, conn: Conn, item: Item, ref: Ref) -> None:
        if not self.even_unknown:
            raise Conflict("It may have been sent already. Find out; if it was not, replay it with --send-again.")
        await conn.execute(SEND_AGAIN, {"business_id": item.business_id, "id": ref.id})
        await wake_up(conn, outbox.TOPIC, item.business_id or 0)

    async def _message(self, ref: Ref) -> Replay:
        filing, absorbed = await self.db.run("replay message", lambda conn: self._file(conn, ref))
        filing.told(absorbed)
        return Replay(str(ref), replayed=True, says="It was filed.")

    async def _file(self, conn: Conn, ref: Ref) -> tuple[Filing, Absorbed[Any]]:
        """Hands a parked message to its handler once more; what the handler does and the cleared mark are one."""
        row = await (await conn.execute(TAKE_MESSAGE, {"id": ref.id})).fetchone()
        if row is None:
            raise NotFound(f"Nothing is parked as {ref}.")
        business, incoming = Business(*row[:4]), _incoming(row[4:])
        filing = self.filings.get(incoming.channel)
        if filing is None:
            raise Conflict(f"Nobody files messages of the channel {incoming.channel} here.")
        read = filing.handler.read([Stored(ref.id, fresh=False, incoming=incoming)])
        facts = await filing.handler.file(conn, business, read)
        await wake_up(conn, filing.topic, business.id)
        return filing, Absorbed(known=1, facts=facts)


# Late news of the send whose answer was missing is not waited for any more: its claim is taken away.
SEND_AGAIN = """
update outbox set state = 'waiting', attempts = 0, resent = false, claimed_by = null, not_before = now(),
    done_at = null, expires_at = null, faults = 0
where business_id = %(business_id)s::int and state = 'unknown' and id = %(id)s::bigint
"""
TAKE_MESSAGE = """
update messages m set parked_reason = null
from businesses b
where b.id = m.business_id and m.id = %(id)s::bigint and m.parked_reason is not null
returning b.id, b.name, b.time_zone, b.locale, m.channel, m.account, m.scope, m.external_id, m.chat, m.sender_raw,
    m.sender_phone, m.sender_lid, m.said_at, m.text, m.content_hash, m.kind, m.from_us, m.deleted, m.media_type,
    m.media_filename, m.media_sha256, m.media_size, m.content::text
"""


def _incoming(row: Sequence[Any]) -> Incoming:
    """A message as it came, made from its row. Pure."""
    channel, account, scope, external_id, chat, raw, phone, lid, said_at, text, content_hash, kind, *flags = row
    from_us, deleted, media_type, filename, sha256, size, content = flags
    media = Media(media_type, filename or "", sha256, size) if media_type is not None else None
    sender = Identity(raw, phone, lid)
    return Incoming(
        channel, account, scope, external_id, chat, sender, said_at, text, content_hash, kind, from_us, deleted, media,
        content,
    )  # fmt: skip
