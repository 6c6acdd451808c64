"""A webhook's body as it came, and how a group of them is stored: once each, by one statement."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from . import arrays, keys
from .db import Conn
from .wakeups import OUR_CHANNEL

TOPIC = "deliveries"


class Received(msgspec.Struct, frozen=True):
    """A body as it came; also how it lies in the spool. Those of one ``line`` are filed in their order."""

    channel: str
    body: bytes
    received_at: datetime
    line: str = ""

    @property
    def key(self) -> tuple[str, bytes]:
        """The natural key of a delivery."""
        return self.channel, hashlib.sha256(self.body).digest()


# Wakes the workers in the same statement: each answer that is waited for, the next group waits for too.
STORE = f"""
with kept as (
    insert into deliveries (channel, body_sha256, body, received_at, not_before, line)
    select channel, sha256, body, at, least(at, now()), line
    from unnest(%(channels)s::text[], %(hashes)s::bytea[], %(bodies)s::bytea[], %(times)s::timestamptz[],
        %(lines)s::text[]) as u (channel, sha256, body, at, line)
    on conflict {keys.DELIVERY.target} do nothing
    returning body_sha256
)
select count(*), case when count(*) > 0 then pg_notify({OUR_CHANNEL}, '{TOPIC} 0') end,
    case when count(*) < cardinality(%(hashes)s::bytea[]) then array_agg(body_sha256) end
from kept
"""


async def store(conn: Conn, some: Iterable[Received]) -> int:
    """Stores bodies as ``fresh`` does; returns how many were not known yet."""
    return len(await fresh(conn, some))


async def fresh(conn: Conn, some: Iterable[Received]) -> set[bytes]:
    """Stores bodies in the caller's transaction and wakes the workers once; the hashes of those not known yet.

    In the order of their keys, so that two processes that store the same bodies do not deadlock. They are due since
    they came, so that what came first is worked on first.
    """
    ordered = dict(sorted({received.key: received for received in some}.items()))
    values = {
        "channels": arrays.texts([channel for channel, _ in ordered]),
        "hashes": arrays.Octets([sha256 for _, sha256 in ordered]),
        "bodies": arrays.Octets([received.body for received in ordered.values()]),
        "times": arrays.moments(received.received_at for received in ordered.values()),
        "lines": arrays.texts([received.line for received in ordered.values()]),
    }
    row = await (await conn.execute(STORE, values)).fetchone()
    if row is not None and row[0] == len(ordered):
        return {sha256 for _, sha256 in ordered}
    return {bytes(sha256) for sha256 in (row and row[2]) or ()}


def new_of(some: Sequence[Received], hashes: set[bytes]) -> list[bool]:
    """Whether each was new, by what ``fresh`` said of them; of two of one group the first was. Pure."""
    if len(hashes) == len(some):
        return [True] * len(some)
    left = set(hashes)
    found = []
    for received in some:
        _, sha256 = received.key
        found.append(sha256 in left)
        left.discard(sha256)
    return found
