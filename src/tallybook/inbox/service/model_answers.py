"""A language model thinks about what the known answers do not surely answer: within its limits, and holding nothing up.

No transaction is open while it is asked. Whatever goes wrong, the decision that the known answers gave stands, and says
why the model was of no help.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

import msgspec
import structlog
from msgspec import structs
from prometheus_client import Counter, Histogram

from tallybook.channels.llm.chat import Asked, Call, Fault, Model, ModelFault, Reply, Said
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.inbox import responder
from tallybook.inbox import responder_prompt as prompt
from tallybook.inbox.answer_types import MODEL, Answer, Choice, Decision, ModelTerms, Sought
from tallybook.inbox.responder_prompt import Material
from tallybook.inbox.store import answers, model_days
from tallybook.inbox.store.model_days import Budget, Use

ROUNDS = 4  # of tools, before it must have answered
MOST_CALLS = 4  # of tools in one round
FAULTS = 3  # in a row, after which it is left alone
REST_SECONDS = 60.0
MILLION = 1_000_000
SPENT = "the model has used up its day"
RESTS = "the model is left alone after its faults"
FAULT = "the model {fault}"
ROUND_AND_ROUND = "the model came to no end"
GAVE = "the model answered"
HANDED = "the model handed over: {why}"
UNSURE = "it does not say why"

Begins: TypeAlias = Callable[[], None]
log = structlog.get_logger()
asked_model = Counter("tallybook_reply_model_total", "Questions to the language model by what came of them.", ["ended"])
took = Histogram("tallybook_reply_model_seconds", "How long the language model thought about one answer.")
used = Counter("tallybook_reply_model_tokens_total", "Tokens that the language model was given and gave.")


@dataclass
class Rest:
    """Whether the model is to be left alone, by this process's monotonic clock."""

    faults: int = 0
    until: float = 0.0

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self.until

    def failed(self, seconds: float | None) -> None:
        """``seconds``: how long it wants to be left alone, where it told."""
        self.faults += 1
        if seconds is not None or self.faults >= FAULTS:
            self.until = time.monotonic() + max(seconds or 0.0, REST_SECONDS if self.faults >= FAULTS else 0.0)

    def worked(self) -> None:
        self.faults = 0


@dataclass(frozen=True)
class Brain:
    """A language model and how it answers for one business."""

    model: Model
    terms: ModelTerms
    rest: Rest = field(default_factory=Rest)


class _NoHelp(Exception):
    """There is no answer of the model's. The text says why."""


