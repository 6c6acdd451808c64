"""Filing: what customers and our people say becomes messages of threads, exactly once, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import structlog
from prometheus_client import Counter

from tallybook.core import arrivals
from tallybook.core.arrivals import Arrived
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.log import lines
from tallybook.core.messages import Stored
from tallybook.core.repeats import Repeat
from tallybook.inbox import broadcast_rules, news_rules, rules, template_rules
from tallybook.inbox.broadcast_rules import Preference
from tallybook.inbox.hook_events import Event, Kind
from tallybook.inbox.rules import Read
from tallybook.inbox.rules_identity import Move, moves
from tallybook.inbox.store import entries
from tallybook.inbox.store import filing as store
from tallybook.inbox.store.filing import Conversation, Row, Tracked
from tallybook.inbox.store.identities import Contact
from tallybook.inbox.store.numbers import hold
from tallybook.inbox.template_types import News
from tallybook.inbox.types import Customer, Filed, Place, Said, Source

from . import automation_causes, changes, consent, echoes, hooks, media, moving, people, phones, reports, template_news

TOPIC = "inbox"

log = structlog.get_logger()
duplicates = Counter("tallybook_inbox_duplicates_total", "Messages that a thread had already.", ["channel"])
beside = Counter("tallybook_inbox_news_total", "What channels told besides messages, by kind.", ["channel", "kind"])


@dataclass(frozen=True)
class Batch:
    """What was read of a batch: what was said, who is somebody else now, and what came for each account."""

    said: Read
    moves: list[Move]
    arrived: list[Arrived]
    news: list[News]
    preferences: list[Preference]
    beside: dict[tuple[str, str], int]


class Inbox:
    """Who files the messages of the channels on which customers write."""

    def read(self, stored: Sequence[Stored]) -> Batch:
        """What these messages say. Pure."""
        return Batch(
            rules.read(stored),
            moves(stored),
            arrivals.arrived(stored),
            template_rules.news(stored),
            broadcast_rules.preferences(stored),
            news_rules.counted(stored),
        )

    async def file(self, conn: Conn, business: Business, batch: Batch) -> list[Filed]:
        """Files a batch in the caller's transaction. What is in a thread already does nothing again."""
        async with hooks.at_its_end(conn, business.id):
            return await _all_filed(conn, business, batch)


async def _all_filed(conn: Conn, business: Business, batch: Batch) -> list[Filed]:
    told = batch.said
    if told.numbers:
        await hold(conn, business.id, told.numbers)
    now = datetime.now(UTC)
    ours = await echoes.settle(conn, business.id, told.said)
    said = [rules.dated(one, now) for one in told.said if one not in ours]
    for move in batch.moves:
        await moving.moved(conn, business, move.before, move.after, move.said_at)
    filed = [Filed([], [], [], [one.message_id for one in ours])] if ours else []
    filed += await _file(conn, business, said) if said else []
    reactions = [rules.dated(one, now) for one in told.reactions]
    await changes.apply(conn, business.id, [rules.dated(one, now) for one in told.changes], reactions)
    await reports.apply(conn, business.id, [rules.dated(one, now) for one in told.reports])
    await template_news.hear(conn, business.id, batch.news, now)
    await consent.told(conn, business, batch.preferences)
    # The last: its row is the account's own, and whoever holds it holds up everything else that comes for the account.
    await arrivals.count(conn, business.id, batch.arrived)
    return [*filed, Filed([], [], [], [], batch.beside)] if batch.beside else filed


async def _file(conn: Conn, business: Business, said: list[Said]) -> list[Filed]:
    there = await store.there(conn, business.id, said)
    known = [one for one in said if place_of(one) in there]
    if known:
        await store.enrich(conn, business.id, known)
        await media.noted(conn, business.id, known)
        duplicates.labels(known[0].channel).inc(len(known))
    new = rules.once([one for one in said if place_of(one) not in there])
    skipped = [one.message_id for one in known]
    if not new:
        return [Filed([], [], [], skipped)]
    contacts, conversations, created, rows, saved, takers = await lay(conn, business, new)
    await media.noted(conn, business.id, new)
    await store.open_windows(conn, business.id, _newest_inbound(rows))
    referred = [row for row in rows if row.said.referred]
    if referred:
        await entries.refer(conn, business.id, _newest_inbound(referred))
    places = [place_of(one) for one in new]
    await changes.catch_up(conn, business.id, places)
    await reports.catch_up(conn, business.id, [place_of(one) for one in new if not one.inbound])
    heard = {row.said.message_id: row.said.type for row in rows if row.said.counts}
    await automation_causes.heard(conn, business.id, [(one[0], heard[one[2]]) for one in saved if one[2] in heard])
    # What somebody blocked writes is kept, and no other program is told of it, nor of lines that nobody said.
    told = [row.said for row in rows if not (row.said.inbound and row.conversation.is_blocked)]
    told = [one for one in told if one.source is not Source.SYSTEM]
    await hooks.filed(conn, business.id, created, saved, told)
    await phones.note_takers(conn, business, takers)
    await consent.heard(conn, business.id, [row.said for row in rows], contacts)
    await _tell_back(conn, business.id, conversations.values())
    ids = sorted(one.id for one in conversations.values())
    return [Filed(ids, sorted(created), [one[:2] for one in saved], skipped)]


