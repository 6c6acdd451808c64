"""What an update means to the inbox. Pure: no database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from tallybook.core import content as contents
from tallybook.core.content import Content, Person
from tallybook.core.messages import Incoming, Stored
from tallybook.core.updates import LONGEST, digest, indexable

from .types import Attached, Change, Customer, Delivery, Known, Number, Place, Reaction, Report, Said, Source

SAID = frozenset({"message", "echo", "history", "history_placeholder"})
PAST = frozenset({"history", "history_placeholder"})
REPORT = "status:"
# A provider's words for how far a message of ours came; of what is not here we only keep that it was told.
REPORTED = {
    "sent": Delivery.SENT, "server_ack": Delivery.SENT, "delivered": Delivery.DELIVERED, "read": Delivery.READ,
    "played": Delivery.READ, "failed": Delivery.FAILED, "deleted": Delivery.DELETED,
}  # fmt: skip
LABELS = {
    "image": "📷", "sticker": "📷", "video": "🎬", "audio": "🎤", "document": "📄", "location": "📍",
    "contacts": "👤", "order": "🛒", "interactive": "☑", "button": "☑",
}  # fmt: skip
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before it, no provider told a time
# Characters; the columns hold no more.
LONGEST_NAME, LONGEST_KEY, LONGEST_EMOJI, LONGEST_TYPE, LONGEST_PHONE = 200, 255, 64, 32, 32
LONGEST_KIND, LONGEST_FILENAME = 16, 250
GATEWAY = "gateway"
PLACEHOLDER = "media_placeholder"  # stands for a file of the past, which comes by itself under the same id
NEW_NUMBER = "new_number"  # the type of the line by which a thread says that its customer's phone is another now
TAKEN_BACK = "deleted"  # what the list calls a newest message that says nothing any more
PREVIEW = 50  # characters of a message in the list of threads


class Read(msgspec.Struct, frozen=True):
    """A batch by what it means; ``said`` in the order in which it was said."""

    said: list[Said]
    reactions: list[Reaction]
    reports: list[Report]
    changes: list[Change]

    @property
    def numbers(self) -> set[Number]:
        """Whose messages these are, or are about."""
        told: list[Said | Report | Change] = [*self.said, *self.reports, *self.changes]
        return {(one.channel, one.account) for one in told}


def read(stored: Sequence[Stored]) -> Read:
    """What a batch says. What is none of the inbox's (news of the account) is left in core's rows."""
    found = Read([], [], [], [])
    for one in stored:
        incoming = one.incoming
        content = contents.read(incoming.content) or Content(type="text")
        if incoming.kind in SAID:
            found.said.append(_said(one.id, incoming, content))
        elif incoming.kind == "system" and (line := new_number(content)) is not None:
            said = _said(one.id, incoming, content)
            line_of = {"source": Source.SYSTEM, "body": line, "type": NEW_NUMBER}
            found.said.append(msgspec.structs.replace(said, **line_of))
        elif incoming.kind == "reaction":
            found.reactions.append(_reaction(incoming, content))
        elif incoming.kind.startswith(REPORT):
            _add_report(found.reports, incoming, content)
        elif incoming.kind in {"edit", "revoke"} and content.about:
            body = incoming.text if incoming.kind == "edit" else None
            about = indexable(content.about)
            known = customer_of(incoming, content).known
            found.changes.append(
                Change(incoming.channel, incoming.account, about, incoming.said_at, body, incoming.from_us, known)
            )
    found.said.sort(key=lambda said: (said.said_at, said.external_id))
    return found


def _said(message_id: int, incoming: Incoming, content: Content) -> Said:
    return Said(
        message_id,
        incoming.channel,
        incoming.account,
        incoming.external_id,
        customer_of(incoming, content),
        incoming.said_at,
        Source.HUMAN if incoming.from_us else Source.CUSTOMER,
        incoming.text,
        content.type[:LONGEST_TYPE],
        indexable(content.about),
        incoming.kind in PAST,
        _file(incoming, content),
        content.referred,
        content.ours if incoming.from_us else "",
    )


def new_number(content: Content) -> str | None:
    """What the line of a thread says of a customer's new phone: “before → after”; None of any other news."""
    after = content.changed_to.phone if content.changed_to else None
    before = content.person.phone if content.person else None
    if after is None or after == before:
        return None
    return f"{before} → {after}" if before else after


def _file(incoming: Incoming, content: Content) -> Attached | None:
    """The file of a message, where it can be had: a gateway also has it by the message's own id."""
    file, media = content.file, incoming.media
    if file is None or media is None:
        return None
    media_id = file.id or (incoming.external_id if incoming.channel == GATEWAY else "")
    if not media_id:
        return None
    kind, name = media.type[:LONGEST_KIND], media.filename.replace("\0", "")[:LONGEST_FILENAME]
    return Attached(kind, media_id[:LONGEST], file.mime[:LONGEST_NAME], media.sha256, name, file.voice)


