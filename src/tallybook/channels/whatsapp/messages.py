"""Messages of every type: what customers write, what the business writes on its own phone, and what was written before.

A type that nobody knows yet is a message all the same: somebody wrote it and waits for an answer. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from tallybook.core.content import Content, File, Person
from tallybook.core.identity import vouched
from tallybook.core.messages import Incoming
from tallybook.core.updates import Said, Update, canonical, moment, parts_of

from .around import CHANNEL, Around, faults, somebody
from .files import media_of, ref_of
from .wire import Base, Interactive, Message, System, decode

# What is no bubble of its own: it is about another message, or about the sender.
OTHERS = {"reaction": "reaction", "edit": "edit", "revoke": "revoke", "system": "system", "request_welcome": "system"}
PLACEHOLDER = "media_placeholder"


def incoming(around: Around, raw: Raw) -> Incoming:
    """What a customer wrote. Raises msgspec.ValidationError where not even its id can be read."""
    read, whole = _read(raw)
    sender, person = somebody(around, read.from_, read.from_user_id, read.from_parent_user_id)
    update = Update(
        kind=OTHERS.get(read.type or "", "message"),
        external_id=read.id or "",
        chat=read.group_id or sender.key,
        sender=sender,
        at=moment(read.timestamp),
        said=_said(read, raw, person, whole=whole),
    )
    return update.incoming(CHANNEL, around.account)


def echo(around: Around, raw: Raw) -> Incoming:
    """What the business wrote on its own phone: ours, a person's, and no cause of anything."""
    read, whole = _read(raw)
    customer, person = somebody(around, read.to, read.to_user_id, read.to_parent_user_id)
    update = Update(
        kind=OTHERS.get(read.type or "", "echo"),
        external_id=read.id or "",
        chat=read.group_id or customer.key,
        sender=vouched(read.from_),
        at=moment(read.timestamp),
        from_us=True,
        said=_said(read, raw, person, whole=whole),
    )
    return update.incoming(CHANNEL, around.account)


def past(around: Around, raw: Raw, customer: str | None = None) -> Incoming:
    """What was written before the number was connected. A kind of its own, so that nobody answers it.

    A photo's place comes first and the photo later, with the same id: two kinds, since their order is not sure.
    """
    read, whole = _read(raw)
    ours = (read.from_ or "").lstrip("+") == around.own if around.own else customer not in {None, read.from_}
    who = customer or (read.to if ours else read.from_)
    other, person = somebody(around, who, read.to_user_id if ours else read.from_user_id, None)
    update = Update(
        kind="history_placeholder" if read.type == PLACEHOLDER else "history",
        external_id=read.id or "",
        chat=read.group_id or other.key,
        sender=vouched(read.from_) if ours else other,
        at=moment(read.timestamp),
        from_us=ours,
        said=_said(read, raw, person, whole=whole),
    )
    return update.incoming(CHANNEL, around.account)


def _read(raw: Raw) -> tuple[Message, bool]:
    """The message; where only its frame can be read, that, and False."""
    try:
        read, whole = decode(raw, Message), True
    except msgspec.ValidationError:
        read, whole = Message(**msgspec.structs.asdict(decode(raw, Base))), False
    if not read.id:
        raise msgspec.ValidationError("a message without an id")
    return read, whole


def _said(read: Message, raw: Raw, person: Person, *, whole: bool) -> Said:
    """What a message says: its text, file and content, and by what an edit of it is known."""
    kind = read.type or ""
    ref = ref_of(read)
    text = _text(read)
    about = _about(read)
    emoji = read.reaction.emoji or None if read.reaction else None
    # A file's address is another one at each delivery, so a file is known by its id and hash alone.
    details = f"{ref.id}\0{ref.sha256}".encode() if ref else canonical(parts_of(raw).get(kind, Raw(b"null")))
    file = File(ref.id or "", ref.mime_type or "", ref.url or "", bool(ref.voice), bool(ref.animated)) if ref else None
    content = Content(
        type=kind,
        as_sent=raw,
        person=person,
        about=about,
        emoji=emoji,
        file=file,
        group=read.group_id or "",
        changed_to=_changed_to(read.system) if read.system else None,
        faults=faults(read.errors),
        half_read=not whole,
        referred=bytes(read.referral) not in {b"null", b"{}"},
    )
    hash_of = (kind.encode(), about.encode(), details)
    return Said(content, hash_of, text, media_of(kind, ref) if ref else None)


def _about(read: Message) -> str:
    if read.reaction is not None:
        return read.reaction.message_id or ""
    changed = read.edit or read.revoke
    if changed is not None:
        return changed.original_message_id or ""
    return (read.context.id or "") if read.context else ""


def _changed_to(system: System) -> Person | None:
    """Who the sender is from now on; None where the update does not say that."""
    identity = vouched(system.wa_id or system.new_wa_id, system.user_id)
    if not identity.raw:
        return None
    return Person(phone=identity.phone, user_id=system.user_id or "", parent_user_id=system.parent_user_id or "")


def _text(read: Message) -> str:
    """What there is to read and to search in a message, in its own words."""
    find = TEXTS.get(read.type or "")
    if find is not None:
        return find(read)
    ref = ref_of(read)
    return (ref.caption or "") if ref else ""


def _chosen(interactive: Interactive | None) -> str:
    if interactive is None:
        return ""
    row = interactive.button_reply or interactive.list_reply or interactive.nfm_reply
    return (row.title or row.body or "") if row else ""


def _edited(read: Message) -> str:
    if read.edit is None:
        return ""
    try:
        # What it says now is a message without a frame.
        return _text(decode(read.edit.message, Message))
    except msgspec.ValidationError:
        return ""


TEXTS: dict[str, Callable[[Message], str]] = {
    "text": lambda read: (read.text.body or "") if read.text else "",
    "button": lambda read: (read.button.text or "") if read.button else "",
    "interactive": lambda read: _chosen(read.interactive),
    "reaction": lambda read: (read.reaction.emoji or "") if read.reaction else "",
    "location": lambda read: (
        ", ".join(filter(None, (read.location.name, read.location.address))) if read.location else ""
    ),
    "contacts": lambda read: ", ".join(
        card.name.formatted_name for card in read.contacts or () if card.name and card.name.formatted_name
    ),
    "order": lambda read: (read.order.text or "") if read.order else "",
    "system": lambda read: (read.system.body or "") if read.system else "",
    "edit": _edited,
}
