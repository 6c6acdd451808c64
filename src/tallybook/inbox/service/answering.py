"""Every burst of a customer's messages ends in one recorded decision, whoever and however many decide.

What to answer is thought out without holding anybody up. The decision is made while the thread is held: only if what
was thought of still answers the latest message and the bot still may speak; else it is thought out anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from msgspec import structs
from prometheus_client import Counter, Histogram

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database, is_transient
from tallybook.core.health import Check
from tallybook.core.wakeups import wake_up
from tallybook.inbox import responder
from tallybook.inbox.answer_types import FAQ, Bot, Burst, Choice, Decision, Mode
from tallybook.inbox.contents import Text
from tallybook.inbox.running_clock import by_now
from tallybook.inbox.store import answers as store
from tallybook.inbox.store import model_leases, sending
from tallybook.inbox.store.answers import Due, Made
from tallybook.inbox.store.model_leases import Lease
from tallybook.inbox.store.sending import Held
from tallybook.inbox.types import Source

from . import bot_typing, hooks
from .bot_typing import Shows, Sign
from .filing import TOPIC
from .leaving import Why, leave, may_leave
from .model_answers import Brain, is_left_to_it, reconsider

AT_ONCE = 500  # threads of a look
SIDE_BY_SIDE = 6  # of those whose answers a model thinks out, so that a slow one keeps few waiting
USEFUL = timedelta(minutes=15)  # an answer that could not leave so long is no longer sent
LATE = timedelta(minutes=2)
WRONG = timedelta(minutes=10)
MARGIN_SECONDS = 15.0  # of a lease, beyond what the model may think: for whatever is done around it
CANNOT_SEND = "there is an answer, and it cannot be sent: {why}"
CANNOT = {
    Why.CHANNEL: "not through a number of this kind",
    Why.NOBODY: "nothing is known by which the customer could be written to",
    Why.NO_NUMBER: "the number is not one of this business",
    Why.NO_ACCESS: "the number has no access token",
    Why.WINDOW: "only a template may be sent",
}
FAILED = "no answer could be made"

log = structlog.get_logger()
decided = Counter("tallybook_reply_decisions_total", "Bursts of customers' messages by how they ended.", ["decision"])
waited = Histogram(
    "tallybook_reply_wait_seconds", "How long bursts waited for their decision, those met with silence left out.",
    buckets=(5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600, 1800),
)  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """For whom is decided, what the bot may do there, by what clock, and with what besides the known answers.

    ``begun`` is where this process's monotonic clock stood at ``now``. By ``typing`` customers are shown that the bot
    writes; None where that is not wished.
    """

    business: Business
    bot: Bot
    now: datetime
    brain: Brain | None = None
    begun: float = field(default_factory=time.monotonic)
    typing: Shows | None = None

    def by_now(self) -> Turn:
        """The same by the time that it is by now: a model may have thought for long, and others before it."""
        return replace(self, now=by_now(self.now, self.begun), begun=time.monotonic())


async def decide_due(db: Database, turn: Turn) -> dict[Choice, int]:
    """Decides on every burst of the business that is over; how many ended how.

    A burst on which deciding fails is handed to a person, and stops no other. May be repeated, and run by several.
    """
    made: Tally[Choice] = Tally()
    turn = turn.by_now()
    asked = Due(turn.now - responder.QUIET, turn.now - responder.LONGEST, 0, AT_ONCE)
    while True:
        found = await db.run("find bursts", partial(store.due, business_id=turn.business.id, asked=asked))
        if turn.bot.mode is Mode.OFF:
            made[Choice.SUPPRESSED] += await db.run("suppress", partial(_suppress, turn=turn, conversations=found))
        else:
            ends = await _decide_all(db, turn, found)
            made.update(one.choice for one in ends)
            _observe(ends, turn.by_now().now)
        if len(found) < asked.limit:
            break
        asked = replace(asked, after=found[-1])
    for choice, count in made.items():
        decided.labels(choice).inc(count)
    return {choice: count for choice, count in made.items() if count}


def _observe(ends: list[Decision], now: datetime) -> None:
    for one in ends:
        if one.asked_at is not None and one.choice is not Choice.SUPPRESSED:
            waited.observe(max((now - one.asked_at).total_seconds(), 0.0))


async def _decide_all(db: Database, turn: Turn, conversations: list[int]) -> list[Decision]:
    """Every one comes to its end before a fault is raised."""
    places = asyncio.Semaphore(SIDE_BY_SIDE if turn.brain else 1)

    async def decide(conversation_id: int) -> Decision | None:
        async with places:
            return await decide_one(db, turn, conversation_id)

    ends = await asyncio.gather(*map(decide, conversations), return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return [end for end in ends if isinstance(end, Decision)]


async def _suppress(conn: Conn, turn: Turn, conversations: list[int]) -> int:
    held = await store.hold(conn, turn.business.id, conversations) if conversations else []
    if not held:
        return 0
    count = await store.suppress(conn, turn.business.id, held, responder.OFF, turn.now)
    await store.catch_up(conn, turn.business.id, held)
    return count


async def decide_one(db: Database, turn: Turn, conversation_id: int) -> Decision | None:
    """Thinks out and settles one burst. None: nothing was to be decided, or it is to be thought out anew."""
    for think in (think_out, give_up):
        try:
            turn = turn.by_now()
            thought = await db.run("think", partial(think, turn=turn, conversation_id=conversation_id))
            if thought is not None and turn.brain is not None and think is think_out and is_left_to_it(thought):
                return await _asked(db, turn, turn.brain, thought)
            work = (
                partial(settle, turn=turn, thought=thought)
                if thought
                else partial(_catch_up, turn=turn, conversation_id=conversation_id)
            )
            return await db.run("decide", work)
        except Exception as error:
            if is_transient(error):
                raise
            log.warning("An answer could not be made", conversation=conversation_id, error=type(error).__name__)
    return None


async def _asked(db: Database, turn: Turn, brain: Brain, thought: Decision) -> Decision | None:
    """What the model decides, settled. None where another worker asks it, or has: no burst is asked about twice."""
    lease = Lease(thought.conversation_id, thought.seq, brain.terms.seconds + MARGIN_SECONDS)
    claimed = await db.run("claim burst", partial(_claim, turn=turn, lease=lease))
    if claimed is None:
        return None
    thought, sign = claimed
    try:
        async with sign:
            drafts = turn.bot.mode is Mode.DRAFT
            thought = await reconsider(db, turn.business, brain, thought, drafts=drafts, begins=sign.begin)
        return await db.run("decide", partial(settle, turn=turn.by_now(), thought=thought))
    finally:
        await db.run("release burst", partial(model_leases.release, business_id=turn.business.id, lease=lease))


async def _claim(conn: Conn, turn: Turn, lease: Lease) -> tuple[Decision, Sign] | None:
    """What is thought of the burst now that it is ours: whoever had it before may have decided on it.

    Beside it the sign that the bot writes, which of a burst is shown once, and where it answers by itself.
    """
    claims = await model_leases.claim(conn, turn.business.id, lease)
    if claims is None:
        return None
    thought = await think_out(conn, turn, lease.conversation_id)
    if thought is not None and thought.seq == lease.seq:
        shows = turn.typing if claims == 1 and turn.bot.mode is Mode.AUTO else None
        return thought, await bot_typing.sign(conn, turn.business.id, lease.conversation_id, shows)
    await model_leases.release(conn, turn.business.id, lease)
    return None


async def _burst(conn: Conn, turn: Turn, conversation_id: int) -> Burst | None:
    person, hour = turn.now - responder.PERSON_STAYS, turn.now - responder.HOUR
    return await store.burst(conn, turn.business.id, conversation_id, person, hour)


async def think_out(conn: Conn, turn: Turn, conversation_id: int) -> Decision | None:
    """What would be decided on the burst as it stands; None where there is none, or they have gone on meanwhile.

    Holds nothing.
    """
    burst = await _burst(conn, turn, conversation_id)
    if burst is None or not responder.is_over(burst, turn.now):
        return None
    sought = responder.sought(burst.text) if responder.why_not(burst, turn.bot.mode, turn.now) is None else None
    known = await store.known(conn, turn.business.id, sought) if sought else []
    return responder.decide(burst, turn.bot, known, turn.now)


async def give_up(conn: Conn, turn: Turn, conversation_id: int) -> Decision | None:
    """The burst is a person's, since no answer could be made."""
    burst = await _burst(conn, turn, conversation_id)
    return Decision(conversation_id, burst.seq, Choice.HANDED_OVER, FAILED, failed=FAQ) if burst else None


