"""Leads: at one of the statuses that their business keeps, with every change written down once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

import msgspec

from tallybook.core import audit
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.wakeups import wake_up
from tallybook.inbox import desk_rules, lead_rules
from tallybook.inbox.hook_events import Kind
from tallybook.inbox.lead_rules import Facts, Status
from tallybook.inbox.store import leads as store
from tallybook.inbox.store.leads import Change, Lead, Sought

from . import automation_causes, hooks
from .filing import TOPIC

__all__ = [
    "Change",
    "Lead",
    "Sought",
    "Status",
    "change",
    "changed",
    "counts",
    "edit",
    "history",
    "listed",
    "of_thread",
]

MOST = 50  # changes of a lead that are shown
BATCH = 500  # leads of an export at a time


async def statuses(conn: Conn, business_id: int) -> list[Status]:
    """What a lead of a business can be, in its order."""
    return await store.statuses(conn, business_id) or list(lead_rules.FIRST)


async def listed(
    conn: Conn, caller: Caller, sought: Sought, after: tuple[datetime, int] | None, limit: int
) -> list[Lead]:
    """Leads, who came to their status last first, or those after (status_entered_at, number). Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.page(conn, caller.business_id, sought, after, limit)


async def exported(conn: Conn, caller: Caller, sought: Sought) -> AsyncGenerator[list[Lead], None]:
    """All of them in batches, in the order of ``listed``. Raises NotAllowed."""
    after: tuple[datetime, int] | None = None
    while found := await listed(conn, caller, sought, after, BATCH):
        yield found
        after = (found[-1].status_entered_at, found[-1].id)


async def counts(conn: Conn, caller: Caller) -> dict[str, int]:
    """How many leads are at each status. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.counts(conn, caller.business_id)


async def one(conn: Conn, caller: Caller, lead_id: int) -> Lead:
    """Raises NotAllowed and NotFound."""
    require(caller, Right.SEE)
    found = await store.one(conn, caller.business_id, lead_id)
    if found is None:
        raise NotFound("There is no such lead.")
    return found


async def of_thread(conn: Conn, caller: Caller, conversation_id: int) -> Lead | None:
    """The lead that a thread's customer is; None where they are none. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.of_thread(conn, caller.business_id, conversation_id)


async def history(conn: Conn, caller: Caller, lead_id: int) -> list[Change]:
    """The latest changes of a lead, the newest first. Raises NotAllowed and NotFound."""
    return await store.history(conn, caller.business_id, (await one(conn, caller, lead_id)).id, MOST)


async def change(conn: Conn, caller: Caller, lead_id: int, status: str, key: str) -> Lead:
    """A lead comes to a status. A repeat of ``key`` changes nothing, whatever the lead is by now.

    Raises NotAllowed, NotFound, Invalid for a status that the business does not keep, Conflict for a key that stood
    for another status.
    """
    require(caller, Right.ANSWER)
    await move(conn, caller, lead_id, status, desk_rules.keyed(key))
    return await one(conn, caller, lead_id)


async def move(conn: Conn, who: audit.Doer, lead_id: int, status: str, key: str) -> Change | None:
    """As ``change``, on anybody's behalf; None where the lead was at that status, which is no change."""
    if status not in {one.status for one in await statuses(conn, who.business_id)}:
        raise Invalid("There is no such status.", field="status")
    was = await store.lock(conn, who.business_id, lead_id)
    if was is None:
        raise NotFound("There is no such lead.")
    before = await store.asked(conn, who.business_id, lead_id, key)
    if before is not None:
        if before.became != status:
            raise Conflict("Another status was asked for under this key. Load the page again.")
        return before
    if was == status:
        return None
    made = await store.move(conn, who.business_id, store.Moved(lead_id, was, status, key, who.name, who.account_id))
    told = ({"status": was}, {"status": status})
    subject = ("lead", str(lead_id))
    await audit.record_by(conn, who, "lead.status_changed", *subject, *told)
    await changed(conn, who.business_id, lead_id, made)
    await wake_up(conn, TOPIC, who.business_id)
    return made


