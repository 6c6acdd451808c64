"""From what came in to what it does: stored once, handed on once, in one transaction.

The arbiter is the natural key of ``messages``. A batch is written set-wise; when a batch fails, each of its messages
is tried alone behind a savepoint, and one that fails alone is parked with its reason while its neighbours go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from prometheus_client import Counter

from . import arrays, keys
from .businesses import Business
from .db import Conn, is_transient
from .messages import Incoming, Media, Stored

Fact = TypeVar("Fact")
Handler = Callable[[Conn, Business, list[Stored]], Awaitable[list[Fact]]]

log = structlog.get_logger()
REPLACEMENT = "\ufffd"
arrived = Counter("tallybook_messages_total", "Messages by what became of them.", ["channel", "became"])


class Absorbed(msgspec.Struct, Generic[Fact]):
    """What a batch came to. ``facts`` are the handler's own words for what it did, to be told once it is committed."""

    new: int = 0
    edited: int = 0
    known: int = 0
    parked: int = 0
    facts: list[Fact] = []


async def absorb(
    conn: Conn, business: Business, incomings: Sequence[Incoming], handler: Handler[Fact]
) -> Absorbed[Fact]:
    """Stores a batch and hands what is new or edited to the handler, all in the caller's transaction.

    A passing fault (a deadlock, a lost connection) is raised, so that the whole transaction runs again.
    """
    ordered = sorted(incomings, key=_natural_key)
    try:
        async with conn.transaction():
            return await _absorb_batch(conn, business, ordered, handler)
    except Exception as error:
        if is_transient(error) or conn.closed:
            raise
        log.warning("A batch could not be filed as one; its messages are tried one by one", error=type(error).__name__)
    result = Absorbed[Fact]()
    for incoming in ordered:
        _add(result, await _absorb_alone(conn, business, incoming, handler))
    return result


def count(channel: str, absorbed: Absorbed[Any]) -> None:
    """Counts a batch in the metrics, once its transaction has committed."""
    for became in ("new", "edited", "known", "parked"):
        arrived.labels(channel, became).inc(getattr(absorbed, became))


async def _absorb_batch(
    conn: Conn, business: Business, ordered: Sequence[Incoming], handler: Handler[Fact]
) -> Absorbed[Fact]:
    fresh = await _insert(conn, business.id, ordered)
    edited: list[Stored] = []
    if len(fresh) < len(ordered):
        edited = await _edit(conn, business.id, ordered)
    facts = await handler(conn, business, fresh + edited) if fresh or edited else []
    return Absorbed(len(fresh), len(edited), len(ordered) - len(fresh) - len(edited), 0, facts)


async def _absorb_alone(conn: Conn, business: Business, incoming: Incoming, handler: Handler[Fact]) -> Absorbed[Fact]:
    try:
        async with conn.transaction():
            return await _absorb_batch(conn, business, [incoming], handler)
    except Exception as error:
        if is_transient(error) or conn.closed:
            raise
        reason = type(error).__name__
        log.exception("A message could not be filed and is parked", channel=incoming.channel)
    one = [_storable(incoming)]
    stored = await _insert(conn, business.id, one) or await _edit(conn, business.id, one)
    await conn.execute(PARK, {"business_id": business.id, "ids": [s.id for s in stored], "reason": reason})
    return Absorbed(parked=len(stored), known=1 - len(stored))


def _add(total: Absorbed[Fact], one: Absorbed[Fact]) -> None:
    total.new += one.new
    total.edited += one.edited
    total.known += one.known
    total.parked += one.parked
    total.facts.extend(one.facts)


def _storable(incoming: Incoming) -> Incoming:
    """The same without what PostgreSQL's text cannot hold, so that what nobody can file can at least be kept."""
    texts = {
        name: value.replace("\0", REPLACEMENT).encode("utf-8", "replace").decode()
        for name, value in msgspec.structs.asdict(incoming).items()
        if isinstance(value, str)
    }
    return msgspec.structs.replace(incoming, **texts)


def _natural_key(incoming: Incoming) -> tuple[str, str, str, str]:
    return incoming.natural_key


INSERT = f"""
insert into messages (business_id, channel, account, scope, external_id, kind, chat, sender_raw, sender_phone,
    sender_lid, said_at, text, from_us, deleted, media_type, media_filename, media_sha256, media_size, content_hash)
select %(business_id)s, u.* from unnest(
    %(channel)s::text[], %(account)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[],
    %(chat)s::text[], %(sender_raw)s::text[], %(sender_phone)s::text[], %(sender_lid)s::text[],
    %(said_at)s::timestamptz[], %(text)s::text[], %(from_us)s::bool[], %(deleted)s::bool[], %(media_type)s::text[],
    %(media_filename)s::text[], %(media_sha256)s::bytea[], %(media_size)s::bigint[], %(content_hash)s::bytea[]) as u
on conflict {keys.MESSAGE.target} do nothing
returning id, channel, scope, external_id, kind
"""


