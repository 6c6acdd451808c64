"""Two contacts that turn out to be one person become one, with one thread, and can be parted again."""

from __future__ import annotations

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.inbox import rules_identity
from tallybook.inbox.rules_identity import Reading, Row
from tallybook.inbox.store import automation_following as automation
from tallybook.inbox.store import contacts as contact_store
from tallybook.inbox.store import following, identities, parting, phones, session_following
from tallybook.inbox.store import merging as store
from tallybook.inbox.store.contacts import Held
from tallybook.inbox.store.merging import Side
from tallybook.inbox.store.parting import Merge
from tallybook.inbox.types import Customer, Known

from . import contacts, hooks, session_ends


class Undone(msgspec.Struct, frozen=True):
    """What an undoing did. ``stayed``: messages that came since the joining, which are the kept contact's."""

    kept: int
    gone: int
    went_back: int
    stayed: int


async def join(conn: Conn, business: Business, kept: int, gone: int, who: Caller | None = None) -> int:
    """Makes two contacts of a business one: ``kept``, with all that was ``gone``'s. Returns the joining's number.

    Who was joined with somebody else already stands for them. A second time changes nothing. ``who`` is None where
    the product found it out. Raises Invalid for one contact, NotFound where the business has no such contact.
    """
    if kept == gone:
        raise Invalid("A contact cannot be joined with itself.")
    roots = await contacts.hold(conn, business.id, [kept, gone])
    if not {kept, gone} <= roots.keys():
        raise NotFound("There is no such contact.")
    if roots[kept] == roots[gone]:
        return await store.standing(conn, business.id, kept, gone)
    return await _join(conn, business.id, roots[kept], roots[gone], who)


async def _join(conn: Conn, business_id: int, kept: int, gone: int, who: Caller | None) -> int:
    await store.lock_threads(conn, business_id, [kept, gone])
    made = await store.make_thread(conn, business_id, kept, gone)
    sides = (await store.side(conn, business_id, kept), await store.side(conn, business_id, gone))
    held = await contact_store.held(conn, business_id, [kept, gone])
    name = who.name if who else contacts.PRODUCT
    merge_id = await store.begin(conn, business_id, name, sides, made=made)
    moved = await _move(conn, business_id, merge_id, sides)
    one = _together(held[kept], held[gone])
    one = msgspec.structs.replace(one, thread_key=contacts.key_of(business_id, one))
    await contact_store.rekey(conn, business_id, one)
    await store.end(conn, business_id, merge_id, await store.side(conn, business_id, kept))
    told = {"gone": gone, "joining": merge_id, "messages": moved}
    account = who.account_id if who else None
    await audit.record(conn, business_id, name, account, "contact.joined", "contact", str(kept), None, told)
    await hooks.contact_changed(conn, business_id, [kept], "joined")
    return merge_id


async def _move(conn: Conn, business_id: int, merge_id: int, sides: tuple[Side, Side]) -> int:
    """Moves the second's thread and then the person; how many messages moved."""
    kept, gone = sides
    lead = gone.lead if kept.lead is None else kept.lead
    moved = 0
    if kept.lead is None and lead is not None:
        await store.take_lead(conn, business_id, kept.contact["id"], lead)
    if kept.thread is not None and gone.thread is not None:
        threads = (kept.thread, gone.thread)
        await following.join(conn, business_id, merge_id, kept.thread["id"], gone.thread["id"])
        await automation.join_threads(conn, business_id, kept.thread["id"], gone.thread["id"])
        # A run's messages lie together: those of the kept one's are cut off by runs that are over.
        if gone.thread["session_seq"] > 0:
            await session_ends.end_joined(conn, business_id, kept.thread["id"])
        await session_following.join(conn, business_id, *threads)
        moved = await store.move_thread(conn, business_id, merge_id, threads, lead)
        await hooks.follow(conn, business_id, merge_id, kept.thread["id"], gone.thread["id"])
    await automation.join_contacts(conn, business_id, kept.contact["id"], gone.contact["id"])
    await store.move_person(conn, business_id, kept.contact["id"], gone.contact["id"])
    return moved


