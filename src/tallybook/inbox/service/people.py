"""Who is it: customers become contacts, one for each person, whoever meets them first."""

from __future__ import annotations

from collections.abc import Sequence

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.inbox import rules
from tallybook.inbox.store import identities as store
from tallybook.inbox.store.identities import Contact, NewContact
from tallybook.inbox.types import Customer, Known

from . import contacts, merging

Group = list[Customer]


async def resolve(conn: Conn, business: Business, customers: Sequence[Customer]) -> dict[Customer, Contact]:
    """The contact of each customer, made where nobody is known by anything of theirs.

    Who comes under two names that were two contacts until now is one from now on.
    """
    groups = rules.same_people(customers)
    everything = sorted({known for group in groups for customer in group for known in customer.known})
    found = await store.find(conn, business.id, everything)
    oldest = [await _known(conn, business, group, found) for group in groups]
    made = await _make(conn, business.id, [group for group, known in zip(groups, oldest, strict=True) if known is None])
    numbers = iter(made)
    ids = [next(numbers) if known is None else known for known in oldest]
    wanted = {
        known: number
        for group, number in zip(groups, ids, strict=True)
        for customer in group
        for known in customer.known
        if known not in found
    }
    claimed = await store.claim(conn, business.id, wanted) if wanted else {}
    await store.spare(conn, business.id, sorted({one.spare for one in customers} - {""}))
    whose = found | claimed
    settled = [_settled(group, number, whose) for group, number in zip(groups, ids, strict=True)]
    if lost := sorted({*made} - {*settled}):
        await store.forget(conn, business.id, lost)
    # Nobody re-keys or joins them from here on; who was joined with somebody meanwhile is who they are by now.
    stays = await contacts.settled(conn, business.id, settled)
    settled = [stays[number] for number in settled]
    await _tell(conn, business.id, groups, settled)
    about = await store.about(conn, business.id, sorted(set(settled)))
    return {customer: about[number] for group, number in zip(groups, settled, strict=True) for customer in group}


async def _known(conn: Conn, business: Business, group: Group, found: dict[Known, int]) -> int | None:
    whose = {found[known] for customer in group for known in customer.known if known in found}
    if len(whose) > 1:
        return await merging.on_one(conn, business, rules.together(group))
    return next(iter(whose), None)


def _settled(group: Group, number: int, whose: dict[Known, int]) -> int:
    """Whose thread it is, once every claim is answered: ours, unless somebody else's were all first."""
    told = {whose[known] for customer in group for known in customer.known}
    return number if number in told else min(told)


async def _make(conn: Conn, business_id: int, groups: Sequence[Group]) -> list[int]:
    if not groups:
        return []
    numbers = await store.numbers(conn, len(groups))
    new = []
    for number, group in zip(numbers, groups, strict=True):
        whole = rules.together(group)
        new.append(
            NewContact(
                number, rules.thread_key(business_id, whole), whole.name or None, whole.username or None, whole.phone
            )
        )
    await store.make(conn, business_id, new)
    return numbers


async def _tell(conn: Conn, business_id: int, groups: Sequence[Group], settled: Sequence[int]) -> None:
    told = {}
    for group, number in zip(groups, settled, strict=True):
        whole = rules.together(group)
        if whole.name or whole.username or whole.phone:
            told[number] = (whole.name or None, whole.username or None, whole.phone)
    # Whoever came by an id alone is called by their phone once it is known, whichever came first.
    for number in await store.tell(conn, business_id, told) if told else ():
        await contacts.settle(conn, business_id, number)