async def _insert(conn: Conn, business_id: int, ordered: Sequence[Incoming]) -> list[Stored]:
    """Inserts what is not there yet, in key order; returns just that."""
    media = [i.media or _NO_MEDIA for i in ordered]
    cursor = await conn.execute(
        INSERT,
        {
            "business_id": business_id,
            **_key_columns(ordered),
            "account": arrays.texts([i.account for i in ordered]),
            "chat": arrays.texts([i.chat for i in ordered]),
            "sender_raw": arrays.texts([i.sender.raw for i in ordered]),
            "sender_phone": arrays.texts([i.sender.phone for i in ordered]),
            "sender_lid": arrays.texts([i.sender.lid for i in ordered]),
            "said_at": arrays.times(i.said_at for i in ordered),
            "text": arrays.texts([i.text for i in ordered]),
            "from_us": arrays.truths(i.from_us for i in ordered),
            "deleted": arrays.truths(i.deleted for i in ordered),
            "media_type": arrays.texts([m.type or None for m in media]),
            "media_filename": arrays.texts([m.filename or None for m in media]),
            "media_sha256": arrays.hexes(m.sha256 for m in media),
            "media_size": arrays.numbers(m.size for m in media),
            "content_hash": arrays.hexes(i.content_hash for i in ordered),
        },
    )
    rows = await cursor.fetchall()
    by_key = {i.natural_key: i for i in ordered}
    return [Stored(row[0], fresh=True, incoming=by_key[row[1:]]) for row in rows]


_NO_MEDIA = Media("")


def _key_columns(ordered: Sequence[Incoming]) -> dict[str, str]:
    return {
        "channel": arrays.texts([i.channel for i in ordered]),
        "scope": arrays.texts([i.scope for i in ordered]),
        "external_id": arrays.texts([i.external_id for i in ordered]),
        "kind": arrays.texts([i.kind for i in ordered]),
    }


# The sub-select hides the business from the planner, to which one newer than the statistics would look empty.
# The row lock makes of two readers that see the same edit one edit and one repeat.
FIND_EDITED = """
select m.id, m.channel, m.scope, m.external_id, m.kind
from unnest(
    %(channel)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[], %(content_hash)s::bytea[])
    as u (channel, scope, external_id, kind, content_hash)
join messages m on m.business_id = (select %(business_id)s::int) and m.channel = u.channel and m.scope = u.scope
    and m.external_id = u.external_id and m.kind = u.kind and m.content_hash <> u.content_hash
order by m.channel, m.scope, m.external_id, m.kind
for update of m
"""
KEEP_REVISION = f"""
insert into message_revisions (business_id, message_id, revision, text, deleted, content_hash)
select m.business_id, m.id, m.revision, m.text, m.deleted, m.content_hash
from messages m where m.business_id = %(business_id)s and m.id = any(%(ids)s::bigint[])
on conflict {keys.REVISION.target} do nothing
"""
EDIT = """
update messages m set text = u.text, deleted = u.deleted, content_hash = u.content_hash, revision = m.revision + 1,
    parked_reason = null
from unnest(%(ids)s::bigint[], %(text)s::text[], %(deleted)s::bool[], %(content_hash)s::bytea[])
    as u (id, text, deleted, content_hash)
where m.business_id = %(business_id)s and m.id = u.id
"""


async def _edit(conn: Conn, business_id: int, ordered: Sequence[Incoming]) -> list[Stored]:
    """Finds messages whose content changed since they were stored, keeps what they said, and returns them."""
    hashes = {"content_hash": arrays.hexes(i.content_hash for i in ordered)}
    cursor = await conn.execute(FIND_EDITED, {"business_id": business_id, **_key_columns(ordered), **hashes})
    by_key = {i.natural_key: i for i in ordered}
    edited = [Stored(row[0], fresh=False, incoming=by_key[row[1:]]) for row in await cursor.fetchall()]
    if edited:
        ids = [stored.id for stored in edited]
        await conn.execute(KEEP_REVISION, {"business_id": business_id, "ids": ids})
        await conn.execute(
            EDIT,
            {
                "business_id": business_id,
                "ids": ids,
                "text": arrays.texts([stored.incoming.text for stored in edited]),
                "deleted": arrays.truths(stored.incoming.deleted for stored in edited),
                "content_hash": arrays.hexes(stored.incoming.content_hash for stored in edited),
            },
        )
    return edited


PARK = """
update messages set parked_reason = %(reason)s where business_id = %(business_id)s and id = any(%(ids)s::bigint[])
"""
