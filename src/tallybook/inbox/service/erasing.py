"""Forgetting a customer who asks for it: a look at what goes and what stays, then all of it, once and for good.

Everything that hangs on them goes in one transaction, and with it the names by which anybody could find them. What
merely mentions them (raw deliveries, the record, files) is then gone through by a job, a stretch at a time; it begins
where it was stopped, and keeps what they were known by no longer than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from tallybook.core import audit, forgotten, jobs, kept_files, receive, spool
from tallybook.core import content as contents
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid, NotFound
from tallybook.core.jobs import Held, NewJob
from tallybook.core.messages import Incoming
from tallybook.core.regions import region_of
from tallybook.core.spool_folder import QUARANTINE
from tallybook.core.wakeups import wake_up
from tallybook.core.work import RetryLater
from tallybook.inbox import naming, raw_words
from tallybook.inbox.store import copies as copies_store
from tallybook.inbox.store import erasing as store
from tallybook.inbox.store import media as media_store
from tallybook.inbox.store import whole as whole_store
from tallybook.inbox.store.erasing import Begun, Naming, Needles, Plan
from tallybook.inbox.store.whole import Whole
from tallybook.inbox.thread_types import Thread

from . import contacts, threads
from .filing import TOPIC

KIND = "inbox.forget"
STRETCH = 2000  # deliveries or entries of the record at a time
WAIT = 300.0  # seconds until it is looked again whether what waits was filed
SHORTEST = 6  # characters of an id that is sought in what does not hang on them
# What goes, as it is counted for people: the first table is the one whose rows are told.
COUNTED = {
    "whatsapp_message": "messages", "inbox_files": "files", "conversation_notes": "notes",
    "appointments": "appointments", "scheduled_messages": "later", "outbox": "outgoing", "messages": "received",
}  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where something of theirs may lie: the folder of kept files, the spool; and who reads a channel's raw bodies."""

    files: Path
    spool: Path
    readers: Mapping[str, Callable[[bytes], Sequence[Incoming]]] = field(default_factory=dict)


class Preview(msgspec.Struct, frozen=True):
    """What forgetting somebody would take away. ``typed`` is what must be typed to have it done.

    ``aside`` counts deliveries that name them and were put aside: of those only what others said stays. ``copies`` are
    the environments that have a readable copy, which are to forget them by themselves.
    """

    thread: Thread
    counts: dict[str, int]
    typed: str
    aside: int = 0
    copies: list[str] = []


async def preview(conn: Conn, caller: Caller, conversation_id: int) -> Preview:
    """What would go; nothing is done. Raises NotAllowed, NotFound."""
    require(caller, Right.LEAD)
    thread = await threads.by_number(conn, caller, conversation_id)
    one = await _whole(conn, caller.business_id, thread.id)
    aside = await store.aside(conn, Needles(ids_of(one), []))
    copies = [copy.environment for copy in await copies_store.behind(conn, caller.business_id)]
    return Preview(thread, _told(await whole_store.count(conn, one)), word_of(thread), aside, copies)


def word_of(thread: Thread) -> str:
    """What must be typed: the phone, else the name, else the thread's number. Pure."""
    return thread.phone or thread.name or str(thread.id)


async def erase(conn: Conn, caller: Caller, conversation_id: int, typed: str, places: Places) -> int:
    """Forgets the customer of a thread, and asks for the rest to be gone through; the number of the erasure.

    Whoever writes from then on is somebody new; what they wrote before and still lies in the spool is not filed. Raises
    NotAllowed, NotFound (also for a repeat), and Invalid where ``typed`` is not what preview() said.
    """
    require(caller, Right.LEAD)
    thread = await threads.by_number(conn, caller, conversation_id)
    if not _is_typed(caller, thread, typed):
        raise Invalid("Type exactly what is shown, so that nobody is forgotten by mistake.")
    business_id = caller.business_id
    await contacts.hold(conn, business_id, (await _whole(conn, business_id, thread.id)).contacts)
    one = await _whole(conn, business_id, thread.id)
    await store.hold(conn, one)
    files = [sha256.hex() for sha256 in await store.files(conn, one)]
    needles = Needles(ids_of(one), files, await store.turns(conn, one))
    counts, plan = _told(await whole_store.count(conn, one)), await store.bounds(conn, business_id)
    await store.take_away(conn, one)
    await forgotten.remember(conn, business_id, await _spooled(places, needles))
    number = await store.begin(conn, caller, Begun(needles, plan, counts, one.contacts))
    await audit.record_by(conn, caller, "contact.forgotten", "erasure", str(number), None, dict(counts))
    job = NewJob(KIND, f"{business_id}:{number}", {"erasure": number}, business_id)
    await jobs.enqueue(conn, [job])
    await wake_up(conn, TOPIC, business_id)
    return number


async def _whole(conn: Conn, business_id: int, conversation_id: int) -> Whole:
    one = await whole_store.whole(conn, business_id, conversation_id)
    if one is None:
        raise NotFound("There is no such conversation.")
    return one


def _is_typed(caller: Caller, thread: Thread, typed: str) -> bool:
    region = region_of(caller.business.time_zone)
    as_phone = naming.phone(typed.strip(), caller.business_id, region) if thread.phone else None
    return typed.strip() == word_of(thread) or (as_phone is not None and as_phone == thread.phone)


def ids_of(one: Whole) -> list[str]:
    """What is sought elsewhere: a phone without its plus is in it with its plus too. Pure."""
    return [chat for chat in one.chats if len(chat) >= SHORTEST and not chat.startswith("+")]


