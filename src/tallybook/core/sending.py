"""Sends what the outbox holds: claimed with a lease, sent outside any transaction, written down.

A crash between the provider's yes and our record leaves ``sending`` with an expired lease: whether it was sent is then
``unknown``. Where a report would have told us, it is sent again once, after ``unknown_after``; a provider that can be
asked is asked after ``look_up_after`` and sent what it does not have; where only its coming back tells, that is awaited
and then a person is asked; where nothing tells, a person is asked at once. Each message is claimed alone, so that a
crash leaves only those unknown that were really under way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable
from uuid import UUID, uuid4

import msgspec
import structlog
from prometheus_client import Counter

from . import expiry, gates, rates, unsettled
from .channel import OutcomeUnknown, Sender, SendError, Settlement
from .db import PROD, Conn, Database
from .messages import Outgoing, Status
from .outcomes import Became, Tell, tell_nobody
from .rates import Limited, Limits, Line
from .withdrawing import Claimed, NotNow, Stands, hold, stands_always, withdraw
from .work import LONGEST_WAIT, back_off, luck, reason_of

log = structlog.get_logger(__name__)
held = Counter(
    "tallybook_outgoing_held_total",
    "Sends put off, by a limit of the number or a topic, or by a pause.",
    ["channel", "by"],
)
became = Counter("tallybook_outgoing_total", "Outgoing messages by what became of them.", ["channel", "became"])
again = Counter(
    "tallybook_outgoing_retries_total",
    "Sends of messages that had failed before, by what became of them.",
    ["channel", "became"],
)


@runtime_checkable
class LooksUp(Protocol):
    """A sender whose provider can be asked whether a message was sent: its id, or None if it was not."""

    async def look_up(self, outgoing: Outgoing) -> str | None: ...


@dataclass(frozen=True)
class Post:
    """Who sends for which channel, and how patiently. Times in seconds.

    Outside prod only a recipient in ``allowed`` is sent to. A send that takes over ``timeout`` is unknown; ``lease``
    must be longer. ``unknown_after`` is how long a report of it, or its coming back, is awaited; ``look_up_after`` how
    long a provider has until what it took can be looked up, which is tried until ``most_tries``. ``begun`` is when this
    process began to send, ``listening_since`` when to listen, by its monotonic clock: nothing is sent again before
    reports had ``unknown_after`` to come, since then and since the database was last away. ``tell`` hears of every
    outcome, in the transaction that records it.
    ``stands`` is asked of each message before it leaves.
    """

    senders: Mapping[str, Sender]
    allowed: frozenset[str] = frozenset()
    at_once: int = 4
    timeout: float = 45.0
    lease: float = 60.0
    unknown_after: float = 600.0
    look_up_after: float = 60.0
    most_tries: int = 6
    begun: float = field(default_factory=time.monotonic)
    listening_since: float = field(default_factory=time.monotonic)
    tell: Tell = tell_nobody
    stands: Stands = stands_always

    def sends_again(self, channel: str) -> bool:
        """Whether a message without an answer may be sent once more: we would have been told, had it been sent."""
        return self.looks_up(channel) or self.senders[channel].settlement is Settlement.BY_REPORT

    def looks_up(self, channel: str) -> bool:
        """Whether the channel's provider is asked whether it has a message, so that to send it again does no harm."""
        sender = self.senders[channel]
        return sender.settlement is Settlement.BY_LOOKUP and isinstance(sender, LooksUp)

    def settled_after(self, channel: str) -> float:
        """Seconds until the next step of what is unknown."""
        return self.look_up_after if self.looks_up(channel) else self.unknown_after

    def has_listened(self, db: Database) -> bool:
        """Whether a report of whatever is unknown would have come by now, had there been one."""
        return time.monotonic() - max(self.listening_since, db.outage.ended) >= self.unknown_after

    def limits(self, channel: str) -> Limits | None:
        sender = self.senders[channel]
        return sender.limits if isinstance(sender, Limited) else None

    def may_begin(self, channel: str) -> bool:
        """Whether this process has been there for as long as the channel's grace asks."""
        limits = self.limits(channel)
        return limits is None or time.monotonic() - self.begun >= limits.grace


