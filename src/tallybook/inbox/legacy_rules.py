"""What a row of an older inbox's tables means here: who, what was said, and what cannot be taken. Pure.

Its numbers stand in four formats (with a plus, bare, local, as a JID), its directions in two (in and out, inbound and
outbound); its keys named one customer twice once they were a lead, and messages lost their conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tallybook.core.identity import resolve
from tallybook.core.numbers import number_in
from tallybook.core.updates import LONGEST, indexable

from .rules import LONGEST_TYPE
from .types import Customer, Delivery, Known, Source

Row = Mapping[str, Any]
INWARD, OUTWARD = frozenset({"in", "inbound"}), frozenset({"out", "outbound"})
CHANNEL_OF = {"meta": "whatsapp", "baileys": "gateway"}
# Who wrote what we sent; the old system's other words mean one of these.
SOURCES = {
    "bot": Source.BOT, "ai": Source.BOT, "automation": Source.AUTOMATION, "system": Source.SYSTEM,
    "human": Source.HUMAN, "manual": Source.HUMAN, "agent": Source.HUMAN,
}  # fmt: skip
STATUSES = {
    "sent": Delivery.SENT, "received": Delivery.SENT, "delivered": Delivery.DELIVERED, "read": Delivery.READ,
    "failed": Delivery.FAILED, "deleted": Delivery.DELETED, "queued": Delivery.FAILED, "pending": Delivery.FAILED,
}  # fmt: skip
NEVER_LEFT = "it waited in the old system and never left"
NOBODY = "nobody can be known by its number"
NO_TIME = "it has no time"
NO_DIRECTION = "its direction is neither in nor out"
NO_AUTHOR = "who of ours wrote it is not said: it counts as written by hand"
BY_NUMBER = "its conversation was not named: found by its number"
BY_LEAD = "its conversation was not named, nor a number that is one: found by its lead"
TRUE = frozenset({"true", "t", "1", "yes", "y"})
LONGEST_NAME, LONGEST_STATUS, LONGEST_EMAIL = 200, 60, 320


class Unusable(Exception):
    """A row cannot be taken; the text says why."""


class Terms(msgspec.Struct, frozen=True):
    """How old rows are read. ``stated`` is the zone of times that name none, ``region`` the country of local numbers.

    ``accounts`` are our numbers by channel, to which old messages belong; ``business`` is the old system's number of
    the business that is taken, None for all.
    """

    stated: ZoneInfo
    region: str | None
    accounts: Mapping[str, str]
    business: int | None = None


def owner(row: Row) -> int | None:
    """The old system's number of the business whose row this is."""
    return number(row.get("tenant_id") if row.get("business_id") is None else row.get("business_id"))


def is_of(row: Row, terms: Terms) -> bool:
    """Whether a row is of the business that is taken."""
    return terms.business is None or owner(row) in {None, terms.business}


def owners(rows: Iterable[Row]) -> set[int]:
    """The old system's businesses whose rows these are."""
    return {one for one in map(owner, rows) if one is not None}


def number(value: object) -> int | None:
    """A whole number from JSON or CSV; None where it is none."""
    return None if value is None else number_in(str(value).strip())


def words(value: object, longest: int | None = None) -> str:
    return str(value if value is not None else "").replace("\0", "").strip()[:longest]


def truth(value: object) -> bool:
    return value if isinstance(value, bool) else words(value).lower() in TRUE


def moment(value: object, terms: Terms) -> datetime | None:
    """A time; one that names no zone is of the stated one. None where it is none."""
    try:
        at = datetime.fromisoformat(words(value))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=terms.stated)).astimezone(UTC)


def known_by(raw: object, terms: Terms) -> tuple[Known, ...]:
    """By what somebody is known, from a phone in any format or a JID; nothing of a group, or of what is none."""
    text = words(raw)
    if not text or text.endswith(("@g.us", "@broadcast", "@newsletter")):
        return ()
    found = resolve(text, {}, terms.region)
    told = (("phone", found.phone), ("lid", found.lid and indexable(found.lid)))
    # Bare digits that are no phone may be anything: a LID is one only where it says so.
    return tuple(Known(kind, value) for kind, value in told if value and (kind == "phone" or "@" in text))