def _together(kept: Held, gone: Held) -> Held:
    """The one that two become: by the phone that holds, and the lead of either."""
    newer = rules_identity.is_newer((gone.phone_at, gone.phone), (kept.phone_at, kept.phone))
    of = gone if newer or kept.phone is None else kept
    lead = gone.lead_id if kept.lead_id is None else kept.lead_id
    return msgspec.structs.replace(kept, phone=of.phone, phone_at=of.phone_at, lead_id=lead)


async def on_one(conn: Conn, business: Business, customer: Customer) -> int | None:
    """Whose update it is that one customer sent; contacts that are both this customer are joined, into the oldest.

    Two that somebody parted stay apart. None where nobody is known by anything of theirs.
    """
    found = await identities.find(conn, business.id, customer.known)
    if not found:
        return None
    roots = await contacts.hold(conn, business.id, sorted(set(found.values())))
    oldest, *others = sorted(set(roots.values()))
    for other in others:
        if not await store.parted(conn, business.id, oldest, other):
            await join(conn, business, oldest, other)
    return oldest


async def undo(conn: Conn, caller: Caller, merge_id: int) -> Undone:
    """Parts two contacts that were joined: each has what it had before, and what was changed since stays as it is.

    Messages that came since stay with the kept one. A second time changes nothing and says the same. Raises NotFound
    where the caller's business has no such joining, Conflict while a later one stands upon it.
    """
    business_id = caller.business_id
    merge = await parting.merge(conn, business_id, merge_id)
    if merge is None:
        raise NotFound("There is no such joining.")
    pair = sorted((merge.kept_id, merge.gone_id))
    held = await contact_store.lock(conn, business_id, pair)
    merge = await parting.merge(conn, business_id, merge_id) or merge
    if merge.undone_at is not None:
        return Undone(merge.kept_id, merge.gone_id, merge.went_back or 0, merge.stayed or 0)
    if held[merge.kept_id] is not None or not await parting.is_latest(conn, business_id, merge):
        raise Conflict("This contact was joined with another one since. Undo that first.")
    await store.lock_threads(conn, business_id, pair)
    counts = await _part(conn, business_id, merge)
    await parting.done(conn, business_id, merge_id, caller.name, counts)
    told = {"gone": merge.gone_id, "joining": merge_id, "messages": counts[0], "stayed": counts[1]}
    who = (caller.name, caller.account_id)
    await audit.record(conn, business_id, *who, "contact.parted", "contact", str(merge.kept_id), None, told)
    await hooks.contact_changed(conn, business_id, pair, "parted")
    return Undone(merge.kept_id, merge.gone_id, *counts)


async def _part(conn: Conn, business_id: int, merge: Merge) -> tuple[int, int]:
    """How many messages went back, and how many came since."""
    merge = await _without_taken(conn, business_id, merge)
    now = await store.side(conn, business_id, merge.kept_id)
    await parting.return_person(conn, business_id, merge, _contact(business_id, merge, now))
    await phones.come_back(conn, business_id, [merge.kept_id, merge.gone_id])
    await automation.part_contacts(conn, business_id, merge.kept_id, merge.gone_id)
    kept, gone, joined = merge.kept.thread, merge.gone.thread, merge.joined.thread
    if kept is None or gone is None or joined is None or now.thread is None:
        return (0, 0)
    await following.forget_teams(conn, business_id, [kept, gone, now.thread])
    went_back, counted, stayed = await parting.return_thread(conn, business_id, merge, (joined, gone))
    await following.part(conn, business_id, merge.id, kept["id"], gone["id"])
    one, other = _threads(merge, now.thread, counted)
    await parting.restore_thread(conn, business_id, one, joined["last_seq"])
    await parting.restore_thread(conn, business_id, other, gone["last_seq"])
    await session_following.part(conn, business_id, (kept, gone), joined, now.thread)
    await parting.return_windows(conn, business_id, merge)
    await automation.part_threads(conn, business_id, kept["id"], gone["id"], made=merge.made_thread)
    await hooks.go_back(conn, business_id, merge.id, kept["id"], gone["id"])
    await parting.return_reads(conn, business_id, kept["id"], _reads(merge, now, (one, other)))
    if merge.made_thread:
        await following.hand_over(conn, business_id, kept["id"], gone["id"])
        await parting.drop_empty(conn, business_id, kept["id"])
    return went_back, stayed


