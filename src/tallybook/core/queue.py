"""A table of waiting work: its statements, and what each promises. core/work.py and core/jobs.py work through it.

A claim is a lease under a token that is new for each batch. Whoever finishes must still hold the token: a worker that
slept through its lease finds that out in the transaction of its effect, which is then rolled back. Leases are reckoned
by the database's clock alone, since workers on several machines would otherwise take from each other by their clocks'
difference. What is *due* may be asked for another moment (``now``), so that a test need not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

import msgspec
from prometheus_client import Counter

from .db import Conn

parked_total = Counter("tallybook_parked_total", "Items put aside with a reason.", ["queue"])


class Waiting(msgspec.Struct, frozen=True):
    """What every waiting row has. ``attempts`` counts this claim too."""

    id: int
    attempts: int


class Delivery(Waiting, frozen=True):
    """A raw webhook body, as it was received."""

    channel: str
    body: bytes
    received_at: datetime


class Parked(msgspec.Struct, frozen=True):
    """An item put aside. ``sort`` is its channel or kind."""

    id: int
    sort: str
    attempts: int
    reason: str


RowT = TypeVar("RowT", bound=Waiting)


@dataclass(frozen=True)
class Plan:
    """How a queue is worked: rows per claim, seconds of lease, and when to give up.

    ``tries`` bounds the claims of one item, so that an item that kills its worker is parked. An item whose handler
    fails is parked at attempt ``patience``. ``sorts`` names the channels or kinds that this worker can handle: others
    are left for a worker that can.
    """

    batch: int = 100
    lease: float = 60.0
    tries: int = 8
    patience: int = 1
    sorts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Retry:
    """An item goes back to waiting for ``delay`` seconds; with none, to its old place in the order.

    Uncounted, the attempt is forgotten. Without a reason, the last one stays.
    """

    delay: float
    reason: str | None = None
    counted: bool = True


class LeaseLost(Exception):
    """The claim was taken over or given up; the transaction of the late effect must not be committed."""


@dataclass(frozen=True)
class Queue(Generic[RowT]):
    """The statements of one table of waiting work. Built by ``queue_of``; each statement stands complete in a field."""

    table: str
    row: type[RowT]
    CLAIM: str
    HOLD: str
    RENEW: str
    FINISH: str
    RETRY: str
    PARK: str
    REPLAY: str
    PARKED: str

    async def claim(self, conn: Conn, worker: UUID, plan: Plan, now: datetime | None = None) -> list[RowT]:
        """Takes up to ``plan.batch`` due rows, those of dead workers too, in the order (not_before, id).

        Rows that were claimed ``plan.tries`` times already without an end are parked here and not returned.
        """
        asked = {
            "worker": worker, "limit": plan.batch, "lease": plan.lease, "now": now,
            "sorts": None if plan.sorts is None else list(plan.sorts),
        }  # fmt: skip
        given_up = f"given up: {plan.tries} workers began it and none came to its end"
        while rows := [self.row(*row) for row in await (await conn.execute(self.CLAIM, asked)).fetchall()]:
            if deadly := [row.id for row in rows if row.attempts > plan.tries]:
                await self.park(conn, worker, deadly, given_up)
            if len(deadly) < len(rows):  # none means that nothing is due, not that all that was due is given up
                return [row for row in rows if row.attempts <= plan.tries]
        return []

    async def hold(self, conn: Conn, worker: UUID) -> set[int]:
        """Locks what ``worker`` still holds until the transaction ends; nobody can take it over meanwhile."""
        return await self._ids(conn, self.HOLD, worker=worker)

    async def renew(self, conn: Conn, worker: UUID, lease: float) -> bool:
        """Lengthens the lease to ``lease`` seconds from now. False: the claim is somebody else's by now."""
        return bool(await self._ids(conn, self.RENEW, worker=worker, lease=lease))

    async def finish(self, conn: Conn, worker: UUID, ids: Sequence[int]) -> None:
        """Marks rows done; called in the transaction of their effect. Twice is as good as once.

        Raises LeaseLost if one of them is no longer this worker's: let it undo the transaction.
        """
        if ids and await self._ids(conn, self.FINISH, worker=worker, ids=list(ids)) != set(ids):
            raise LeaseLost(f"a claim on {self.table} was taken over by another worker")

    async def retry_later(self, conn: Conn, worker: UUID, ids: Sequence[int], retry: Retry) -> set[int]:
        """Gives rows back. Returns those that were still this worker's to give."""
        return await self._ids(
            conn, self.RETRY, worker=worker, ids=list(ids), delay=retry.delay, reason=retry.reason,
            uncounted=0 if retry.counted else 1,
        )  # fmt: skip

    async def park(self, conn: Conn, worker: UUID, ids: Sequence[int], reason: str) -> set[int]:
        """Puts rows aside with their reason, until a person replays them."""
        parked = await self._ids(conn, self.PARK, worker=worker, ids=list(ids), reason=reason)
        parked_total.labels(self.table).inc(len(parked))
        return parked

    async def replay(self, conn: Conn, ids: Sequence[int]) -> set[int]:
        """Parked rows wait again, with all their tries. Returns those that were parked."""
        return await self._ids(conn, self.REPLAY, ids=list(ids))

    async def parked(self, conn: Conn, limit: int = 100, after: int = 0) -> list[Parked]:
        """Parked rows in the order of their ids, beginning after ``after``."""
        rows = await (await conn.execute(self.PARKED, {"limit": limit, "after": after})).fetchall()
        return [Parked(*row) for row in rows]

    async def _ids(self, conn: Conn, statement: str, **values: object) -> set[int]:
        return {row[0] for row in await (await conn.execute(statement, values)).fetchall()}


