"""Whatever is neither a message nor a report: of people, of the account, and what nobody knows yet. Pure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import msgspec
from msgspec import Raw

from tallybook.core.content import Content, Fault, Person
from tallybook.core.identity import vouched
from tallybook.core.messages import Identity, Incoming
from tallybook.core.updates import Said, Update, canonical, derived_id, moment, parts_of

from .around import CHANNEL, Around, faults
from .wire import About, Chunk, Error, Moment, Synced, UserIdUpdate, decode, read_or

# Of the account or its numbers and templates; what each says is in the content.
ACCOUNT_FIELDS = frozenset({
    "account_alerts", "account_review_update", "account_settings_update", "account_update",
    "business_capability_update", "business_status_update", "message_template_components_update",
    "message_template_quality_update", "message_template_status_update", "partner_solutions",
    "payment_configuration_update", "phone_number_name_update", "phone_number_quality_update", "security",
    "template_category_update", "template_correct_category_detection",
})  # fmt: skip


@dataclass(frozen=True)
class Notice:
    """What one says: its kind, whom it is about, when, and what else."""

    kind: str
    type: str
    person: Person | None = None
    changed_to: Person | None = None
    at: Moment = None
    faults: tuple[Fault, ...] = ()
    half_read: bool = False

    def incoming(self, around: Around, part: str, raw: Raw) -> Incoming:
        person = self.person or Person()
        raw_name = (person.phone or "").lstrip("+") or person.user_id
        who = Identity(raw=raw_name, phone=person.phone) if raw_name else Identity(raw=around.account)
        content = Content(
            type=self.type,
            as_sent=raw,
            person=self.person,
            changed_to=self.changed_to,
            faults=list(self.faults),
            half_read=self.half_read,
        )
        update = Update(
            kind=self.kind,
            # With the time that Meta tells of it: the same news may come again later, and is then news.
            external_id=derived_id(raw, around.field, part, around.time),
            chat=who.key,
            sender=who,
            at=moment(self.at) or moment(around.time),
            said=Said(content, (canonical(raw),)),
        )
        return update.incoming(CHANNEL, around.account)


def user_id_update(around: Around, raw: Raw) -> Incoming:
    """Somebody's opaque id is another from now on."""
    read = decode(raw, UserIdUpdate)
    phone = vouched(read.wa_id).phone
    ids, parents = read.user_id, read.parent_user_id
    before = Person(phone=phone, user_id=(ids.previous if ids else None) or "",
                    parent_user_id=(parents.previous if parents else None) or "")  # fmt: skip
    after = Person(phone=phone, user_id=(ids.current if ids else None) or "",
                   parent_user_id=(parents.current if parents else None) or "")  # fmt: skip
    notice = Notice("identity", "user_id_update", before, after, read.timestamp)
    return notice.incoming(around, "user_id_update", raw)


def preference(around: Around, raw: Raw) -> Incoming:
    """A customer wants no more marketing, or wants it again."""
    return _about("preference", "user_preferences", around, raw)


def address_book(around: Around, raw: Raw) -> Incoming:
    """An entry of the business phone's address book."""
    read = decode(raw, Synced)
    contact = read.contact
    person = Person(name=contact.full_name or "", phone=vouched(contact.phone_number).phone) if contact else None
    notice = Notice("contact", "state_sync", person, at=read.metadata.timestamp if read.metadata else None)
    return notice.incoming(around, "state_sync", raw)


def fault(around: Around, raw: Raw) -> Incoming:
    """An error of Meta's that is about no message."""
    return Notice("error", "error", faults=tuple(faults([decode(raw, Error)]))).incoming(around, "errors", raw)


def chunk(around: Around, read: Chunk, metadata: Raw) -> Incoming:
    """How far the past was told; its messages are rows of their own."""
    notice = Notice("history_chunk", "history", faults=tuple(faults(read_or(read.errors, list[Error], []))))
    return notice.incoming(around, "history", metadata)


def unread(around: Around, part: str, raw: Raw) -> Incoming:
    """One update that cannot be read: kept as it came, beside its neighbours that can."""
    return Notice("unreadable", part, half_read=True).incoming(around, part, raw)


def other(around: Around, raw: Raw) -> Incoming:
    """News of the account, or of a kind that nobody knows yet: kept and visible."""
    kind = "account" if around.field in ACCOUNT_FIELDS else "unknown"
    return _about(f"{kind}:{around.field}", around.field, around, raw)


def _about(kind: str, part: str, around: Around, raw: Raw) -> Incoming:
    person, at = None, None
    with contextlib.suppress(msgspec.ValidationError):
        about = decode(_first(raw), About)
        identity = vouched(about.from_ or about.wa_id)
        user_id = about.user_id if isinstance(about.user_id, str) else ""
        at = about.timestamp
        if identity.phone or user_id:
            person = Person(phone=identity.phone, user_id=user_id)
    return Notice(kind, part, person, at=at).incoming(around, part, raw)


def _first(raw: Raw) -> Raw:
    """Of an object whose parts are lists, the first of the first list: most kinds say there whom they are about."""
    for part in parts_of(raw).values():
        with contextlib.suppress(msgspec.ValidationError, IndexError):
            return msgspec.json.decode(part, type=list[Raw])[0]
    return raw
