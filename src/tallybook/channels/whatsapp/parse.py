"""A webhook becomes one Incoming for each update in it, whatever the provider put together. Pure.

Nothing is dropped. An update that cannot be read is kept alone, as ``unreadable``, and so is a part of the frame around
them; news of a kind that nobody knows is kept as ``unknown:`` and its field. Only a body that is no such webhook at all
raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec import Raw

from tallybook.core import json_text
from tallybook.core.messages import Incoming
from tallybook.core.updates import parts_of

from . import messages, notices, statuses
from .around import Around, as_json
from .wire import NONE, Body, Change, Chunk, Contact, Entry, Metadata, Moment, Thread, decode, items, read_or, text_of

Read = Callable[[Around, Raw], Incoming]
# What stands beside the updates and is no update.
AROUND = frozenset({"messaging_product", "metadata", "contacts"})
PAST = "history"
WABA = "waba:"  # before the id of a business account
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
    bad: list[Bad] = []
    found = [incoming for raw in items(whole.entry) for incoming in _of_entry(raw, bad)]
    if not found and not any(one.waba for one in bad):
        raise ValueError("a webhook without any update")
    numbers = {one.account for one in found if not one.account.startswith(WABA)}
    # What names no number is of the only one that the webhook is about. A guess between several might show one
    # business what is another's: there it is the account's, and waits as a delivery where nobody has that.
    alone = numbers.pop() if len(numbers) == 1 else ""
    return found + [notices.unread(Around(alone or one.waba or WABA, one.part), one.part, one.raw) for one in bad]


@dataclass(frozen=True)
class Bad:
    """A part of the frame that cannot be read. ``waba`` is the account in which it came, "" where none is told."""

    waba: str
    part: str
    raw: Raw


def _of_entry(raw: Raw, bad: list[Bad]) -> Iterator[Incoming]:
    entry = read_or(raw, Entry, Entry())
    waba = text_of(entry.id)
    if bytes(entry.changes) == bytes(NONE):
        bad.append(Bad(waba and WABA + waba, "entry", raw))
    for one in items(entry.changes):
        change = read_or(one, Change, Change())
        value = read_or(change.value, dict[str, Raw], None)
        if value is None:
            bad.append(Bad(waba and WABA + waba, "change", one))
        else:
            yield from _of_change(_around(entry, change, value), change.value, value)


def _of_change(around: Around, whole: Raw, value: dict[str, Raw]) -> Iterator[Incoming]:
    known = [name for name in value if name in READERS or name == PAST]
    for name in known:
        yield from _of_part(around, name, value[name])
    rest = {name: part for name, part in value.items() if name not in known and name not in AROUND}
    if not known:
        yield notices.other(around, whole)
    elif rest:
        yield notices.other(around, as_json(rest))


def _of_part(around: Around, name: str, part: Raw) -> Iterator[Incoming]:
    for raw in items(part):
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
    for thread in items(read.threads):
        yield from _of_thread(around, thread)


def _of_thread(around: Around, raw: Raw) -> Iterator[Incoming]:
    thread = read_or(raw, Thread, None)
    if thread is None:
        yield notices.unread(around, "thread", raw)
        return
    customer = text_of(thread.id) or None
    for message in items(thread.messages):
        yield _safely(partial(messages.past, customer=customer), around, PAST, message)


def _safely(read: Read, around: Around, name: str, raw: Raw) -> Incoming:
    try:
        return read(around, raw)
    except msgspec.ValidationError:
        return notices.unread(around, name, raw)


def _around(entry: Entry, change: Change, value: dict[str, Raw]) -> Around:
    metadata = read_or(value.get("metadata"), Metadata, Metadata())
    return Around(
        account=text_of(metadata.phone_number_id) or WABA + (text_of(entry.id) or "none"),
        field=text_of(change.field) or "none",
        time=read_or(entry.time, Moment, None),
        own="".join(filter(str.isdecimal, text_of(metadata.display_phone_number))),
        # One that cannot be read keeps its place: of two, the other is not the only one that is spoken of.
        contacts=[read_or(one, Contact, Contact()) for one in items(value.get("contacts", NONE))],
    )
