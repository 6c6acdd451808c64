"""Looking now and then at the statuses of the rotas' people in Slack: what it told of one may never have come.

A round goes through the people of each business, so many in a minute, and each step asks for the next one. What Slack
tells by itself counts more than a look of the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol, runtime_checkable

import msgspec
import structlog
from prometheus_client import Counter

from tallybook.core import schedules as clocks
from tallybook.core.channel import OutcomeUnknown, RateLimited, SendError
from tallybook.core.db import PROD, Conn
from tallybook.core.jobs import Held, NewJob, enqueue

from .service import statuses
from .service.statuses import Status
from .service.telling import CHANNEL
from .store import looks, manners
from .store import statuses as store

LOOK = "triage.statuses"
EVERY_SECONDS = 1800
AT_ONCE = 50  # of one workspace in a minute: half of what Slack lets an app ask for
MINUTE = timedelta(minutes=1)
APART = timedelta(minutes=1)  # by which our clock may be ahead of Slack's

log = structlog.get_logger(__name__)
read = Counter("tallybook_statuses_read_total", "Looks at somebody's status in Slack, by outcome.", ["outcome"])


@runtime_checkable
class Profiles(Protocol):
    """A channel that can be asked how somebody is. Raises a SendError or OutcomeUnknown."""

    async def status_of(self, account: str, person: str) -> tuple[str, int]:
        """The status's emoji, and until when in seconds of 1970; 0 is until it is changed."""


class Step(msgspec.Struct, frozen=True):
    """Whose statuses are to be looked at: of a business, the first ones ``after`` a person. Of none, a round begins."""

    business: int = 0
    after: str = ""


class Whose(msgspec.Struct, frozen=True):
    account: str
    people: Sequence[str]
    now: datetime


class Seen(msgspec.Struct, frozen=True):
    """Up to whom a step came, and in how long the next one is due; None where the round is at its end."""

    last: str
    wait: timedelta | None


def schedules() -> list[clocks.Schedule]:
    """When rounds begin."""
    return [clocks.Schedule("triage.statuses", LOOK, every_seconds=EVERY_SECONDS)]


@dataclass(frozen=True)
class Looker:
    """Looks at the statuses of every business, in prod alone: another environment's rota follows what it is told."""

    profiles: Profiles | None
    at_once: int = AT_ONCE

    async def run_job(self, held: Held) -> None:
        """The job: may be repeated, and by several at once."""
        step = msgspec.convert(held.job.args, Step)
        if self.profiles is None or held.db.environment != PROD:
            await held.db.run("finish a look at statuses", held.finish)
        elif not step.business:
            await held.db.run("begin to look at statuses", partial(_begin, held))
        else:
            whose = await held.db.run("list whose statuses are looked at", partial(self._whose, step))
            seen = await self._looked(held, self.profiles, step, whose)
            await held.db.run("go on looking at statuses", partial(_go_on, held, step, seen, whose.now))

    async def _whose(self, step: Step, conn: Conn) -> Whose:
        now = await looks.clock(conn)
        account, _ = await manners.workspace(conn, step.business, CHANNEL)
        return Whose(account, await store.people(conn, step.business, step.after, self.at_once, now), now)

    async def _looked(self, held: Held, profiles: Profiles, step: Step, whose: Whose) -> Seen:
        last = step.after
        for person in whose.people:
            try:
                emoji, until = await profiles.status_of(whose.account, person)
            except RateLimited as error:
                read.labels("limited").inc()
                return Seen(last, max(timedelta(seconds=error.retry_after or 0.0), MINUTE))
            except (SendError, OutcomeUnknown) as error:
                read.labels("unreachable").inc()
                if isinstance(error, SendError) and error.permanent:
                    last = person
                    continue
                log.warning("Slack cannot be asked for statuses", business=step.business, error=type(error).__name__)
                return Seen(last, None)
            ends = datetime.fromtimestamp(until, UTC) if until else None
            said = Status(person, emoji, ends, whose.now - APART)
            await held.db.run("follow a status", partial(_follow, step.business, said))
            read.labels("read").inc()
            last = person
        return Seen(last, MINUTE if len(whose.people) == self.at_once else None)


async def _follow(business_id: int, said: Status, conn: Conn) -> None:
    await statuses.follow(conn, business_id, said, await looks.clock(conn))


async def _begin(held: Held, conn: Conn) -> None:
    listed = await store.businesses(conn, await looks.clock(conn))
    await enqueue(conn, [_job(held, Step(one), f"{held.job.key}:{one}") for one in listed])
    await held.finish(conn)


async def _go_on(held: Held, step: Step, seen: Seen, now: datetime, conn: Conn) -> None:
    if seen.wait is not None:
        following = Step(step.business, seen.last)
        await enqueue(conn, [_job(held, following, f"{LOOK}:{step.business}:{held.job.id}", now + seen.wait)])
    await held.finish(conn)


def _job(held: Held, step: Step, key: str, not_before: datetime | None = None) -> NewJob:
    return NewJob(held.job.kind, key, msgspec.to_builtins(step), not_before=not_before)
