"""What the inbox must say, worked out from what customers wrote: short, slow, and sharing nothing with the product.

``differences`` compares the database, and what the Cloud API counted, with it; no sentence means that all is right.
What depends on when the product was there (which messages make a burst, whether a person was quicker than the bot) is
taken from the database, and judged.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

from tests.proof.customers import ANSWERS, KEYWORD, PERSON, RULE_SAYS, Answer, Said

ASK_A_PERSON = "only a person can find out whether it was sent"
NOT_LEFT = "there was an answer, and it was not sent"
FAR = {"sent": 1, "delivered": 2, "read": 3}


class Message(NamedTuple):
    phone: str
    seq: int
    source: str
    type: str
    body: str
    status: str
    id: str | None
    key: str | None
    counted: bool
    at: float


class Decision(NamedTuple):
    phone: str
    seq: int
    choice: str
    reason: str
    key: str | None


MESSAGES = """
select ltrim(c.customer_number, '+'), m.seq, m.source, m.message_type, m.body, m.status, m.provider_message_id,
    m.outgoing_key, m.counted, extract(epoch from m.said_at)::float8
from whatsapp_message m join whatsapp_conversation c on c.business_id = m.business_id and c.id = m.conversation_id
order by 1, 2
"""
DECISIONS = """
select ltrim(c.customer_number, '+'), d.seq, d.decision, d.reason, d.outgoing_key
from reply_decisions d join whatsapp_conversation c on c.business_id = d.business_id and c.id = d.conversation_id
where d.decision <> 'withdrawn' order by 1, 2
"""
THREADS = """
select ltrim(c.customer_number, '+'), c.last_seq, c.inbound, c.decided_inbound from whatsapp_conversation c order by 1
"""
OUTBOX = "select dedup_key, state, coalesce(reason, '') from outbox order by id"
RUNS = """
select ltrim(c.customer_number, '+'), r.outcome from automation_runs r
join whatsapp_conversation c on c.business_id = r.business_id and c.id = r.conversation_id order by 1
"""
FILES = """
select m.provider_message_id, f.state, encode(f.sha256, 'hex') from inbox_files f
join whatsapp_message m on m.business_id = f.business_id and m.id = f.message_id order by 1
"""
TROUBLE = """
select (select count(*) from deliveries where state = 'parked'), (select count(*) from jobs where state = 'parked'),
    (select count(*) from messages where parked_reason is not null),
    (select count(*) from constraint_violations where not answered)
