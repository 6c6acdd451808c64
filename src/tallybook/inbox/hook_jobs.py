"""Delivers what other programs are told, all day: in order in each thread, again until it arrives, a day at most.

Each hook has its own few senders, so that one that hangs holds back no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog
from prometheus_client import Counter

from tallybook.channels.webhook_out.calls import Answer, Call
from tallybook.core import audit
from tallybook.core.channel import Refused, Unreachable
from tallybook.core.db import PROD, Conn, Database, is_transient
from tallybook.core.errors import WrongSetup
from tallybook.core.sealing import Seal
from tallybook.core.standing import Rhythm, again_and_again
from tallybook.core.work import back_off, luck

from . import hook_events
from .hook_events import Tried
from .store import hook_deliveries as store
from .store.hook_deliveries import Claimed

PRODUCT = "Tallybook"
PAUSE_SECONDS = 5.0  # in which a host that could not be reached is left alone
WAITS = "What other programs are told waits"

told = Counter("tallybook_hook_events_total", "Events that other programs were told, by what became of it.", ["became"])
log = structlog.get_logger(__name__)


class Posts(Protocol):
    """Who calls a web address."""

    async def post(self, call: Call) -> Answer: ...


@dataclass(frozen=True)
class Pace:
    """How hooks are told: events in flight for one hook, hooks at once; the rest in seconds."""

    at_once: int = 4
    hooks: int = 50
    idle: float = 1.0
    lease: float = 60.0


@dataclass
class Teller:
    """Tells the hooks of every business."""

    db: Database
    seal: Seal
    posts: Posts
    pace: Pace = Pace()
    _running: dict[tuple[int, int], asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        """Tells until ``stop`` is set; what is being told then comes to its end."""
        try:
            rhythm = Rhythm(stop, self.pace.idle, wake)
            await again_and_again(self.db, rhythm, partial(self.look, stop), WAITS)
        finally:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def look(self, stop: asyncio.Event) -> None:
        """Begins with every hook for which something is due and nobody of this process is at work."""
        self._running = {hook: task for hook, task in self._running.items() if not task.done()}
        for hook in await self.db.run("look for events", store.busy):
            if hook not in self._running and len(self._running) < self.pace.hooks:
                self._running[hook] = asyncio.create_task(self._kept(self.deliver(hook, stop)))

    async def _kept(self, work: Coroutine[Any, Any, None]) -> None:
        """A fault of one hook is told and is no other's; the next look begins with it again."""
        try:
            await work
        except Exception as error:
            if not is_transient(error):
                log.exception("A webhook stands still for a moment")

    async def deliver(self, hook: tuple[int, int], stop: asyncio.Event) -> None:
        """Tells one hook, (business, number), until nothing is due."""
        if self.db.environment != PROD:
            await self.db.run("keep events", partial(_capture, hook))
            return
        async with asyncio.TaskGroup() as group:
            for _ in range(self.pace.at_once):
                group.create_task(self._lane(hook, stop))

    async def _lane(self, hook: tuple[int, int], stop: asyncio.Event) -> None:
        while not stop.is_set():
            worker = uuid4()
            claimed = await self.db.run("claim an event", partial(self._claim, hook, worker))
            if claimed is None:
                return
            how = await self._tried(claimed)
            await self.db.run("record an event", partial(record, hook, worker, claimed, how))

    async def _claim(self, hook: tuple[int, int], worker: UUID, conn: Conn) -> Claimed | None:
        return await store.claim(conn, hook, worker, self.pace.at_once, self.pace.lease)

    async def _tried(self, claimed: Claimed) -> Tried:
        """Calls; whatever happens becomes a try that arrived or did not."""
        try:
            url, secrets = self._opened(claimed)
            answer = await self.posts.post(Call(url, secrets, claimed.key, claimed.body.encode()))
        except WrongSetup:
            return Tried(ok=False, status=None, says="The secret cannot be opened.", pause=PAUSE_SECONDS)
        except Refused as error:
            return Tried(ok=False, status=None, says=str(error), pause=PAUSE_SECONDS)
        except Unreachable as error:
            return Tried(ok=False, status=None, says=str(error), pause=PAUSE_SECONDS)
        except TimeoutError:
            return Tried(ok=False, status=None, says="No answer in time.")
        except (OSError, ValueError) as error:
            return Tried(ok=False, status=None, says=f"The line broke ({type(error).__name__}).")
        return hook_events.tried(answer.status, hook_events.shown(answer.says, [url, *secrets]), answer.wait)

    def _opened(self, claimed: Claimed) -> tuple[str, list[str]]:
        sealed = [claimed.secret, *([claimed.old_secret] if claimed.old_secret else [])]
        return self.seal.open(claimed.url), [self.seal.open(one) for one in sealed]


async def record(hook: tuple[int, int], worker: UUID, claimed: Claimed, how: Tried, conn: Conn) -> None:
    """Writes a try down: delivered, to be tried again, or given up after a day; what only fails is switched off."""
    state, delay = _next(claimed, how, datetime.now(UTC))
    failing = None
    if how.ok:
        await store.well(conn, hook)
    else:
        failing = await store.ill(conn, hook, how.pause)
    if not await store.record(conn, hook, worker, (claimed.id, state, delay), how):
        return
    told.labels(state).inc()
    if failing is None:
        return
    failures, since = failing
    only_fails = failures >= hook_events.OFF_FAILURES and datetime.now(UTC) - since >= hook_events.OFF_AFTER
    if how.gone or only_fails:
        await _switch_off(conn, hook, how)


def _next(claimed: Claimed, how: Tried, now: datetime) -> tuple[str, float]:
    """The event's state after a try, and the seconds until the next. Pure, but for luck."""
    if how.ok:
        return "delivered", 0.0
    if now - claimed.first_tried_at >= hook_events.GIVE_UP_AFTER:
        return "parked", 0.0
    return "waiting", max(back_off(claimed.attempts, luck()), how.pause)


async def _switch_off(conn: Conn, hook: tuple[int, int], how: Tried) -> None:
    name = await store.switch_off(conn, hook)
    if name is not None:
        about = ("hook.switched_off", "hook", str(hook[1]), None, {"name": name, "status": how.status})
        await audit.record(conn, hook[0], PRODUCT, None, *about)
        log.warning("A webhook was switched off: it only failed", hook=hook[1])


async def _capture(hook: tuple[int, int], conn: Conn) -> None:
    await store.capture(conn, hook)