class Laid(NamedTuple):
    """What was laid into threads: whose they are, the threads by key, which of them were made, the rows as written.

    ``takers``: who took a phone with it, and from whom.
    """

    contacts: dict[Customer, Contact]
    conversations: dict[str, Conversation]
    created: set[int]
    rows: list[Row]
    saved: list[tuple[int, int, int]]
    takers: dict[int, int]


async def lay(conn: Conn, business: Business, new: Sequence[Said]) -> Laid:
    """Lays messages that are in no thread yet into their threads, and does nothing else: nobody is told.

    The caller holds their numbers. They come in the order in which they were said.
    """
    bearers = await phones.bearers(conn, business.id, [(one.customer, one.said_at) for one in new])
    said = [_as_then(one, bearers) for one in new] if bearers.phones else new
    contacts = await people.resolve(conn, business, [one.customer for one in said])
    threads = _threads(said, contacts)
    tracked = [_tracked(contact, messages) for contact, messages in threads.values()]
    conversations, created = await store.track(conn, business.id, tracked)
    rows = [row for key, (_, messages) in threads.items() for row in _rows(conversations[key], messages)]
    saved = await store.save(conn, business.id, rows)
    takers = bearers.takers({known: contacts[one].id for one in contacts for known in one.known})
    return Laid(contacts, conversations, created, rows, saved, takers)


def _as_then(said: Said, bearers: phones.Bearers) -> Said:
    return msgspec.structs.replace(said, customer=bearers.customer((said.customer, said.said_at)))


async def _tell_back(conn: Conn, business_id: int, conversations: Iterable[Conversation]) -> None:
    """Tells other programs of threads that a customer brought back."""
    now, why = datetime.now(UTC), {"why": "customer"}
    back = sorted(one.id for one in conversations if one.is_back)
    if back:
        await hooks.tell(conn, business_id, [Event(Kind.CONVERSATION_REOPENED, now, one, details=why) for one in back])


def place_of(said: Said) -> Place:
    return (said.channel, said.account, said.external_id)


def _threads(new: Sequence[Said], contacts: Mapping[Customer, Contact]) -> dict[str, tuple[Contact, list[Said]]]:
    """Messages by the key of their thread, in the order of the keys, each in the order in which they were said."""
    found: dict[str, tuple[Contact, list[Said]]] = {}
    for one in new:
        contact = contacts[one.customer]
        found.setdefault(contact.thread_key, (contact, []))[1].append(one)
    return dict(sorted(found.items()))


def _tracked(contact: Contact, messages: Sequence[Said]) -> Tracked:
    spoken = [one for one in messages if one.source is not Source.SYSTEM]
    last = (spoken or messages)[-1]
    theirs = [one for one in messages if one.inbound]
    number = contact.phone or last.customer.known[0].value
    newest = theirs[-1] if theirs else last
    return Tracked(
        contact.thread_key,
        contact.id,
        number,
        contact.name,
        next((one.value for one in last.customer.known if one.kind in {"user_id", "lid"}), None),
        contact.lead_id,
        len(messages),
        sum(one.counts for one in messages),
        last.said_at if spoken else None,
        newest.said_at if theirs else None,
        max((one.said_at for one in messages if one.counts), default=None),
        newest.channel,
        newest.account,
        rules.preview(last.body, last.type) if spoken else "",
        last.type if spoken else "",
        last.source if spoken else "",
    )


def _rows(conversation: Conversation, messages: Sequence[Said]) -> list[Row]:
    """The messages with their places in the order of arrival; late is what was said before something there."""
    first = conversation.last_seq - len(messages) + 1
    before = conversation.previous_at
    return [
        Row(one, conversation, first + number, late=before is not None and one.said_at < before and not one.past)
        for number, one in enumerate(messages)
    ]


def _newest_inbound(rows: Sequence[Row]) -> dict[tuple[int, str, str], datetime]:
    newest: dict[tuple[int, str, str], datetime] = {}
    for row in rows:
        if row.said.counts:
            place = (row.conversation.id, row.said.channel, row.said.account)
            newest[place] = max(newest.get(place, row.said.said_at), row.said.said_at)
    return newest


def tell(filed: Filed) -> None:
    """Says what a committed batch did, in the words that people's own searches know."""
    for (channel, kind), count in filed.news.items():
        beside.labels(channel, kind).inc(count)
        if kind == news_rules.UNREADABLE:
            log.warning("What came cannot be read and is kept", channel=channel, count=count)
    lines(lines_of(filed))


def tell_repeats(repeats: Sequence[Repeat]) -> None:
    """Says and counts which messages came once more and were skipped."""
    said = [one for one in repeats if one.kind in rules.SAID]
    for one in said:
        duplicates.labels(one.channel).inc()
    lines(_skipped([one.id for one in said]))


def _skipped(known: Sequence[int]) -> list[str]:
    return [f"[WA-DEDUPE] ⏭️ Skipping duplicate message_id={one}" for one in known]


def lines_of(filed: Filed) -> list[str]:
    """The words for what was done, a line for each thread and message, however many there are. Pure."""
    told = _skipped(filed.known)
    for one in filed.conversations:
        told += [
            f"[WA-SESSION] ✅ UPSERT completed: session_id={one}",
            f"[WA-SESSION] ✅ Conversation tracked: conv_id={one}",
        ]
    return told + [f"[WA-SAVE] ✅ Message saved: id={one}, conv_id={of} (NOT NULL)" for one, of in filed.saved]