"""


@dataclass
class Books:
    """What the database says, as of one moment."""

    messages: list[Message] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    threads: list[tuple[Any, ...]] = field(default_factory=list)
    outbox: dict[str, tuple[str, str]] = field(default_factory=dict)
    runs: list[tuple[Any, ...]] = field(default_factory=list)
    files: list[tuple[Any, ...]] = field(default_factory=list)
    trouble: tuple[int, ...] = ()

    @property
    def by_source(self) -> Counter[str]:
        return Counter(one.source for one in self.messages)

    @property
    def by_choice(self) -> Counter[str]:
        return Counter(one.choice for one in self.decisions)


def read_books(owner_url: str) -> Books:
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(statement.encode()).fetchall()

        return Books(
            [Message(*row) for row in rows(MESSAGES)], [Decision(*row) for row in rows(DECISIONS)], rows(THREADS),
            {key: (state, reason) for key, state, reason in rows(OUTBOX)}, rows(RUNS), rows(FILES), rows(TROUBLE)[0],
        )  # fmt: skip


@dataclass
class Happened:
    """All that really happened: what was said, answered by people, shown, and taken by the Cloud API.

    ``taken`` are (our key, the API's id, the text, to whom); ``reported`` how far each id came.
    """

    said: list[Said] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    taken: list[tuple[str, str, str, str]] = field(default_factory=list)
    reported: dict[str, str] = field(default_factory=dict)


def differences(books: Books, happened: Happened, *, final: bool) -> list[str]:
    """What is wrong. Until the end a message may be ``unknown`` that was claimed and never reached the Cloud API."""
    found = [*_heard(books, happened), *_answered(books, happened), *_threads(books), *_files(books, happened)]
    found += [*_ruled(books), *_decided(books), *_sent(books, happened, final=final), *_reported(books, happened)]
    return found + [f"in trouble: {books.trouble}"] * any(books.trouble)


def _unlike(what: str, wanted: Iterable[Any], there: Iterable[Any]) -> list[str]:
    more, less = Counter(there), Counter(wanted)
    return [f"{what} too much: {one}" for one in (more - less).elements()] + [
        f"{what} missing: {one}" for one in (less - more).elements()
    ]


def _heard(books: Books, happened: Happened) -> list[str]:
    wanted = [(one.phone, one.id, "human" if one.by_us else "customer", one.type, one.body) for one in happened.said]
    there = [(one.phone, one.id, one.source, one.type, one.body) for one in books.messages if one.key is None]
    return _unlike("message", wanted, there)


def _answered(books: Books, happened: Happened) -> list[str]:
    there = [(one.phone, one.body) for one in books.messages if one.source == "human" and one.key is not None]
    return _unlike("answer of a person", [(one.phone, one.text) for one in happened.answers], there)


def _ruled(books: Books) -> list[str]:
    asked = [one.phone for one in books.messages if one.source == "customer" and KEYWORD in one.body]
    there = [(one.phone, one.body) for one in books.messages if one.source == "automation"]
    return _unlike("run", [(phone, "done") for phone in asked], books.runs) + _unlike(
        "message of the rule", [(phone, RULE_SAYS) for phone in asked], there
    )


def _by_phone(messages: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for one in messages:
        found[one.phone].append(one)
    return found


def _threads(books: Books) -> list[str]:
    wanted = []
    for phone, some in _by_phone(books.messages).items():
        inbound = sum(one.source == "customer" for one in some)
        wanted.append((phone, len(some), inbound, inbound))
        if [one.seq for one in some] != list(range(1, len(some) + 1)):
            return [f"the places in a thread are {[one.seq for one in some]}"]
    return _unlike("thread", wanted, books.threads)


def _files(books: Books, happened: Happened) -> list[str]:
    wanted = [(one, "kept", hashlib.sha256(content).hexdigest()) for one, content in happened.files.items()]
    return _unlike("file", wanted, books.files)


def _decided(books: Books) -> list[str]:
    """Each burst, judged by what is in it and what was in its thread before."""
    found, decisions = [], _by_phone(books.decisions)
    answers = {one.key: one for one in books.messages if one.source == "bot"}
    for phone, some in _by_phone(books.messages).items():
        burst: list[Message] = []
        ends = {one.seq: one for one in decisions[phone]}
        silenced = False
        for one in some:
            burst += [one] if one.counted else []
            decision = ends.pop(one.seq, None)
            if decision is None:
                continue
            found += _judged(decision, burst, some, answers, books.outbox, silenced=silenced)
            silenced = silenced or (PERSON in [each.body for each in burst] and decision.choice == "handed_over")
            burst = []
        found += [f"a burst without a decision: {burst}"] * bool(burst) + [f"for no burst: {ends}"] * bool(ends)
    keys = [one.key for one in books.decisions if one.key is not None]
    left = [key for key in answers if books.outbox[str(key)][0] != "dropped"]
    return found + _unlike("answer of the bot", keys, left)


def _judged(
    decision: Decision,
    burst: list[Message],
    thread: list[Message],
    answers: dict[str | None, Message],
    outbox: dict[str, tuple[str, str]],
    *,
    silenced: bool,
) -> list[str]:
    wrong = [f"{decision} of {[one.body for one in burst]}"]
    asked = {one.body for one in burst if one.body in ANSWERS}
    human = [one.seq for one in thread if one.source == "human"]
    late = all(any(other.seq < one.seq and other.at > one.at for other in thread) for one in burst)
    if silenced or any(one.type != "text" for one in burst) or any(seq < decision.seq for seq in human):
        return wrong * (decision.choice != "suppressed")
    if decision.choice == "suppressed":
        return wrong * (not human and not late)
    if PERSON in [one.body for one in burst] or len(asked) != 1:
        return wrong * (decision.choice != "handed_over" or decision.key is not None)
    there = answers.get(decision.key)
    if there is None or there.body != ANSWERS[asked.pop()]:
        return wrong
    lost = decision.choice == "handed_over" and decision.reason.startswith(NOT_LEFT)
    return wrong * (not lost if outbox[str(decision.key)][0] == "parked" else decision.choice != "answered")


def _sent(books: Books, happened: Happened, *, final: bool) -> list[str]:
    """Each message of ours was taken once, or it says honestly that it did not leave; and nothing else was taken."""
    taken = Counter(key for key, *_ in happened.taken)
    found = [f"sent {count} times: {key}" for key, count in taken.items() if count > 1]
    found += [f"sent by nobody: {key}" for key in taken if key not in books.outbox]
    words = {one.key: (one.phone, one.body) for one in books.messages if one.key is not None}
    found += [f"sent otherwise: {key}" for key, _, text, to in happened.taken if words.get(key) != (to, text)]
    for key, (state, reason) in books.outbox.items():
        waits = state == "unknown" and not final
        honest = state == "dropped" or waits or (state == "parked" and ASK_A_PERSON in reason)
        if taken[key] != (state in FAR) or not (state in FAR or honest):
            found.append(f"{key} is {state} ({reason}), taken {taken[key]} times")
    return found


def _reported(books: Books, happened: Happened) -> list[str]:
    echoes = {one.id: "read" for one in happened.said if one.by_us}
    wanted = [(one, became) for one, became in (happened.reported | echoes).items()]
    there = [(one.id, one.status) for one in books.messages if one.source != "customer" and one.status in FAR]
    return _unlike("state", wanted, there)
