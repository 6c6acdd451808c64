"""A webhook becomes one Incoming for each update in it, whatever the provider put together. Pure.

Nothing is dropped. An update that cannot be read is kept alone, as ``unreadable``; news of a kind that nobody knows is
kept as ``unknown:`` and its field. Only a body that is no such webhook at all raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from tallybook.core import json_text
from tallybook.core.messages import Incoming
from tallybook.core.updates import parts_of

from . import messages, notices, statuses
from .around import Around, as_json
from .wire import Body, Change, Chunk, Contact, Entry, Metadata, decode

Read = Callable[[Around, Raw], Incoming]
# What stands beside the updates and is no update.
AROUND = frozenset({"messaging_product", "metadata", "contacts"})
PAST = "history"
READERS: dict[str, Read] = {
    "messages": messages.incoming,
    "statuses": statuses.incoming,
    "message_echoes": messages.echo,
    "user_id_update": notices.user_id_update,
    "user_preferences": notices.preference,
    "state_sync": notices.address_book,
    "errors": notices.fault,
}


def parse(body: bytes) -> list[Incoming]:
    """Every update of a webhook. Raises ValueError for what is no webhook of this kind, or holds nothing."""
    whole = decode(json_text.storable(body.decode()), Body)
    found = [incoming for entry in whole.entry for change in entry.changes for incoming in _of_change(entry, change)]
    if not found:
        raise ValueError("a webhook without any update")
    return found


def _of_change(entry: Entry, change: Change) -> Iterator[Incoming]:
    try:
        value = parts_of(change.value)
    except msgspec.ValidationError:
        yield notices.unread(_around(entry, change, {}), "value", change.value)
        return
    around = _around(entry, change, value)
    known = [name for name in value if name in READERS or name == PAST]
    for name in known:
        yield from _of_part(around, name, value[name])
    rest = {name: part for name, part in value.items() if name not in known and name not in AROUND}
    if not known:
        yield notices.other(around, change.value)
    elif rest:
        yield notices.other(around, as_json(rest))


def _of_part(around: Around, name: str, part: Raw) -> Iterator[Incoming]:
    for raw in _items(part):
        if name == PAST:
            yield from _of_chunk(around, raw)
        elif name == "messages" and around.field == PAST:
            yield _safely(messages.past, around, name, raw)
        else:
            yield _safely(READERS[name], around, name, raw)


def _of_chunk(around: Around, raw: Raw) -> Iterator[Incoming]:
    try:
        read = decode(raw, Chunk)
    except msgspec.ValidationError:
        yield notices.unread(around, PAST, raw)
        return
    # Without its messages: they are many, and rows of their own.
    head = {name: part for name, part in parts_of(raw).items() if name != "threads"}
    yield notices.chunk(around, read, as_json(head))
    for thread in read.threads:
        customer = thread.id

        def past(around: Around, raw: Raw, customer: str | None = customer) -> Incoming:
            return messages.past(around, raw, customer)

        for message in thread.messages:
            yield _safely(past, around, PAST, message)


def _safely(read: Read, around: Around, name: str, raw: Raw) -> Incoming:
    try:
        return read(around, raw)
    except msgspec.ValidationError:
        return notices.unread(around, name, raw)


def _items(part: Raw) -> list[Raw]:
    """A list's items; of what should be a list and is none, that alone."""
    try:
        return decode(part, list[Raw])
    except msgspec.ValidationError:
        return [] if bytes(part) == b"null" else [part]


def _around(entry: Entry, change: Change, value: dict[str, Raw]) -> Around:
    metadata = _read_or(value.get("metadata"), Metadata, Metadata())
    return Around(
        account=metadata.phone_number_id or f"waba:{entry.id}",
        field=change.field or "none",
        time=entry.time,
        own="".join(filter(str.isdecimal, metadata.display_phone_number or "")),
        contacts=_read_or(value.get("contacts"), list[Contact], []),
    )


def _read_or(raw: Raw | None, shape: Any, otherwise: Any) -> Any:
    """What stands around updates, as far as it can be read: a fault in it is none of theirs."""
    try:
        return decode(raw, shape) if raw is not None else otherwise
    except msgspec.ValidationError:
        return otherwise