def _claim(table: str, columns: str, sort: str, only: str = "", few: str = "") -> str:
    """The inner order decides who is served first, the outer one gives the order back that UPDATE does not keep."""
    return f"""
with due as (
    select id{", not_before, attempts, octet_length(body) as size" if few else ""} from {table}
    where state = 'waiting' and not_before <= coalesce(%(now)s::timestamptz, now())
        and (lease_until is null or lease_until <= clock_timestamp())
        and (%(sorts)s::text[] is null or {sort} = any(%(sorts)s::text[])){only}
    order by not_before, id limit %(limit)s::int for update skip locked
){few}, taken as (
    update {table} t set claimed_by = %(worker)s::uuid, attempts = t.attempts + 1,
        lease_until = clock_timestamp() + make_interval(secs => %(lease)s::float8)
    from {"few" if few else "due"} as due where t.id = due.id returning t.*
)
select {columns} from taken order by not_before, id"""


def queue_of(table: str, row: type[RowT], sort: str) -> Queue[RowT]:
    """The statements of ``table``, whose waiting rows are read as ``row`` and told apart by the column ``sort``."""
    ours = "claimed_by = %(worker)s::uuid and state = 'waiting'"
    free = "claimed_by = null, lease_until = null"
    return Queue(
        table,
        row,
        CLAIM=_claim(table, ", ".join(row.__struct_fields__), sort),
        HOLD=f"select id from {table} where {ours} order by id for update",
        RENEW=f"""
update {table} set lease_until = case state when 'waiting' then
    clock_timestamp() + make_interval(secs => %(lease)s::float8) end
where claimed_by = %(worker)s::uuid returning id""",
        FINISH=f"""
update {table} set state = 'done', done_at = coalesce(done_at, now()), lease_until = null, reason = null
where id = any(%(ids)s::bigint[]) and claimed_by = %(worker)s::uuid and state in ('waiting', 'done') returning id""",
        RETRY=f"""
update {table} set {free}, attempts = attempts - %(uncounted)s::int, reason = coalesce(%(reason)s::text, reason),
    not_before = case when %(delay)s::float8 > 0
        then statement_timestamp() + make_interval(secs => %(delay)s::float8) else not_before end
where id = any(%(ids)s::bigint[]) and {ours} returning id""",
        PARK=f"""
update {table} set state = 'parked', {free}, reason = %(reason)s::text
where id = any(%(ids)s::bigint[]) and {ours} returning id""",
        REPLAY=f"""
update {table} set state = 'waiting', {free}, attempts = 0, not_before = now()
where id = any(%(ids)s::bigint[]) and state = 'parked' returning id""",
        PARKED=f"""
select id, {sort}, attempts, reason from {table}
where state = 'parked' and id > %(after)s::bigint order by id limit %(limit)s::int""",
    )


# Of each line the first that is not done, also where another worker has it in hand, or had it and is dead, and where a
# passing fault put it off, which gives no reason. What a handler put off, or a person is asked about, holds nobody up.
# What is of no line comes before whatever is of one and came later.
_HOLDS = "(e.reason is null or e.not_before <= coalesce(%(now)s::timestamptz, now()))"
_LOOSE = f"e.state = 'waiting' and e.channel = any(%(sorts)s::text[]) and e.line = '' and {_HOLDS}"
_FIRST = f"""
        and case when line = '' then id = (
                select e.id from deliveries e where {_LOOSE} order by e.received_at, e.id limit 1)
            else received_at <= coalesce((select min(e.received_at) from deliveries e where {_LOOSE}), 'infinity')
                and not exists (
                    select from deliveries e
                    where e.state = 'waiting' and e.line <> '' and e.channel = deliveries.channel
                        and e.line = deliveries.line and {_HOLDS}
                        and (e.received_at, e.id) < (deliveries.received_at, deliveries.id)) end"""

# Many small bodies or a few large ones. What two workers began and never ended may be what killed them: it goes alone,
# so that nothing is given up with it.
TOGETHER_BYTES = 1_000_000
_FEW = f""", few as (
    select id from (
        select id, attempts, row_number() over due_first as place, first_value(attempts) over due_first as first,
            sum(size) over due_first - size as before
        from due window due_first as (order by not_before, id)
    ) as d
    where before < {TOGETHER_BYTES} and case when first > 1 then place = 1 else attempts <= 1 end
)"""

_COLUMNS = ", ".join(Delivery.__struct_fields__)
DELIVERIES = replace(
    queue_of("deliveries", Delivery, "channel"), CLAIM=_claim("deliveries", _COLUMNS, "channel", few=_FEW)
)
# Each line one after another in the order in which it was received, by however many workers. A plan has one channel.
IN_ORDER = replace(DELIVERIES, CLAIM=_claim("deliveries", _COLUMNS, "channel", _FIRST))