async def _catch_up(conn: Conn, turn: Turn, conversation_id: int) -> None:
    held = await sending.hold(conn, turn.business.id, conversation_id)
    if held is not None and await _burst(conn, turn, conversation_id) is None:
        await store.catch_up(conn, turn.business.id, [conversation_id])


async def settle(conn: Conn, turn: Turn, thought: Decision) -> Decision | None:
    """Makes a decision true, if it still answers the latest message; None where it does not, or another one stands.

    Holds the thread, so that nothing is filed in it until the answer has its place.
    """
    business_id = turn.business.id
    held = await sending.hold(conn, business_id, thought.conversation_id)
    burst = await _burst(conn, turn, thought.conversation_id) if held is not None else None
    if held is None or burst is None or burst.seq != thought.seq:
        return None
    decision, content = _still(thought, burst, turn), None
    if decision.choice is Choice.ANSWERED:
        decision, content = await _ready(conn, turn, held, decision)
    key = responder.key_of(burst)
    if not await store.decide(conn, business_id, decision, Made(turn.now, burst.asked_at, key if content else None)):
        return None
    if content is not None:
        until = turn.now + USEFUL
        await leave(conn, business_id, held, content, source=Source.BOT, key=key, now=turn.now, until=until)
    if decision.silences_bot:
        await store.silence_bot(conn, business_id, held.id)
    await store.catch_up(conn, business_id, [held.id])
    if decision.choice is Choice.HANDED_OVER:
        await hooks.handed_over(conn, business_id, [(held.id, decision.reason)], decision.failed)
    await wake_up(conn, TOPIC, business_id)
    return structs.replace(decision, asked_at=burst.asked_at)