def of_lead(row: Row, terms: Terms) -> tuple[Known, ...]:
    """By what a lead is known."""
    fields = ("phone_e164", "phone_raw", "phone", "whatsapp_jid", "whatsapp_jid_alt", "reply_jid")
    return tuple(dict.fromkeys(one for field in fields for one in known_by(row.get(field), terms)))


def name_of(row: Row) -> str:
    """What a lead or a customer is called; a number is no name."""
    parts = [words(row.get(field)) for field in ("first_name", "last_name")]
    name = next(filter(None, (words(row.get(one)) for one in ("name", "full_name", "customer_name"))), " ".join(parts))
    return "" if not name.strip() or name.replace("+", "").isdigit() or "@" in name else name.strip()[:LONGEST_NAME]


class OldMessage(msgspec.Struct, frozen=True):
    """A message of the old inbox, as it is filed here. ``how`` are remarks on how it was read."""

    id: int
    conversation: int | None
    lead: int | None
    known: tuple[Known, ...]
    channel: str
    account: str
    external_id: str
    at: datetime
    source: Source
    body: str
    type: str
    quotes: str
    status: Delivery
    reason: str | None
    delivered_at: datetime | None
    read_at: datetime | None
    media_url: str | None
    how: tuple[str, ...]


def message(row: Row, terms: Terms) -> OldMessage:
    """A row of whatsapp_message. Raises Unusable."""
    row_id = number(row.get("id"))
    at = moment(row.get("created_at"), terms) or moment(row.get("timestamp"), terms)
    if at is None or row_id is None:
        raise Unusable(NO_TIME)
    direction = words(row.get("direction")).lower()
    if direction not in INWARD | OUTWARD:
        raise Unusable(NO_DIRECTION)
    source, how = _source(row, inward=direction in INWARD)
    channel = CHANNEL_OF.get(words(row.get("provider")).lower(), "whatsapp")
    told = words(row.get("status")).lower()
    status = STATUSES.get(told, Delivery.SENT)
    if source is Source.CUSTOMER:
        status = Delivery.DELETED if status is Delivery.DELETED else Delivery.RECEIVED
    external = words(row.get("provider_message_id"))
    return OldMessage(
        row_id,
        number(row.get("conversation_id")),
        number(row.get("lead_id")),
        known_by(row.get("to_number"), terms),
        channel,
        terms.accounts.get(channel, ""),
        indexable(external) if external else own_id(row_id),
        at,
        source,
        words(row.get("body")),
        words(row.get("message_type"), LONGEST_TYPE).lower() or "text",
        words(row.get("quoted_message_stanza_id"), LONGEST),
        status,
        NEVER_LEFT if status is Delivery.FAILED and told in {"queued", "pending"} else None,
        moment(row.get("delivered_at"), terms),
        moment(row.get("read_at"), terms),
        words(row.get("media_url")) or None,
        how,
    )


def own_id(row_id: int) -> str:
    """What names a message that bears no provider's id, the same at each import."""
    return f"legacy:{row_id}"


def _source(row: Row, *, inward: bool) -> tuple[Source, tuple[str, ...]]:
    if inward:
        return Source.CUSTOMER, ()
    told = SOURCES.get(words(row.get("source")).lower())
    return (told, ()) if told is not None else (Source.HUMAN, (NO_AUTHOR,))


def repeats(messages: Iterable[OldMessage]) -> tuple[list[OldMessage], list[OldMessage]]:
    """The messages, each once, and those that the old table held twice: one id of the provider's and the same words.

    One that only shares its id with another is a message of its own, named by its row.
    """
    first: dict[tuple[str, str], OldMessage] = {}
    kept, twice = [], []
    for one in sorted(messages, key=lambda one: (one.at, one.id)):
        before = first.setdefault((one.channel, one.external_id), one)
        if before is one:
            kept.append(one)
        elif (before.body, before.source) == (one.body, one.source):
            twice.append(one)
        else:
            kept.append(msgspec.structs.replace(one, external_id=own_id(one.id)))
    return kept, twice


def customer_of(known: Iterable[Known], name: str = "") -> Customer:
    """Somebody by what is known of them: the phone first, as the surest here."""
    return Customer(tuple(sorted(dict.fromkeys(known), key=lambda one: (one.kind != "phone", one.value))), name)