async def _without_taken(conn: Conn, business_id: int, merge: Merge) -> Merge:
    """The joining, with no phone in it that is somebody else's by now: no two threads can be called by one."""
    sides = []
    for side in (merge.kept, merge.gone):
        phone = Known("phone", side.contact["phone"] or "")
        whose = (await identities.find(conn, business_id, [phone])).get(phone)
        taken = whose is not None and whose not in {merge.kept_id, merge.gone_id}
        sides.append(_without_phone(business_id, side) if taken else side)
    return msgspec.structs.replace(merge, kept=sides[0], gone=sides[1])


def _without_phone(business_id: int, side: Side) -> Side:
    contact = side.contact | {"phone": None, "phone_at": None}
    if side.lead is None:
        contact["thread_key"] = f"contact:{business_id}:{contact['id']}"
    thread = side.thread and side.thread | {"canonical_key": contact["thread_key"]}
    return msgspec.structs.replace(side, contact=contact, thread=thread)


def _contact(business_id: int, merge: Merge, now: Side) -> Row:
    """The kept contact without what was the other's, and without a phone that is the other's again."""
    before = merge.kept.contact
    row = rules_identity.put_back(now.contact, merge.joined.contact, before)
    if ("phone", row["phone"]) in merge.gone.known:
        lead = None if now.lead == merge.gone.lead else now.lead
        row |= {"phone": before["phone"], "phone_at": before["phone_at"]}
        held = Held(before["id"], before["thread_key"], before["phone"], None, lead)
        row["thread_key"] = contacts.key_of(business_id, held)
    return row


def _threads(merge: Merge, now: Row, counted: int) -> tuple[Row, Row]:
    """Both threads as they are from now on; ``counted`` is what counts as inbound in the other."""
    kept, gone, joined = merge.kept.thread or {}, merge.gone.thread or {}, merge.joined.thread or {}
    one, other = rules_identity.put_back(now, joined, kept), dict(gone)
    of_one, of_other = rules_identity.parted(
        Reading(now["inbound"] - counted, kept["read_inbound"]),
        Reading(counted, gone["read_inbound"]),
        Reading(joined["inbound"], joined["read_inbound"]),
        Reading(now["inbound"], now["read_inbound"]),
    )
    one |= {"inbound": of_one.inbound, "read_inbound": of_one.read}
    other |= {"inbound": of_other.inbound, "read_inbound": of_other.read}
    if (now["read_seq"], now["read_inbound"]) != (joined["read_seq"], joined["read_inbound"]):
        one["read_seq"] = _place(of_one, one, kept["read_seq"])
        other["read_seq"] = _place(of_other, other, gone["read_seq"])
        other["last_read_at"] = now["last_read_at"]
    return one, other


def _place(reading: Reading, thread: Row, before: int) -> int:
    """How far a thread was read: to its end where nothing waits in it, else as far as before."""
    return int(thread["last_seq"]) if reading.read >= reading.inbound else min(before, int(thread["last_seq"]))


def _reads(merge: Merge, now: Side, threads: tuple[Row, Row]) -> list[Row]:
    """How far each person has read either thread. Who read nothing of one has no row there."""
    before, of_gone, joined = (
        {row["account_id"]: row for row in side.reads} for side in (merge.kept, merge.gone, merge.joined)
    )
    found: list[Row] = []
    for row in now.reads:
        who = row["account_id"]
        if row == joined.get(who):
            found += [one for one in (before.get(who), of_gone.get(who)) if one is not None]
        else:
            found += _read_since(merge, row, (before.get(who), of_gone.get(who), joined.get(who)), threads)
    return found


def _read_since(
    merge: Merge, row: Row, was: tuple[Row | None, Row | None, Row | None], threads: tuple[Row, Row]
) -> list[Row]:
    joined = merge.joined.thread or {}
    kept, gone, both = (one["inbound"] if one else 0 for one in was)
    parts = rules_identity.parted(
        Reading(threads[0]["inbound"], kept),
        Reading(threads[1]["inbound"], gone),
        Reading(joined["inbound"], both),
        Reading(threads[0]["inbound"] + threads[1]["inbound"], row["inbound"]),
    )
    return [
        row | {
            "conversation_id": thread["id"],
            "inbound": part.read,
            "seq": _place(part, thread, before["seq"] if before else 0),
        }
        for part, thread, before in zip(parts, threads, was, strict=False)
    ]  # fmt: skip