def _told(counts: dict[str, int]) -> dict[str, int]:
    """The counts of tables in people's words. Pure."""
    return {name: counts[table] for table, name in COUNTED.items() if counts.get(table)}


async def run_job(places: Places, held: Held) -> None:
    """Goes through the rest of one erasure, for a worker."""
    business_id, number = held.job.business_id, int(held.job.args["erasure"])
    if business_id is not None and not await finish(held.db, places, business_id, number):
        raise RetryLater("a delivery that names them waits to be filed", WAIT)
    await held.db.run("finish a forgetting", held.finish)


async def finish(db: Database, places: Places, business_id: int, number: int) -> bool:
    """Goes through whatever else names somebody who was forgotten. A repeat, or two at once, do it once.

    False where a delivery that names them waits to be filed: it is emptied after that, by whoever comes back.
    """
    while await db.run("forget somebody", lambda conn: _stretch(conn, business_id, number, places)):
        pass
    left = await db.run("look at a forgetting", lambda conn: store.held(conn, business_id, number))
    if left is None:
        return True
    needles, plan = left
    if plan.deliveries < plan.deliveries_to:
        return False
    for sha256 in needles.files:
        await db.run("remove a file", partial(_remove, places.files, bytes.fromhex(sha256)))
    damaged = await asyncio.to_thread(_drop_damaged, places.spool, [one.encode() for one in needles.ids])
    await db.run("end a forgetting", lambda conn: _end(conn, business_id, number, needles, damaged))
    return True


async def _stretch(conn: Conn, business_id: int, number: int, places: Places) -> bool:
    """One stretch of deliveries, up to one that waits, else of the record; False where there is none left."""
    held = await store.held(conn, business_id, number)
    if held is None:
        return False
    needles, plan = held
    upto = min(plan.deliveries + STRETCH, plan.deliveries_to)
    waiting = await store.waiting(conn, needles, plan.deliveries, upto)
    upto = upto if waiting is None else waiting - 1
    if plan.deliveries < upto:
        await _deliveries(conn, business_id, needles, store.naming(conn, needles, plan.deliveries, upto), places)
        plan = msgspec.structs.replace(plan, deliveries=upto)
    elif plan.audit < plan.audit_to:
        upto = min(plan.audit + STRETCH, plan.audit_to)
        await store.empty_named(conn, business_id, needles, plan.audit, upto)
        plan = msgspec.structs.replace(plan, audit=upto)
    else:
        return False
    await store.move(conn, business_id, number, plan)
    return True


async def _deliveries(
    conn: Conn, business_id: int, needles: Needles, naming: AsyncIterator[Naming], places: Places
) -> None:
    """Empties those that were filed for the business; of those put aside only what others said is left.

    Neither is what somebody else said who had the same phone at another time, nor what was kept elsewhere, filed by a
    replay that began before.
    """
    owned = await store.accounts(conn, business_id)
    filed, later = [], []
    async for one in naming:
        told = await asyncio.to_thread(read, places, one.channel, one.body)
        if one.aside:
            later += [forgotten.key_of(said) for said in told if _is_of(needles, said)]
            left, _ = await asyncio.to_thread(raw_words.apart, one.body, needles.always_theirs)
            await store.rewrite(conn, one.id, left)
        elif any((one.channel, said.account) in owned for said in told):
            filed.append(one.id)
    await store.empty_deliveries(conn, filed)
    await forgotten.remember(conn, business_id, later)


async def _spooled(places: Places, needles: Needles) -> list[bytes]:
    """By what their messages are known that lie in the spool: those would be filed when it is replayed."""
    found: list[bytes] = []
    for record in await spool.naming(places.spool, [one.encode() for one in needles.ids]):
        received = receive.from_spool(record)
        told = await asyncio.to_thread(read, places, received.channel, received.body)
        found += [forgotten.key_of(said) for said in told if _is_of(needles, said)]
    return found


def _is_of(needles: Needles, said: Incoming) -> bool:
    content = contents.read(said.content)
    person = content.person if content is not None and content.person is not None else contents.Person()
    ids = [one for one in (person.user_id, person.parent_user_id, person.lid) if one and len(one) >= SHORTEST]
    return needles.name(said.chat, said.said_at, ids)


def read(places: Places, channel: str, body: bytes) -> Sequence[Incoming]:
    """What a delivery tells; nothing where nobody can read it. Pure."""
    reader = places.readers.get(channel)
    try:
        return reader(body) if reader else ()
    except Exception:  # noqa: BLE001 - a body that cannot be read was put aside for it, and files nothing
        return ()


async def _remove(folder: Path, sha256: bytes, conn: Conn) -> None:
    """Removes a file, unless somebody else's message brings the very same."""
    await media_store.hold(conn, sha256)
    if not await media_store.referred(conn, [sha256]):
        with suppress(OSError):
            await asyncio.to_thread(kept_files.remove, folder, sha256, 0.0)


def _drop_damaged(folder: Path, ids: list[bytes]) -> int:
    """Removes damaged records of the spool that name them; how many."""
    dropped = 0
    for path in (folder / QUARANTINE).glob("*.bad"):
        with suppress(OSError):
            data = path.read_bytes()
            if any(one in data for one in ids):
                path.unlink()
                dropped += 1
    return dropped


async def _end(conn: Conn, business_id: int, number: int, needles: Needles, damaged: int) -> None:
    await store.empty_others(conn, business_id, needles, KIND)
    await store.done(conn, business_id, number, {"damaged": damaged} if damaged else {})


__all__ = ["KIND", "Places", "Plan", "Preview", "erase", "finish", "ids_of", "preview", "read", "run_job", "word_of"]
