"""From what came in to what it does: stored once, handed on once, in one transaction.

The arbiter is the natural key of ``messages``. A batch is written set-wise; one that fails is halved, each half behind
a savepoint, and so on, until a message that fails alone is parked with its reason while its neighbours go on.
Whoever commits tells of what was parked, by ``refusals.tell``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import structlog
from prometheus_client import Counter

from . import arrays, connection, forgotten, keys, violations
from .businesses import Business
from .db import Conn
from .messages import Incoming, Media, Stored
from .refusals import Refusal, is_the_messages, keepable
from .repeats import Repeat
from .repeats import of as repeated
from .work import reason_of

Fact = TypeVar("Fact")
First = TypeVar("First")
Second = TypeVar("Second")

log = structlog.get_logger()
arrived = Counter("tallybook_messages_total", "Messages by what became of them.", ["channel", "became"])


class Handler(Protocol[Fact]):
    """Who files messages: reads what they say, then does what follows from it, in the transaction that stored them."""

    def read(self, stored: Sequence[Stored], /) -> Any:
        """What these messages say. Pure: it is worked out in a thread while PostgreSQL stores them."""

    async def file(self, conn: Conn, business: Business, read: Any, /) -> list[Fact]:
        """Does what was read, and tells it in words of its own."""


class Absorbed(msgspec.Struct, Generic[Fact]):
    """What a batch came to. ``facts`` (the handler's words for what it did) and ``refused`` are told once committed.

    ``forgotten`` are the keys of messages whose sender was forgotten while they were stored: they count as known.
    ``repeats`` are those of the known that have a row; one that stands in a batch twice is known too, and is none.
    """

    new: int = 0
    edited: int = 0
    known: int = 0
    parked: int = 0
    facts: list[Fact] = []
    refused: list[Refusal] = []
    forgotten: list[tuple[str, str, str, str]] = []
    repeats: list[Repeat] = []


class Batch(list[Incoming]):
    """Messages in key order, one for each key: of two contents the later one holds.

    ``columns`` may be worked out ahead, in a thread, while the batch before is stored.
    """

    def __init__(self, incomings: Iterable[Incoming]) -> None:
        super().__init__(sorted({i.natural_key: i for i in incomings}.values(), key=_natural_key))

    @cached_property
    def columns(self) -> dict[str, str]:
        """What ``INSERT`` stores, column by column, as array literals."""
        media = [i.media or _NO_MEDIA for i in self]
        return {
            "channel": arrays.texts([i.channel for i in self]),
            "account": arrays.texts([i.account for i in self]),
            "scope": arrays.texts([i.scope for i in self]),
            "external_id": arrays.texts([i.external_id for i in self]),
            "kind": arrays.texts([i.kind for i in self]),
            "chat": arrays.texts([i.chat for i in self]),
            "sender_raw": arrays.texts([i.sender.raw for i in self]),
            "sender_phone": arrays.texts([i.sender.phone for i in self]),
            "sender_lid": arrays.texts([i.sender.lid for i in self]),
            "said_at": arrays.times([i.said_at for i in self]),
            "text": arrays.texts([i.text for i in self]),
            "from_us": arrays.truths([i.from_us for i in self]),
            "deleted": arrays.truths([i.deleted for i in self]),
            "media_type": arrays.texts([m.type or None for m in media]),
            "media_filename": arrays.texts([m.filename or None for m in media]),
            "media_sha256": arrays.hexes([m.sha256 for m in media]),
            "media_size": arrays.numbers([m.size for m in media]),
            "content_hash": arrays.hexes([i.content_hash for i in self]),
        }

    @cached_property
    def contents(self) -> str | None:
        """The column of contents as an array literal; None where no message of the batch has any."""
        # Many batches have none (a bridge's never do): for them a column of nulls would be made and sent for nothing.
        return arrays.texts([i.content for i in self]) if any(map(_content, self)) else None

    def stored(self, ids: Sequence[int]) -> list[Stored]:
        """The messages as new rows of these numbers, one for each."""
        return [Stored(number, fresh=True, incoming=incoming) for number, incoming in zip(ids, self, strict=True)]

    def parts(self, count: int) -> list[Batch]:
        """The batch cut into so many parts of about one size, in key order."""
        size = max(1, -(-len(self) // count))
        return [Batch(self[start : start + size]) for start in range(0, len(self), size)]


async def absorb(
    conn: Conn, business: Business, incomings: Sequence[Incoming], handler: Handler[Fact]
) -> Absorbed[Fact]:
    """Stores a batch and hands what is new or edited to the handler, all in the caller's transaction.

    A passing fault (a deadlock, a lost connection) is raised, so that the whole transaction runs again.
    """
    whole = incomings if isinstance(incomings, Batch) else Batch(incomings)
    result, left = Absorbed[Fact](known=len(incomings) - len(whole)), [whole]
    # One poisoned message takes log2 of the batch; where many are, halving costs more than it saves.
    halvings = len(whole) // 8 + len(whole).bit_length()
    trouble: Exception | None = None
    while left:
        batch = left.pop()
        became = await _try(conn, business, batch, handler)
        if isinstance(became, Absorbed):
            _add(result, became)
        elif len(batch) == 1 and batch is not whole:  # one that came alone is tried twice, as any other is
            _add(result, await _put_aside(conn, business.id, batch[0], became))
        else:
            if batch is whole:
                trouble = became
                # The names of errors are searched for in logs, and are those of errors that were in somebody's way.
                state = getattr(became, "sqlstate", None) or type(became).__name__
                log.warning("A batch could not be filed as one; its parts are tried", state=state)
            left += reversed(batch.parts(2 if halvings > 0 else len(batch)))
            halvings -= 1
    if isinstance(trouble, violations.WATCHED) and not result.refused:
        connection.notice(trouble)  # it was no message's: what came at the same time is filed, or went away
    return result


def count(channel: str, absorbed: Absorbed[Any]) -> None:
    """Counts a batch in the metrics, once its transaction has committed."""
    for became in ("new", "edited", "known", "parked"):
        arrived.labels(channel, became).inc(getattr(absorbed, became))


async def _try(conn: Conn, business: Business, batch: Batch, handler: Handler[Fact]) -> Absorbed[Fact] | Exception:
    """What a batch came to; or what is wrong with it, and then it left nothing behind. Raises any other fault."""
    try:
        async with conn.transaction():
            return await _absorb_batch(conn, business, batch, handler)
    except Exception as error:
        if not is_the_messages(error) or conn.closed:
            raise
        connection.leave(error)  # whose it is, its parts will show
        return error


async def _absorb_batch(conn: Conn, business: Business, batch: Batch, handler: Handler[Fact]) -> Absorbed[Fact]:
    stored = batch.stored(await _numbers(conn, len(batch)))
    fresh, read = await _both(_insert(conn, business.id, batch, stored), asyncio.to_thread(handler.read, stored))
    fresh, gone = await _not_forgotten(conn, business.id, fresh)
    edited: list[Stored] = []
    if len(fresh) < len(batch):
        edited = await _edit(conn, business.id, batch)
        read = handler.read(fresh + edited)
    facts = await handler.file(conn, business, read) if fresh or edited else []
    known = len(batch) - len(fresh) - len(edited)
    repeats = await repeated(conn, business.id, batch.columns, fresh + edited) if known else []
    return Absorbed(len(fresh), len(edited), known, 0, facts, [], gone, repeats)


async def _not_forgotten(
    conn: Conn, business_id: int, fresh: list[Stored]
) -> tuple[list[Stored], list[tuple[str, str, str, str]]]:
    """New rows without those whose message was forgotten meanwhile, and the keys of those."""
    gone = await forgotten.take_back(conn, business_id, fresh) if fresh else set()
    if not gone:
        return fresh, []
    return [one for one in fresh if one.id not in gone], [one.incoming.natural_key for one in fresh if one.id in gone]


async def _both(one: Awaitable[First], other: Awaitable[Second]) -> tuple[First, Second]:
    """Awaits both to their ends, whatever becomes of either: a statement must not be left running."""
    first, second = await asyncio.gather(one, other, return_exceptions=True)
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        raise second
    return first, second


async def _put_aside(conn: Conn, business_id: int, incoming: Incoming, refused: Exception) -> Absorbed[Any]:
    ids = await _park(conn, business_id, incoming, refused)
    told = [Refusal(number, incoming.channel, refused) for number in ids]
    return Absorbed(parked=len(ids), known=1 - len(ids), refused=told)


async def _park(conn: Conn, business_id: int, incoming: Incoming, refused: Exception) -> list[int]:
    """Keeps what cannot be filed, in the fullest form that can be kept; the row's number, or none if it was known."""
    failure = refused
    for form in keepable(incoming):
        try:
            async with conn.transaction():
                one = Batch([form])
                stored = one.stored(await _numbers(conn, 1))
                fresh, _ = await _not_forgotten(conn, business_id, await _insert(conn, business_id, one, stored))
                stored = fresh or await _edit(conn, business_id, one)
                ids = [s.id for s in stored]
                await conn.execute(PARK, {"business_id": business_id, "ids": ids, "reason": reason_of(refused)})
                return ids
        except Exception as error:
            if not is_the_messages(error) or conn.closed:
                raise
            failure = error
            if isinstance(refused, violations.WATCHED):
                connection.leave(error)  # the same again; it is told of once
    raise failure


def _add(total: Absorbed[Fact], one: Absorbed[Fact]) -> None:
    total.new += one.new
    total.edited += one.edited
    total.known += one.known
    total.parked += one.parked
    total.facts.extend(one.facts)
    total.refused.extend(one.refused)
    total.forgotten.extend(one.forgotten)
    total.repeats.extend(one.repeats)


def _natural_key(incoming: Incoming) -> tuple[str, str, str, str]:
    return incoming.natural_key


_content = attrgetter("content")

_COLUMNS = """channel, account, scope, external_id, kind, chat, sender_raw, sender_phone, sender_lid, said_at, text,
    from_us, deleted, media_type, media_filename, media_sha256, media_size, content_hash"""
_ARRAYS = """
    %(channel)s::text[], %(account)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[],
    %(chat)s::text[], %(sender_raw)s::text[], %(sender_phone)s::text[], %(sender_lid)s::text[],
    %(said_at)s::timestamptz[], %(text)s::text[], %(from_us)s::bool[], %(deleted)s::bool[], %(media_type)s::text[],
    %(media_filename)s::text[], %(media_sha256)s::bytea[], %(media_size)s::bigint[], %(content_hash)s::bytea[]"""
INSERT = f"""
insert into messages (business_id, id, {_COLUMNS})
select %(business_id)s, u.* from unnest(%(ids)s::bigint[],{_ARRAYS}) as u
on conflict {keys.MESSAGE.target} do nothing
"""
INSERT_WITH_CONTENT = f"""
insert into messages (business_id, id, {_COLUMNS}, content)
select %(business_id)s, u.* from unnest(%(ids)s::bigint[],{_ARRAYS}, %(content)s::jsonb[]) as u
on conflict {keys.MESSAGE.target} do nothing
"""
# The rows are numbered before they are stored, so that what they say can be worked out meanwhile, and so that the
# usual answer is a count: handing back each row's key took a third of the statement's time.
NUMBERS = """
select nextval((select pg_get_serial_sequence('messages', 'id')::regclass)) from generate_series(1, %(count)s::int)
"""
STORED = """
select id from messages where business_id = (select %(business_id)s::int) and id = any(%(ids)s::bigint[])
"""


async def _numbers(conn: Conn, count: int) -> list[int]:
    return [row[0] for row in await (await conn.execute(NUMBERS, {"count": count})).fetchall()]


async def _insert(conn: Conn, business_id: int, batch: Batch, stored: list[Stored]) -> list[Stored]:
    """Inserts what is not there yet, in key order; returns just that."""
    ids = arrays.numbers(one.id for one in stored)
    values = {"business_id": business_id, "ids": ids, **batch.columns}
    if batch.contents is None:
        cursor = await conn.execute(INSERT, values)
    else:
        cursor = await conn.execute(INSERT_WITH_CONTENT, values | {"content": batch.contents})
    if cursor.rowcount == len(stored):
        return stored
    cursor = await conn.execute(STORED, {"business_id": business_id, "ids": ids})
    inserted = {row[0] for row in await cursor.fetchall()}
    return [one for one in stored if one.id in inserted]


_NO_MEDIA = Media("")


# The sub-select hides the business from the planner, to which one newer than the statistics would look empty.
# The row lock makes of two readers that see the same edit one edit and one repeat. What a second account says is no
# edit where the first has told of a later one: a bridge that hears of no edits would set the text back for ever.
FIND_EDITED = """
select m.id, m.channel, m.scope, m.external_id, m.kind
from unnest(%(channel)s::text[], %(account)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[],
    %(content_hash)s::bytea[]) as u (channel, account, scope, external_id, kind, content_hash)
join messages m on m.business_id = (select %(business_id)s::int) and m.channel = u.channel and m.scope = u.scope
    and m.external_id = u.external_id and m.kind = u.kind and m.content_hash <> u.content_hash
where m.account = u.account or not exists (
    select from message_revisions r
    where r.business_id = m.business_id and r.message_id = m.id and r.content_hash = u.content_hash)
order by m.channel, m.scope, m.external_id, m.kind
for update of m
"""
KEEP_REVISION = f"""
insert into message_revisions (business_id, message_id, revision, text, deleted, content_hash, content)
select m.business_id, m.id, m.revision, m.text, m.deleted, m.content_hash, m.content
from messages m where m.business_id = %(business_id)s and m.id = any(%(ids)s::bigint[])
on conflict {keys.REVISION.target} do nothing
"""
EDIT = """
update messages m set account = u.account, text = u.text, deleted = u.deleted, content_hash = u.content_hash,
    content = coalesce(u.content, m.content), revision = m.revision + 1, parked_reason = null
from unnest(%(ids)s::bigint[], %(account)s::text[], %(text)s::text[], %(deleted)s::bool[], %(content_hash)s::bytea[],
    %(content)s::jsonb[]) as u (id, account, text, deleted, content_hash, content)
where m.business_id = (select %(business_id)s::int) and m.id = u.id and m.id = any(%(ids)s::bigint[])
"""


async def _edit(conn: Conn, business_id: int, batch: Batch) -> list[Stored]:
    """Finds messages whose content changed since they were stored, keeps what they said, and returns them."""
    cursor = await conn.execute(FIND_EDITED, {"business_id": business_id, **batch.columns})
    by_key = {incoming.natural_key: incoming for incoming in batch}
    edited = [Stored(row[0], fresh=False, incoming=by_key[row[1:]]) for row in await cursor.fetchall()]
    if edited:
        ids = [stored.id for stored in edited]
        await conn.execute(KEEP_REVISION, {"business_id": business_id, "ids": ids})
        await conn.execute(
            EDIT,
            {
                "business_id": business_id,
                "ids": ids,
                "account": arrays.texts([stored.incoming.account for stored in edited]),
                "text": arrays.texts([stored.incoming.text for stored in edited]),
                "deleted": arrays.truths(stored.incoming.deleted for stored in edited),
                "content_hash": arrays.hexes(stored.incoming.content_hash for stored in edited),
                "content": arrays.texts([stored.incoming.content for stored in edited]),
            },
        )
    return edited


PARK = """
update messages set parked_reason = %(reason)s where business_id = %(business_id)s and id = any(%(ids)s::bigint[])
"""