class Outcome(msgspec.Struct, frozen=True):
    """How a send ended; ``delay`` is in seconds, until the next step if there is one.

    ``of_line``: the fault was that of the number or its provider. ``faults``: how many it has had that were not.
    """

    state: Status
    external_id: str | None = None
    reason: str | None = None
    delay: float = 0.0
    of_line: bool = False
    faults: int = 0


async def deliver(db: Database, business_id: int, post: Post, stop: asyncio.Event, turn: float = float("inf")) -> int:
    """Sends what is due for one business until nothing is or ``stop`` is set. Returns how many sends were tried.

    After ``turn`` seconds nothing more is begun; who calls comes round again.
    Messages to one recipient leave in the order in which they were put. A failed send is the message's own affair;
    only the database's faults are raised.
    """
    courier = _Courier(db, business_id, post, time.monotonic() + turn)
    await db.run("sort the outbox", courier.prepare)
    # Every lane comes to its end before a fault is raised: none may go on sending behind the caller's back.
    ends = await asyncio.gather(*(courier.lane(stop) for _ in range(post.at_once)), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return sum(end for end in ends if isinstance(end, int))


CAPTURE = """
update outbox set state = 'captured', done_at = now()
where business_id = %(business_id)s::int and state = 'waiting' and recipient <> all(%(allowed)s::text[])
returning channel, dedup_key
"""
# What a person pressed for goes first, what is said in bulk last. An earlier message to the same recipient holds this
# one back while it waits or is being sent, unless the two are of different topics, or this one goes first. A recipient
# to whom one has just failed is left alone for a while, but not for the sake of one that fails and fails. What is held
# until it is let go (core/withdrawing.py) is in nobody's way. Nothing leaves by a line that is closed, on a channel
# that is stopped, or after its moment.
CLAIM = """
with next as (
    select o.id, o.tried_at from outbox o
    where o.business_id = %(business_id)s::int and o.channel = any(%(ready)s::text[]) and o.not_before <= now()
        and (o.state = 'waiting'
            or o.state = 'unknown' and o.channel = any(%(asked)s::text[])
                and (not o.resent or o.attempts < %(most_tries)s::int)
            or o.state = 'unknown' and not o.resent and o.channel = any(%(reporting)s::text[])
                and %(listened)s::bool
                and not exists (select from deliveries d where d.channel = o.channel and d.state = 'waiting'))
        and o.state in ('waiting', 'sending', 'unknown') and (o.expires_at is null or o.expires_at > now())
        and (%(everybody)s::bool or o.recipient = any(%(allowed)s::text[]))
        and not exists (
            select from sending_stops s where s.business_id = o.business_id and s.channel = o.channel)
        and not exists (
            select from sending_lines l
            where l.business_id = o.business_id and l.channel = o.channel and l.account = o.account
                and l.open_at > clock_timestamp())
        and not exists (
            select from outbox e
            where e.business_id = o.business_id and e.channel = o.channel and e.recipient = o.recipient
                and e.id < o.id and e.state in ('waiting', 'sending')
                and (e.state = 'sending' or e.priority >= o.priority) and e.not_before < 'infinity'
                and (e.topic is null or o.topic is null or e.topic = o.topic))
        and not exists (
            select from outbox f
            where f.business_id = o.business_id and f.channel = o.channel and f.recipient = o.recipient
                and f.id <> o.id and f.state = 'waiting' and f.faults between 1 and 2 and f.reason is not null
                and f.not_before > now())
    order by o.priority desc, o.not_before, o.id limit 1 for update skip locked
)
update outbox o set state = 'sending', claimed_by = %(worker)s::uuid, attempts = o.attempts + 1,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8),
    resent = o.resent or o.state = 'unknown', reason = null, tried_at = clock_timestamp()
from next where o.business_id = %(business_id)s::int and o.id = next.id
returning o.id, o.attempts, o.resent, o.faults, next.tried_at,
    o.channel, o.account, o.recipient, o.dedup_key, o.body, o.topic, o.expires_at, o.priority > 0, o.priority < 0
"""
# In the claim's own transaction, so that nobody ever saw it claimed. What waits for its line needs no time of its own.
PUT_BACK = """
update outbox set state = 'waiting', claimed_by = null, lease_until = null, attempts = attempts - 1,
    tried_at = %(tried_at)s::timestamptz,
    not_before = greatest(not_before, coalesce(%(until)s::timestamptz, not_before))
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
"""
# A report may have raised it already, and is then not undone. A late yes is still a yes after the lease.
RECORD = """
update outbox set
    state = case when state in ('sending', 'unknown', 'parked') then %(state)s::text else state end,
    external_id = coalesce(%(external_id)s::text, external_id), reason = %(reason)s::text, lease_until = null,
    not_before = clock_timestamp() + make_interval(secs => %(delay)s::float8), faults = %(faults)s::int,
    done_at = coalesce(done_at, case when %(state)s::text = 'sent' then now() end)
where business_id = %(business_id)s::int and id = %(id)s::bigint and claimed_by = %(worker)s::uuid
    and (state in ('sending', 'unknown') or %(state)s::text = 'sent' and state <> 'waiting')
"""


@dataclass(frozen=True)
class _Courier:
    """The delivery of one business's messages."""

    db: Database
    business_id: int
    post: Post
    until: float
    # Lanes that claim side by side could give a line's last moments to what may wait, while a third that has claimed
    # what a person pressed for waits for that very line.
    claiming: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def terms(self) -> dict[str, Any]:
        post = self.post
        return {
            "business_id": self.business_id, "channels": list(post.senders), "lease": post.lease,
            "ready": [channel for channel in post.senders if post.may_begin(channel)],
            "listened": post.has_listened(self.db),
            "telling": [channel for channel in post.senders if post.sends_again(channel)],
            "asked": [channel for channel in post.senders if post.looks_up(channel)],
            "reporting": [name for name, one in post.senders.items() if one.settlement is Settlement.BY_REPORT],
            "echoing": [name for name, one in post.senders.items() if one.settlement is Settlement.BY_ECHO],
            "allowed": list(post.allowed),
            "everybody": self.db.environment == PROD, "unknown_after": post.unknown_after,
            "look_up_after": post.look_up_after, "most_tries": post.most_tries,
        }  # fmt: skip

    async def prepare(self, conn: Conn) -> None:
        """Judges what earlier senders left behind; outside prod, captures what must not be sent."""
        told = await unsettled.expire(conn, self.terms)
        told += await unsettled.ask_a_person(conn, self.terms)
        if self.db.environment != PROD:
            captured = await (await conn.execute(CAPTURE, self.terms)).fetchall()
            told += [Became(channel, key, Status.CAPTURED) for channel, key in captured]
        told += await expiry.drop_expired(conn, self.business_id, self.post.senders)
        if told:
            await self.post.tell(conn, self.business_id, told)

    async def lane(self, stop: asyncio.Event) -> int:
        """Sends one message after another; several lanes run side by side."""
        count = 0
        while not stop.is_set() and time.monotonic() < self.until:
            worker = uuid4()
            async with self.claiming:
                claimed = await self.db.run("claim outgoing", partial(self._claim, worker))
            if claimed is None:
                break
            if not isinstance(claimed, Claimed):
                continue
            outcome = await self._outcome(claimed)
            await self.db.run("record outgoing", partial(self._record, worker, claimed, outcome))
            became.labels(claimed.outgoing.channel, outcome.state).inc()
            if claimed.attempts > 1:
                again.labels(claimed.outgoing.channel, outcome.state).inc()
            count += 1
        return count

    async def _claim(self, worker: UUID, conn: Conn) -> Claimed | Became | NotNow | None:
        """The next message that may be sent now; what is over a limit is passed by.

        Or what became of one that does not leave: the transaction ends with it, so that no two threads are ever held.
        """
        while True:
            row = await (await conn.execute(CLAIM, self.terms | {"worker": worker})).fetchone()
            if row is None:
                return None
            claimed = Claimed(row[0], row[1], row[2], row[3], row[4], Outgoing(*row[5:]))
            wait = await self._wait(conn, claimed)
            if wait is None:
                return await self._kept_back(worker, claimed, conn) or claimed
            held.labels(claimed.outgoing.channel, "number" if wait.line_until else "topic").inc()
            back = {"id": claimed.id, "worker": worker, "business_id": self.business_id, "until": wait.topic_until}
            await conn.execute(PUT_BACK, back | {"tried_at": claimed.tried_at})

    async def _kept_back(self, worker: UUID, claimed: Claimed, conn: Conn) -> Became | NotNow | None:
        """What became of one that is taken back, or waits on; None where it leaves."""
        says = await self.post.stands(conn, self.business_id, claimed)
        if says is None:
            return None
        if self.post.limits(claimed.outgoing.channel):
            await rates.give_back(conn, self._asked(claimed), closed_for=None)
        if isinstance(says, NotNow):
            held.labels(claimed.outgoing.channel, "pause").inc()
            await hold(conn, self.business_id, worker, claimed, says)
            return says
        told = await withdraw(conn, self.business_id, worker, claimed, says)
        await self.post.tell(conn, self.business_id, [told])
        return told

    async def _wait(self, conn: Conn, claimed: Claimed) -> rates.Wait | None:
        """Why it may not be sent now, None if it may."""
        limits = self.post.limits(claimed.outgoing.channel)
        if limits:
            return await rates.take(conn, self._asked(claimed), limits)
        stopped = await gates.is_stopped(conn, self.business_id, claimed.outgoing.channel)
        return rates.Wait(None, None) if stopped else None

    def _asked(self, claimed: Claimed) -> rates.Asked:
        out = claimed.outgoing
        return rates.Asked(Line(self.business_id, out.channel, out.account), claimed.id, out.topic, out.pressed)

    async def _record(self, worker: UUID, claimed: Claimed, outcome: Outcome, conn: Conn) -> None:
        values = msgspec.structs.asdict(outcome) | {"id": claimed.id, "worker": worker, "business_id": self.business_id}
        if (await conn.execute(RECORD, values)).rowcount:
            out = claimed.outgoing
            parked = await unsettled.ask_a_person(conn, self.terms, claimed.id)
            told = parked or [Became(out.channel, out.dedup_key, outcome.state)]
            await self.post.tell(conn, self.business_id, told)
        if self.post.limits(claimed.outgoing.channel):
            asked = self._asked(claimed)
            if outcome.state is Status.SENT:
                await rates.works(conn, asked.line)
            elif outcome.state is not Status.UNKNOWN:
                closed_for = outcome.delay if outcome.of_line else None
                await rates.give_back(conn, asked, closed_for=closed_for)

    async def _outcome(self, claimed: Claimed) -> Outcome:
        """Sends; whatever happens becomes an outcome, and what is not known to have failed is unknown."""
        try:
            async with asyncio.timeout(self.post.timeout):
                external_id = await self._send(claimed)
        except SendError as error:
            log.warning("not sent", outgoing=claimed.id, channel=claimed.outgoing.channel, error=type(error).__name__)
            faults = claimed.faults + (not error.of_line)
            limits = self.post.limits(claimed.outgoing.channel)
            if error.permanent or (limits is not None and faults >= limits.most_faults):
                return Outcome(Status.PARKED, reason=str(error))
            longest = limits.longest_pause if limits is not None else LONGEST_WAIT
            delay = max(error.retry_after or 0.0, min(back_off(claimed.attempts, luck()), longest))
            return Outcome(Status.WAITING, None, str(error), delay, error.of_line, faults)
        except Exception as error:  # noqa: BLE001 - a sender's own fault may strike after the message has left
            log.warning("outcome unknown", outgoing=claimed.id, channel=claimed.outgoing.channel)
            reason = str(error) if isinstance(error, OutcomeUnknown) else reason_of(error)
            return Outcome(Status.UNKNOWN, reason=reason, delay=self.post.settled_after(claimed.outgoing.channel))
        return Outcome(Status.SENT, external_id or None)

    async def _send(self, claimed: Claimed) -> str:
        sender = self.post.senders[claimed.outgoing.channel]
        if claimed.resent and sender.settlement is Settlement.BY_LOOKUP and isinstance(sender, LooksUp):
            found = await sender.look_up(claimed.outgoing)
            if found is not None:
                return found
        return await sender.send(claimed.outgoing)