def customer_of(incoming: Incoming, content: Content) -> Customer:
    """The other side of a message. A group is one thread, whoever speaks in it."""
    if content.group:
        return Customer((Known("chat", indexable(content.group)),))
    person = content.person or Person()
    known = [Known("user_id", indexable(value)) for value in (person.user_id, person.parent_user_id) if value]
    known += [Known("phone", person.phone)] if person.phone and len(person.phone) <= LONGEST_PHONE else []
    known += [Known("lid", indexable(person.lid))] if person.lid else []
    # Of whom nothing at all is told, each message stands alone: they are many, and nobody knows whether one.
    whole = tuple(known) or (Known("chat", incoming.chat or f"message:{incoming.external_id}"[:LONGEST]),)
    spare = indexable(person.parent_user_id) if person.parent_user_id != person.user_id else ""
    return Customer(whole, person.name[:LONGEST_NAME], person.username[:LONGEST_NAME], spare)


def _reaction(incoming: Incoming, content: Content) -> Reaction:
    # By the id that stays, where it is told: it may be put on under one name and taken off under another.
    who = "" if incoming.from_us else indexable((content.person or Person()).user_id or incoming.sender.key)
    emoji = (content.emoji or "")[:LONGEST_EMOJI]
    return Reaction(incoming.channel, incoming.account, indexable(content.about), who, emoji, incoming.said_at)


def _add_report(reports: list[Report], incoming: Incoming, content: Content) -> None:
    status = REPORTED.get(incoming.kind.removeprefix(REPORT))
    if status is None or content.group:
        return
    reason = "; ".join(f"{fault.title} ({fault.code})" if fault.code else fault.title for fault in content.faults)
    about = indexable(content.about or incoming.external_id)
    reports.append(Report(incoming.channel, incoming.account, about, status, incoming.said_at, content.ours, reason))


def thread_key(business_id: int, customer: Customer) -> str:
    """What names the one thread of somebody who is new: their phone, else what else they are known by."""
    if customer.phone:
        return f"phone:{business_id}:{customer.phone}"
    first = customer.known[0]
    key = f"{first.kind}:{business_id}:{first.value}"
    return key if len(key) <= LONGEST_KEY else f"{first.kind}:{business_id}:of:{digest(first.value.encode()).hex()}"


def lead_key(business_id: int, lead_id: int) -> str:
    return f"lead:{business_id}:{lead_id}"


def preview(body: str, kind: str) -> str:
    """What the list of threads shows of a message: its first words, and a sign for what is no text."""
    words = " ".join(body[: 8 * PREVIEW].split())
    shown = words if len(words) <= PREVIEW else words[: PREVIEW - 1] + "…"
    return f"{LABELS[kind]} {shown}".strip() if kind in LABELS else shown


Timed = TypeVar("Timed", Said, Reaction, Report, Change)


def dated(one: Timed, now: datetime) -> Timed:
    """What is told, with a time by which a clock can be moved: none, or one that is yet to come, is the present."""
    if isinstance(one, Said):
        return one if EARLIEST < one.said_at <= now else msgspec.structs.replace(one, said_at=now)
    return one if EARLIEST < one.at <= now else msgspec.structs.replace(one, at=now)


def same_people(customers: Iterable[Customer]) -> list[list[Customer]]:
    """Customers by person: whoever shares anything that they are known by is one."""
    groups: list[list[Customer]] = []
    place: dict[Known, int] = {}
    for customer in dict.fromkeys(customers):
        met = sorted({place[known] for known in customer.known if known in place})
        if met:
            group = groups[met[0]]
            for other in met[1:]:
                group.extend(groups[other])
                groups[other] = []
        else:
            met, group = [len(groups)], []
            groups.append(group)
        group.append(customer)
        place |= {known: met[0] for one in group for known in one.known}
    return [group for group in groups if group]


def together(group: Sequence[Customer]) -> Customer:
    """All that a batch says of one person; of two names the later."""
    known = tuple(dict.fromkeys(one for customer in group for one in customer.known))
    name = next((one.name for one in reversed(group) if one.name), "")
    return Customer(known, name, next((one.username for one in reversed(group) if one.username), ""))


def once(said: Iterable[Said]) -> list[Said]:
    """Each message once, in the order in which they were said; of one told live and as history, the live one.

    What stands for a file gives way to it, whichever came first. ``said`` is in that order as far as it is known.
    """
    found: dict[Place, Said] = {}
    for one in said:
        place = (one.channel, one.account, one.external_id)
        if place not in found or (found[place].past and one.type != PLACEHOLDER):
            found[place] = one
    # They come in the order in which they were said; two of one moment keep it.
    return sorted(found.values(), key=lambda one: one.said_at)