async def changed(conn: Conn, business_id: int, lead_id: int, made: Change) -> None:
    """What hangs on a change of status, in its transaction: automation's rules, and other programs that are told."""
    lead = await store.one(conn, business_id, lead_id)
    if lead is not None and lead.conversation_id is not None:
        await automation_causes.status_entered(conn, business_id, lead.conversation_id, made.became, made.id)
        told: dict[str, object] = {"lead": lead_id, "from": made.was, "to": made.became}
        await hooks.happened(conn, business_id, Kind.LEAD_STATUS, lead.conversation_id, told)


async def edit(conn: Conn, caller: Caller, lead_id: int, facts: Facts) -> Lead:
    """Has other things be written down of a lead. Raises NotAllowed and NotFound."""
    require(caller, Right.ANSWER)
    if await store.lock(conn, caller.business_id, lead_id) is None:
        raise NotFound("There is no such lead.")
    before = await one(conn, caller, lead_id)
    was = Facts(before.given, before.email, before.notes)
    if was == facts:
        return before
    await store.edit(conn, caller.business_id, lead_id, facts)
    told = [msgspec.structs.asdict(one) for one in (was, facts)]
    await audit.record_by(conn, caller, "lead.changed", "lead", str(lead_id), *told)
    await wake_up(conn, TOPIC, caller.business_id)
    return await one(conn, caller, lead_id)


async def keep_statuses(conn: Conn, caller: Caller, kept: Sequence[Status]) -> None:
    """Has a lead of the business be one of these, in this order.

    Raises NotAllowed, Invalid for none, too many, or two of one name, Conflict for one less at which leads are.
    """
    require(caller, Right.LEAD)
    wanted = [_checked(one) for one in kept]
    names = {desk_rules.folded(one.name or one.status) for one in wanted}
    if (
        not 1 <= len(wanted) <= lead_rules.MOST_STATUSES
        or len(names) < len(wanted)
        or len(set(_keys(wanted))) < len(wanted)
    ):
        raise Invalid("There are 1 to 30 statuses, each with a name of its own.")
    before = await store.lock_statuses(conn, caller.business_id) or list(lead_rules.FIRST)
    there = await store.counts(conn, caller.business_id)
    if left := {key: there[key] for key in _keys(before) if key not in _keys(wanted) and there.get(key)}:
        raise Conflict("Leads are still at a status that would go. Move them first.", leads=left)
    if before == wanted:
        return
    await store.write_statuses(conn, caller.business_id, wanted)
    told = [{"statuses": [msgspec.structs.asdict(one) for one in some]} for some in (before, wanted)]
    await audit.record_by(conn, caller, "lead_statuses.changed", "lead_statuses", "all", *told)
    await wake_up(conn, TOPIC, caller.business_id)


async def remove_status(conn: Conn, caller: Caller, status: str, into: str) -> int:
    """Takes a status away and moves its leads to another one, each written down; how many. Raises as keep_statuses."""
    require(caller, Right.LEAD)
    kept = await statuses(conn, caller.business_id)
    if status == into or not {status, into} <= set(_keys(kept)):
        raise Invalid("There is no such status.", field="status")
    held = await store.at(conn, caller.business_id, status)
    for number in held:
        await move(conn, caller, number, into, f"removed:{status}:{datetime.now().astimezone().isoformat()}")
    await keep_statuses(conn, caller, [one for one in kept if one.status != status])
    return len(held)


def _keys(kept: Sequence[Status]) -> list[str]:
    return [one.status for one in kept]


def _checked(status: Status) -> Status:
    if not 1 <= len(status.status) <= lead_rules.LONGEST_STATUS or not status.status.isprintable():
        raise Invalid("There is no such status.", field="status")
    name = None if status.name is None else desk_rules.named(status.name, lead_rules.LONGEST_STATUS)
    if name is None and status.status not in lead_rules.FIRST_NAMES:
        raise Invalid("A name is missing, too long, or has a character that cannot be shown.")
    return Status(status.status, name, desk_rules.coloured(status.colour))
