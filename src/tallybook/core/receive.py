"""What a webhook brings is kept before it is answered: committed in PostgreSQL, or in the spool while that is away.

One writer per process commits up to 256 waiting bodies as one insert. While a commit takes over two seconds, or the
database is away, bodies go to the spool, and a second task replays the spool until the database has taken everything.
A body that took both ways, or that its sender repeats, is one row by its key. Memory is bounded: what is over the bound
is refused, so that the sender comes again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec
import structlog
from prometheus_client import Counter, Histogram

from .db import Database
from .errors import Unavailable
from .received import TOPIC, Received, fresh, new_of, store
from .spool import Replayed, Spool

__all__ = ["TOPIC", "Received", "store"]  # where whoever keeps a body looks for them

UNREADABLE = "unreadable"
# How often somebody looks for what dead processes spooled.
ORPHANS_SECONDS = 30.0

Item = TypeVar("Item")
Outcome: TypeAlias = Unavailable | bool

kept = Counter("tallybook_received_total", "Webhook bodies by where they were kept.", ["where"])
took = Histogram("tallybook_receive_commit_seconds", "Time to commit a group of webhook bodies.")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Bounds:
    """How much one process holds in memory, and how patiently. Times in seconds.

    A group is at most ``group`` bodies and about ``group_bytes``. ``patience`` is how long a commit may take before its
    bodies are spooled too; ``answer_within`` how long a sender is kept waiting at all; ``late`` how many overdue
    commits may be left to come to their end.
    """

    waiting: int = 2048
    waiting_bytes: int = 64_000_000
    group: int = 256
    group_bytes: int = 4_000_000
    patience: float = 2.0
    answer_within: float = 10.0
    late: int = 2
    look_again: float = 0.5
    look_at_most: float = 5.0


class _Post(NamedTuple):
    """A body that is waiting, and whom to tell, until when: whether it is new once it is durable, or why it is not."""

    received: Received
    durable: asyncio.Future[Outcome]
    until: float


def from_spool(record: bytes) -> Received:
    """A body that was spooled. What cannot be read is kept all the same, under a channel of its own."""
    try:
        return msgspec.msgpack.decode(record, type=Received)
    except msgspec.MsgspecError:
        log.warning("A spooled record cannot be read and is kept as it is", record_bytes=len(record))
        return Received(UNREADABLE, record, datetime.now(UTC))


async def replay(db: Database, spool: Spool, bounds: Bounds = Bounds()) -> Replayed:
    """Stores everything that was spooled by us and by processes that are gone. Twice is as good as once.

    Raises the database's fault; what was not stored stays in the spool.
    """

    async def handle(records: list[bytes]) -> None:
        left = deque(from_spool(record) for record in records)
        while left:
            await db.run("replay the spool", partial(store, some=_group(left, bounds, lambda received: received)))

    return await spool.replay(handle, batch=bounds.group)


def _group(left: deque[Item], bounds: Bounds, body_of: Callable[[Item], Received]) -> list[Item]:
    """Takes the next group off ``left``: at least one, and few enough for one statement."""
    group: list[Item] = []
    room = bounds.group_bytes
    while left and len(group) < bounds.group and (not group or len(body_of(left[0]).body) <= room):
        room -= len(body_of(left[0]).body)
        group.append(left.popleft())
    return group


class Receiver:
    """Keeps bodies, in one process. Opened by ``receiving``, which also runs its two tasks."""

    def __init__(self, db: Database, spool: Spool, bounds: Bounds) -> None:
        self._db = db
        self._spool = spool
        self._bounds = bounds
        self._waiting: deque[_Post] = deque()
        # One clock for all of them: a timer for each would cost more than the rest of their waiting.
        self._unanswered: deque[_Post] = deque()
        self._late_at: asyncio.TimerHandle | None = None
        self._posts = 0
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._mend = asyncio.Event()
        self._late: set[asyncio.Task[set[bytes]]] = set()
        self._closed = False
        self.away = False

    async def receive(self, channel: str, body: bytes, line: str = "") -> bool:
        """Keeps a body; returns when it is durable, with whether it is new as far as that is known by then.

        Raises Unavailable: the sender must come again.
        """
        bounds = self._bounds
        if self._closed or self._posts >= bounds.waiting or self._bytes + len(body) > bounds.waiting_bytes:
            kept.labels("refused").inc()
            raise Unavailable("Too much is waiting to be kept. Please send it again.")
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[Outcome] = loop.create_future()
        post = _Post(Received(channel, body, datetime.now(UTC), line), durable, loop.time() + bounds.answer_within)
        self._waiting.append(post)
        self._unanswered.append(post)
        self._posts += 1
        self._bytes += len(body)
        self._arrived.set()
        if self._late_at is None:
            self._late_at = loop.call_at(post.until, self._refuse_late)
        outcome = await durable
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    async def set_aside(self, channel: str, body: bytes, line: str = "") -> None:
        """Keeps a body in the spool at once, for who has no time left to wait for the database. Raises Unavailable."""
        refusal = await self._spool_one(Received(channel, body, datetime.now(UTC), line))
        if refusal is not None:
            raise refusal

    async def write(self) -> None:
        """The writer: group after group, until ``close`` and nothing waits."""
        while not (self._closed and not self._waiting):
            await self._arrived.wait()
            group = _group(self._waiting, self._bounds, lambda post: post.received)
            if not self._waiting and not self._closed:
                self._arrived.clear()
            outcomes: Sequence[Outcome] | None = None
            try:
                outcomes = await self._keep([post.received for post in group])
            except Exception:
                log.exception("Bodies could not be kept; their senders are asked to come again", count=len(group))
            finally:
                self._settle(group, outcomes or [Unavailable("It could not be kept.") for _ in group])

    async def mend(self) -> None:
        """Replays the spool whenever something lies in it, and finds out when the database is back."""
        pause = self._bounds.look_again
        self._mend.set()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._mend.wait(), ORPHANS_SECONDS)
            # A cancellation that comes together with the event is swallowed by the wait, so it is not relied on alone.
            if self._closed:
                return
            self._mend.clear()
            try:
                await self._replay()
                pause = self._bounds.look_again
            except Exception as error:  # noqa: BLE001 - whatever it is: what was spooled stays, and is tried again
                if not self._db.is_away:
                    log.warning("The spool cannot be replayed yet", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._bounds.look_at_most)
                self._mend.set()

    async def close(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Keeps what still waits, then ends the ``tasks``: the writer's first."""
        self._closed = True
        self._arrived.set()
        self._mend.set()
        writer, *others = tasks
        await asyncio.wait({writer}, timeout=self._bounds.answer_within)
        if self._late:
            await asyncio.wait(self._late, timeout=self._bounds.patience)
        for task in (writer, *others, *self._late):
            task.cancel()
        await asyncio.wait({writer, *others, *self._late}, timeout=self._bounds.answer_within)

    async def _keep(self, some: list[Received]) -> Sequence[Outcome]:
        hashes = await self._commit(some) if not self.away and some else None
        if hashes is not None:
            return new_of(some, hashes)
        refusals = await asyncio.gather(*(self._spool_one(received) for received in some))
        return [True if refusal is None else refusal for refusal in refusals]

    async def _commit(self, some: list[Received]) -> set[bytes] | None:
        """Commits a group; the hashes of what was new in it, None if that failed or is not known yet.

        A commit that is late is left to come to its end: by their key its bodies and the spooled ones are the same.
        """
        began = time.perf_counter()
        commit = asyncio.create_task(self._db.run("receive", partial(fresh, some=some)))
        done, _ = await asyncio.wait({commit}, timeout=self._bounds.patience)
        if done and commit.exception() is None:
            took.observe(time.perf_counter() - began)
            kept.labels("database").inc(len(some))
            return commit.result()
        why = type(commit.exception()).__name__ if done else "it takes too long"
        log.warning("Webhooks are spooled: the database does not take them", why=why, count=len(some))
        if not done:
            self._late.add(commit)
            commit.add_done_callback(self._late_ended)
        self.away = True
        self._mend.set()
        return None

    def _late_ended(self, commit: asyncio.Task[set[bytes]]) -> None:
        self._late.discard(commit)
        if not commit.cancelled():
            commit.exception()  # seen: its bodies are in the spool

    async def _spool_one(self, received: Received) -> Unavailable | None:
        try:
            await self._spool.append(msgspec.msgpack.encode(received))
        except Unavailable as refusal:
            kept.labels("refused").inc()
            return refusal
        kept.labels("spool").inc()
        self._mend.set()
        return None

    async def _replay(self) -> None:
        if self.away:
            async with self._db.transaction():
                pass
        replayed = await replay(self._db, self._spool, self._bounds)
        if replayed.records:
            log.info("Replayed what was spooled", count=replayed.records, quarantined=replayed.quarantined)
        # Commits that hang for ever hold a connection each: with too many of them the spool is the better way.
        if self.away and len(self._late) < self._bounds.late:
            self.away = False
            log.info("The database takes webhooks again")

    def _settle(self, group: Sequence[_Post], outcomes: Sequence[Outcome]) -> None:
        for post, outcome in zip(group, outcomes, strict=True):
            self._posts -= 1
            self._bytes -= len(post.received.body)
            if not post.durable.done():
                post.durable.set_result(outcome)
        while self._unanswered and self._unanswered[0].durable.done():
            self._unanswered.popleft()

    def _refuse_late(self) -> None:
        loop = asyncio.get_running_loop()
        while self._unanswered and self._unanswered[0].until <= loop.time():
            post = self._unanswered.popleft()
            if not post.durable.done():
                post.durable.set_result(Unavailable("It could not be kept in time. Please send it again."))
        self._late_at = loop.call_at(self._unanswered[0].until, self._refuse_late) if self._unanswered else None


@asynccontextmanager
async def receiving(db: Database, folder: Path, limit_bytes: int, bounds: Bounds = Bounds()) -> AsyncIterator[Receiver]:
    """A Receiver with its spool below ``folder``, bounded to ``limit_bytes``; what waits is kept before it closes.

    Raises WrongSetup where the folder cannot be used.
    """
    async with Spool.open(folder, limit_bytes) as spool:
        receiver = Receiver(db, spool, bounds)
        tasks = [asyncio.create_task(receiver.write()), asyncio.create_task(receiver.mend())]
        try:
            yield receiver
        finally:
            await receiver.close(tasks)
