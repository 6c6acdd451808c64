"""From a raw delivery to its effects: claimed in batches, parsed, filed, and marked done in the same transaction.

Each batch is of one channel, its businesses in the order of their numbers and their messages in key order, so that
several workers take their locks in one order; the channels take turns, batch by batch. A delivery that cannot be
parsed, or that names an account of nobody's, is parked alone; whatever else the same body holds is filed all the same.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import structlog

from . import forgotten, ingest, refusals
from .businesses import Business
from .channel import Webhook
from .db import Conn, Database
from .ingest import Absorbed, Handler
from .messages import Incoming
from .queue import DELIVERIES, IN_ORDER, Delivery, Plan
from .standing import Rhythm, again_and_again
from .wakeups import either, wake_up
from .work import reason_of, work_batch

NOBODYS = "no business has the account that it came for"
# As many as are worth one transaction; the queue takes fewer where they are large.
PLAN = Plan(batch=256)
# Whatever comes after it waits for its end, if its worker dies. A claim need only last until its transaction has begun,
# which then holds the row.
ONE = Plan(batch=1, lease=10)

# While one waits for PostgreSQL, the other reads: they meet as two workers do.
LANES = 2
# While one waits for a lock, what is of other lines goes on in the others.
LANES_IN_ORDER = 3

TOGETHER = 0

BusinessesOf: TypeAlias = Callable[[Conn, Collection[str]], Awaitable[Mapping[str, Business]]]
Told: TypeAlias = Callable[[Absorbed[Any]], None]
log = structlog.get_logger(__name__)


def tell_nobody(_: Absorbed[Any]) -> None:
    """For a module that has nothing to say of what it filed."""


@dataclass(frozen=True)
class Filing:
    """Who files a channel's messages: the module's handler, and the topic of the wake-up that follows.

    ``told`` hears of what was done once it is committed; it may write log lines and must not fail.
    """

    handler: Handler[Any]
    topic: str
    told: Told = tell_nobody


@dataclass(frozen=True)
class ChannelEntry:
    """A channel that is told by webhooks. ``businesses`` gives the owners of those accounts that somebody owns.

    ``in_order``: what it tells is filed as it came, each line's one after another, by however many workers.
    """

    webhook: Webhook
    filing: Filing
    businesses: BusinessesOf
    in_order: bool = False


async def process(db: Database, entries: Mapping[str, ChannelEntry], stop: asyncio.Event) -> int:
    """Works until no delivery of these channels is due or ``stop`` is set. Returns how many were claimed.

    Raises a passing fault that lasts; the claims are given back.
    """
    ends = await asyncio.gather(*(_lane(db, lane, stop) for lane in _lanes(entries)), return_exceptions=True)
    for one in ends:  # all have come to their ends: no transaction is left running
        if isinstance(one, BaseException):
            raise one
    return sum(one for one in ends if isinstance(one, int))


def _lanes(entries: Mapping[str, ChannelEntry]) -> list[dict[str, ChannelEntry]]:
    ordered = {channel: entry for channel, entry in entries.items() if entry.in_order}
    unordered = {channel: entry for channel, entry in entries.items() if not entry.in_order}
    return [lane for lane in (*[unordered] * LANES, *[ordered] * LANES_IN_ORDER) if lane]


async def _lane(db: Database, entries: Mapping[str, ChannelEntry], stop: asyncio.Event) -> int:
    total, busy = 0, dict(entries)
    while busy and not stop.is_set():
        for channel, entry in [*busy.items()]:
            claimed = await _one_batch(db, channel, entry)
            total += claimed
            if not claimed:
                del busy[channel]
    return total


async def _one_batch(db: Database, channel: str, entry: ChannelEntry) -> int:
    queue, plan = (IN_ORDER, ONE) if entry.in_order else (DELIVERIES, PLAN)
    batch = _Batch(entry)
    claimed = await work_batch(db, queue, batch.file, replace(plan, sorts=(channel,)))
    await batch.tell(db)
    return claimed


async def process_loop(
    db: Database, entries: Mapping[str, ChannelEntry], stop: asyncio.Event, wake: asyncio.Event, idle: float = 5.0
) -> None:
    """Processes until ``stop`` is set, at each ``wake`` and every ``idle`` seconds. Bears a database that is away.

    Each lane hears of what came by itself, so that one that waits for a lock delays nothing that comes meanwhile.
    """
    lanes = [(lane, asyncio.Event()) for lane in _lanes(entries)]
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(Rhythm(stop, idle, wake), [own for _, own in lanes]))
            for lane, own in lanes:
                work = partial(_lane, db, lane, stop)
                group.create_task(again_and_again(db, Rhythm(stop, idle, own), work, "Deliveries wait"))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None  # whoever starts us again looks at what it was


async def _pass_on(rhythm: Rhythm, lanes: Sequence[asyncio.Event]) -> None:
    while not rhythm.stop.is_set():
        await either(rhythm.stop, rhythm.wake, rhythm.idle)
        if rhythm.wake.is_set():
            rhythm.wake.clear()
            for lane in lanes:
                lane.set()


# Of a delivery that tells of somebody who was forgotten nothing is kept but its hash, by which a repeat is known. One
# that is put aside keeps its body: the rest of it is not filed yet.
EMPTY = "update deliveries set body = '' where id = any(%(ids)s::bigint[])"
_Key: TypeAlias = tuple[str, str, str, str]
Sorted: TypeAlias = dict[str, list[tuple[int, Incoming]]]


@dataclass
class _Batch:
    """One claimed batch: filed together or, if that fails, delivery by delivery."""

    entry: ChannelEntry
    done: dict[int, list[Absorbed[Any]]] = field(default_factory=dict)

    async def file(self, conn: Conn, deliveries: Sequence[Delivery]) -> dict[int, str]:
        """Files what the deliveries hold; returns those to park, each with its reason."""
        of = deliveries[0].id if len(deliveries) == 1 else TOGETHER
        # Any call may be one that is made again after its transaction was undone.
        for undone in [*self.done] if of == TOGETHER else (TOGETHER, of):
            self.done.pop(undone, None)
        aside: dict[int, str] = {}
        by_account = _parsed(self.entry.webhook, deliveries, aside)
        owners = await self.entry.businesses(conn, sorted(by_account)) if by_account else {}
        by_business: dict[int, list[Incoming]] = defaultdict(list)
        for account, found in by_account.items():
            if account in owners:
                by_business[owners[account].id] += [incoming for _, incoming in found]
            else:
                aside.update((number, NOBODYS) for number, _ in found)
        known = {owner.id: owner for owner in owners.values()}
        gone: set[_Key] = set()
        self.done[of] = [
            await self._absorb(conn, known[number], by_business[number], gone) for number in sorted(by_business)
        ]
        if gone:
            holding = {number for found in by_account.values() for number, one in found if one.natural_key in gone}
            await conn.execute(EMPTY, {"ids": sorted(holding - aside.keys())})
        return aside

    async def _absorb(
        self, conn: Conn, business: Business, incomings: list[Incoming], gone: set[_Key]
    ) -> Absorbed[Any]:
        """Files what is nobody's who was forgotten; the keys of the rest go into ``gone``."""
        filing = self.entry.filing
        left = await forgotten.without(conn, business.id, incomings)
        absorbed = await ingest.absorb(conn, business, left, filing.handler)
        gone.update(absorbed.forgotten)
        if len(left) < len(incomings):
            gone.update({one.natural_key for one in incomings} - {one.natural_key for one in left})
        if absorbed.new or absorbed.edited or absorbed.parked:
            await wake_up(conn, filing.topic, business.id)
        return absorbed

    async def tell(self, db: Database) -> None:
        """Says what was done, now that it is committed."""
        committed = [one for some in self.done.values() for one in some]
        for absorbed in committed:
            ingest.count(self.entry.webhook.name, absorbed)
            self.entry.filing.told(absorbed)
        for absorbed in committed:
            await refusals.tell(db, absorbed.refused)


def _parsed(webhook: Webhook, deliveries: Sequence[Delivery], aside: dict[int, str]) -> Sorted:
    """What the deliveries hold, by account, each with its delivery's number; those that cannot be read go aside."""
    by_account: Sorted = defaultdict(list)
    for delivery in deliveries:
        try:
            for incoming in webhook.parse(delivery.body):
                by_account[incoming.account].append((delivery.id, incoming))
        except Exception as error:  # noqa: BLE001 - a parser's fault is its delivery's, whatever it is
            aside[delivery.id] = f"it cannot be read: {reason_of(error)}"
            log.warning("A delivery cannot be read and is parked", channel=delivery.channel, delivery=delivery.id)
    return by_account