@dataclass
class _Thinking:
    """One burst that the model thinks about."""

    db: Database
    business: Business
    brain: Brain
    decision: Decision
    material: Material
    begins: Begins
    mark: str = field(default_factory=lambda: f"⟦{secrets.token_hex(8)}⟧")
    ends: float = 0.0
    facts: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ends = time.monotonic() + self.brain.terms.seconds
        self.facts = list(self.material.known)

    async def think(self) -> Decision:
        """The model's decision. Raises _NoHelp."""
        said = list(prompt.opening(self.material, self.mark))
        for _ in range(ROUNDS):
            reply = await self._ask(said)
            if not reply.calls:
                return self._answered(reply)
            calls = reply.calls[:MOST_CALLS]
            handed = next((self._handed(one) for one in calls if one.name == prompt.HAND_OVER), None)
            if handed is not None:
                return handed
            said.append(Said("assistant", reply.text, calls))
            said += [Said("tool", await self._use(one), answers=one.id) for one in calls]
        raise _NoHelp(ROUND_AND_ROUND)

    async def _ask(self, said: Sequence[Said]) -> Reply:
        terms = self.brain.terms
        taken = Use(prompt.tokens_of(said), terms.max_tokens, terms.price_in, terms.price_out)
        day = datetime.now(UTC).astimezone(self.business.zone).date()
        budget = Budget(self.business.id, day, terms.tokens_per_day, round(terms.cost_per_day * MILLION))
        if not await self.db.run("take tokens", partial(model_days.take, budget=budget, use=taken)):
            raise _NoHelp(SPENT)
        left = self.ends - time.monotonic()
        asked = Asked(terms.name, tuple(said), prompt.TOOLS, terms.max_tokens, max(left, 0.1))
        self.begins()
        try:
            reply = await self.brain.model.ask(asked)
        except ModelFault as fault:
            # What failed may have been thought out all the same, and paid for; what was never taken was not.
            if fault.fault in {Fault.KEY, Fault.BUSY, Fault.AWAY, Fault.REFUSED}:
                await self._put_right(budget, taken, Use(0, 0))
            self.brain.rest.failed(fault.retry_after)
            raise _NoHelp(FAULT.format(fault=fault.fault)) from None
        self.brain.rest.worked()
        if reply.tokens_in is not None and reply.tokens_out is not None:
            told = Use(max(reply.tokens_in, 0), max(reply.tokens_out, 0), terms.price_in, terms.price_out)
            used.inc(told.tokens)
            await self._put_right(budget, taken, told)
        return reply

    async def _put_right(self, budget: Budget, taken: Use, told: Use) -> None:
        await self.db.run("put tokens right", partial(model_days.put_right, budget=budget, taken=taken, used=told))

    def _answered(self, reply: Reply) -> Decision:
        text = reply.text.strip()
        sources = [self.material.persona, *(one.answer for one in self.facts), *(one.question for one in self.facts)]
        fault = prompt.TOO_LONG if reply.cut else prompt.fault_in(text, self.mark, sources)
        if fault is not None:
            raise _NoHelp(FAULT.format(fault=f"gave nothing that may be sent: {fault}"))
        return structs.replace(self.decision, choice=Choice.ANSWERED, reason=GAVE, body=text, responder=MODEL)

    def _handed(self, call: Call) -> Decision:
        why = str(_arguments(call).get("why", ""))
        reason = HANDED.format(why=prompt.WHYS.get(why, UNSURE))
        silences = why == "asked_for_person"
        return structs.replace(
            self.decision, choice=Choice.HANDED_OVER, reason=reason, body="", silences_bot=silences, responder=MODEL
        )

    async def _use(self, call: Call) -> str:
        """What a tool says. It reads; none of them changes anything."""
        if call.name == prompt.FIND:
            question = str(_arguments(call).get("question", ""))[: prompt.LONGEST_LINE]
            sought = responder.sought(question)
            found = await self._known(sought) if sought else []
            self.facts += found
            return prompt.facts_of(found) or "Nothing is known."
        if call.name == prompt.CUSTOMER:
            work_too = partial(model_days.customer, business_id=self.business.id, thread=self.decision.conversation_id)
            told = await self.db.run("look up customer", work_too)
            return f"{self.mark}\n{prompt.customer(told, self.mark)}\n{self.mark}"
        return "There is no such tool."

    async def _known(self, sought: Sought) -> list[Answer]:
        work = partial(answers.known, business_id=self.business.id, sought=sought)
        return (await self.db.run("search answers", work))[: prompt.MOST_FACTS]


def _arguments(call: Call) -> dict[str, object]:
    """What the model gave a tool; nothing where it is no JSON object."""
    try:
        return msgspec.json.decode(call.arguments, type=dict[str, object])
    except msgspec.DecodeError:
        return {}


def is_left_to_it(decision: Decision) -> bool:
    """Whether the model is asked: where the bot may speak and the customer asked for nobody else. Pure."""
    return decision.choice in {Choice.ANSWERED, Choice.DRAFTED} or decision.reason == responder.NOT_SURE


async def reconsider(
    db: Database, business: Business, brain: Brain, decision: Decision, *, drafts: bool, begins: Begins = lambda: None
) -> Decision:
    """What the model decides, where anything is left to it; else the decision as it is, with why it did not help.

    ``drafts``: a person sends what it says. ``begins`` is called when it is really asked, each time.
    """
    if not is_left_to_it(decision):
        return decision
    if brain.rest.lasts:
        return _without(decision, RESTS)
    material = await db.run("gather", partial(_gather, business=business, brain=brain, decision=decision))
    thinking = _Thinking(db, business, brain, decision, material, begins)
    begun = time.monotonic()
    try:
        thought = await thinking.think()
    except _NoHelp as why:
        log.warning("The model was of no help", conversation=decision.conversation_id, why=str(why))
        asked_model.labels("no help").inc()
        return _without(decision, str(why))
    finally:
        took.observe(time.monotonic() - begun)
    asked_model.labels(thought.choice).inc()
    if thought.choice is Choice.ANSWERED and drafts:
        return structs.replace(thought, choice=Choice.DRAFTED)
    return thought


async def _gather(conn: Conn, business: Business, brain: Brain, decision: Decision) -> Material:
    """What the model is shown."""
    lines = await model_days.history(conn, business.id, decision.conversation_id, decision.seq, brain.terms.history)
    asked = next((one.body for one in reversed(lines) if one.source == "customer"), "")
    sought = responder.sought(asked)
    known = await answers.known(conn, business.id, sought) if sought else []
    return Material(business.name, brain.terms.persona, lines, known[: prompt.MOST_FACTS])


def _without(decision: Decision, why: str) -> Decision:
    return structs.replace(decision, reason=f"{decision.reason}; {why}", failed=MODEL)