def _still(thought: Decision, burst: Burst, turn: Turn) -> Decision:
    """The decision as it stands now that the thread is held: somebody may have spoken, or have sent the bot away."""
    reason = responder.why_not(burst, turn.bot.mode, turn.now)
    if reason is None:
        return thought
    return Decision(thought.conversation_id, thought.seq, Choice.SUPPRESSED, reason)


async def _ready(conn: Conn, turn: Turn, held: Held, decision: Decision) -> tuple[Decision, Text | None]:
    """The answer that can be sent; where it cannot, the burst is a person's, with the reason."""
    content = Text(decision.body)
    why = await may_leave(conn, turn.business.id, held, content, turn.now)
    if why is not None:
        reason = CANNOT_SEND.format(why=CANNOT.get(why, why))
        return structs.replace(decision, choice=Choice.HANDED_OVER, reason=reason), None
    return decision, content


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """Whether customers wait for a decision: late after two minutes, wrong after ten."""
    return [judge(*await store.waiting(conn, business.id, now - LATE), now)]


def judge(count: int, since: datetime | None, now: datetime) -> Check:
    """Pure. ``count`` is of those who have waited for longer than a burst can last."""
    facts: dict[str, str | int | float] = {"waiting": count}
    if not count or since is None:
        return Check("decisions", "ok", "On everything that customers wrote it is decided what to answer.", None, facts)
    says = "1 customer waits for a decision." if count == 1 else f"{count} customers wait for a decision."
    return Check("decisions", "wrong" if now - since > WRONG else "late", says, since, facts)
