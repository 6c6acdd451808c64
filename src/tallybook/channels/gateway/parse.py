"""A gateway's webhook becomes one Incoming for each update. Pure.

An update that cannot be read is kept alone, as ``unreadable``; one of a kind that nobody knows as ``unknown:`` and its
kind. Only a body that is no such webhook at all raises.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from tallybook.core import json_text
from tallybook.core.content import Content, Fault, Person
from tallybook.core.content import File as ContentFile
from tallybook.core.identity import resolve
from tallybook.core.messages import Identity, Incoming, Media
from tallybook.core.updates import Said, Update, canonical, derived_id, hash_in_hex, moment

from . import wire
from .wire import BODY, UPDATE, File, Kind

CHANNEL = "gateway"
GROUP = "@g.us"
NOBODY = Identity(raw="")


def parse(body: bytes) -> list[Incoming]:
    """Every update of a webhook. Raises ValueError for what is no webhook of this kind, or holds nothing."""
    whole = BODY.decode(json_text.storable(body.decode()))
    if not whole.account or not whole.updates:
        raise ValueError("a webhook without an account or without any update")
    return [_read(whole.account, raw).incoming(CHANNEL, whole.account) for raw in whole.updates]


def _read(account: str, raw: Raw) -> Update:
    try:
        read = UPDATE.decode(raw)
        make = MAKERS.get(read.kind)
        return make(read, raw) if make else _notice(account, f"unknown:{read.kind}", read, raw)
    except msgspec.ValidationError:
        return _notice(account, "unreadable", wire.Update(), raw)


def _message(read: wire.Update, raw: Raw) -> Update:
    """A message, reaction, edit or taking-back; ours, typed on the phone, is an echo and no cause of anything."""
    who = _person(read)
    ours = read.from_me and read.kind == Kind.MESSAGE
    return Update(
        kind="echo" if ours else read.kind,
        external_id=_id(read),
        chat=_chat(read, who),
        sender=NOBODY if read.from_me else who,
        at=moment(read.at),
        said=_said(read, raw, who),
        from_us=read.from_me,
    )


def _status(read: wire.Update, raw: Raw) -> Update:
    """What became of a message of ours, keyed by its id and the status, in a group by the reader too."""
    who = _person(read)
    if not read.status:
        raise msgspec.ValidationError("a report without a status")
    participant = f"#{who.key}" if _is_group(read.chat) and who.raw else ""
    return Update(
        kind=f"status:{read.status}",
        external_id=f"{_id(read)}{participant}",
        chat=_chat(read, who),
        sender=who,
        at=moment(read.at),
        said=_said(read, raw, who),
    )


def _identity(read: wire.Update, raw: Raw) -> Update:
    """A LID's phone has become known, or a person's phone is another from now on."""
    who = resolve(read.lid or read.from_ or "", {})
    after = resolve(read.phone or "", {})
    if not who.raw or not after.phone:
        raise msgspec.ValidationError("an identity without a person or without a phone")
    content = Content(
        type=read.kind,
        as_sent=raw,
        person=Person(name=read.name or "", phone=who.phone, lid=who.lid),
        changed_to=Person(phone=after.phone),
    )
    return Update(
        kind="identity",
        external_id=read.id or derived_id(raw),
        chat=who.key,
        sender=who,
        at=moment(read.at),
        said=Said(content, (canonical(raw),)),
    )


MAKERS: dict[str, Callable[[wire.Update, Raw], Update]] = {
    Kind.MESSAGE: _message,
    Kind.REACTION: _message,
    Kind.EDIT: _message,
    Kind.REVOKE: _message,
    Kind.HISTORY: _message,
    Kind.STATUS: _status,
    Kind.IDENTITY: _identity,
    Kind.CONNECTION: lambda read, raw: _notice("", "connection", read, raw),
}


def _notice(account: str, kind: str, read: wire.Update, raw: Raw) -> Update:
    """News of no message: kept as it came."""
    who = _person(read)
    fault = Fault(title=read.reason) if read.reason else None
    content = Content(
        type=read.status or kind, as_sent=raw, faults=[fault] if fault else [], half_read=kind == "unreadable"
    )
    return Update(
        kind=kind,
        external_id=read.id or derived_id(raw),
        chat=_chat(read, who) or account,
        sender=who,
        at=moment(read.at),
        said=Said(content, (canonical(raw),), read.text or ""),
    )


def _id(read: wire.Update) -> str:
    if not read.id:
        raise msgspec.ValidationError("an update without an id")
    return read.id


def _said(read: wire.Update, raw: Raw, who: Identity) -> Said:
    file = read.file
    kind = read.type or ("file" if file else "text")
    content = Content(
        type=read.status or kind,
        as_sent=raw,
        person=Person(name=read.name or "", phone=who.phone, lid=who.lid),
        about=read.about or (read.id or "" if read.kind == Kind.STATUS else ""),
        emoji=read.emoji or None,
        file=_file(file) if file else None,
        group=read.chat or "" if _is_group(read.chat) else "",
        ours=read.key or "",
        faults=[Fault(title=read.reason)] if read.reason else [],
    )
    media = Media(kind, file.filename or "", hash_in_hex(file.sha256 or ""), file.size) if file else None
    known_by = f"{kind}\0{read.about}\0{read.emoji}\0{read.status}\0{file.sha256 or file.id if file else ''}"
    return Said(content, (known_by.encode(),), read.text or read.emoji or "", media)


def _file(file: File) -> ContentFile:
    return ContentFile(file.id or "", file.mime or "", file.url or "", bool(file.voice), bool(file.animated))


def _person(read: wire.Update) -> Identity:
    """The other side. One person is one, however the gateway spells them this time: the phone wins where it is told."""
    said = read.chat if read.from_me and not _is_group(read.chat) else read.from_
    said = said or (read.chat if not _is_group(read.chat) else "") or read.phone or read.lid or ""
    lids = _lids(read.lid or said, read.phone)
    return resolve(said, lids) if not read.phone or lids else resolve(read.phone, {})


def _lids(lid: str | None, phone: str | None) -> dict[str, str]:
    """What the update itself says of whose LID it is."""
    known = resolve(phone, {}).phone if phone else None
    digits = (lid or "").partition("@")[0].partition(":")[0] if (lid or "").endswith("@lid") else ""
    return {digits: known.lstrip("+")} if known and digits else {}


def _chat(read: wire.Update, who: Identity) -> str:
    return (read.chat or "") if _is_group(read.chat) else who.key


def _is_group(chat: str | None) -> bool:
    return (chat or "").endswith(GROUP)
