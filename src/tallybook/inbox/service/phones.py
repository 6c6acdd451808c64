"""Phones that change hands: who somebody is by when it was said, and who takes a phone that another left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.inbox import rules_phones
from tallybook.inbox.rules_phones import Ended, Names, Owners, Phone, Phones, Seen
from tallybook.inbox.store import contacts as contact_store
from tallybook.inbox.store import identities
from tallybook.inbox.store import phones as store
from tallybook.inbox.types import Customer, Known

from . import contacts, hooks, people


class Bearers(msgspec.Struct, frozen=True):
    """Whose phones were when something was said. ``taken``: phones that ended with it, by who had left them."""

    phones: Phones
    owners: Owners
    taken: dict[str, int]

    def customer(self, seen: Seen) -> Customer:
        """By what somebody is known at the moment when it was said."""
        return rules_phones.named(seen, self.phones, self.owners) if self.phones else seen[0]

    def each(self, one: Names, other: Names, at: datetime) -> tuple[Names, Names]:
        """As ``customer``, of two parts of what is told of somebody."""
        found = rules_phones.names((Customer(tuple(dict.fromkeys((*one, *other)))), at), self.phones, self.owners)
        return _all_of(found[known] for known in one), _all_of(found[known] for known in other)

    def takers(self, whose: Mapping[Known, int]) -> dict[int, int]:
        """Who took a phone from whom, of those that are somebody's by now."""
        found = {Known("phone", phone): before for phone, before in self.taken.items()}
        return {whose[one]: before for one, before in found.items() if one in whose and whose[one] != before}


def _all_of(names: Iterable[Names]) -> Names:
    return tuple(one for some in names for one in some)


async def bearers(conn: Conn, business_id: int, seen: Sequence[Seen]) -> Bearers:
    """What decides who somebody is by a phone that was ever left.

    Where what is told shows that somebody else has such a phone, it ends here at whoever left it, and is nobody's.
    """
    phones = sorted({one.value for customer, _ in seen for one in customer.known if one.kind == "phone"})
    stays = await _phones(conn, business_id, phones) if phones else {}
    if not stays:
        return Bearers({}, {}, {})
    met = [one for one in seen if any(known.value in stays for known in one[0].known if known.kind == "phone")]
    known = sorted({known for one, _ in met for known in one.known})
    owners = await identities.find(conn, business_id, known)
    found = rules_phones.ends(met, stays, owners)
    if not found:
        return Bearers(stays, owners, {})
    # Contacts are held before what they are known by, as whoever joins, moves or forgets them does; whoever did so
    # meanwhile was waited for, and it is decided by what is true now.
    gone = {stays[phone].holder for phone in found if stays[phone].left_at is not None}
    await contacts.hold(conn, business_id, sorted(one for one in gone if one is not None))
    stays, owners = await _phones(conn, business_id, phones), await identities.find(conn, business_id, known)
    taken = await store.end(conn, business_id, rules_phones.ends(met, stays, owners))
    return Bearers(await _phones(conn, business_id, phones), owners, taken)


async def _phones(conn: Conn, business_id: int, phones: Sequence[str]) -> dict[str, Phone]:
    stays = await store.left(conn, business_id, phones)
    before = sorted({one.before for one in stays if one.before is not None})
    roots = await contact_store.roots(conn, business_id, before) if before else {}
    ended = defaultdict[str, list[Ended]](list)
    for one in stays:
        # Whoever was forgotten between the two statements had none.
        if one.before in roots and one.before_left_at is not None and one.until is not None:
            ended[one.phone].append(Ended(roots[one.before], one.before_left_at, one.until))
    return {one.phone: Phone(one.holder, one.left_at, tuple(ended[one.phone])) for one in stays}


async def contacts_of(conn: Conn, business: Business, phones: Sequence[str]) -> tuple[dict[str, int], dict[int, int]]:
    """Who has these phones as of now, made where nobody is known by one or it was left long ago; and the takers."""
    now = datetime.now(UTC)
    seen = {phone: (Customer((Known("phone", phone),)), now) for phone in phones}
    found = await bearers(conn, business.id, list(seen.values()))
    customers = {phone: found.customer(one) for phone, one in seen.items()}
    contacts_now = await people.resolve(conn, business, list(customers.values()))
    numbers = {phone: contacts_now[customer].id for phone, customer in customers.items()}
    return numbers, found.takers({Known("phone", phone): number for phone, number in numbers.items()})


async def note_takers(conn: Conn, business: Business, takers: Mapping[int, int]) -> None:
    """Writes down, and tells other programs, who took a phone from whom. Their threads are there."""
    for taker, before in sorted(takers.items()):
        told = ("contact.took_phone", "contact", str(taker), None, {"from": before})
        await audit.record(conn, business.id, contacts.PRODUCT, None, *told)
    if takers:
        changed = sorted({*takers, *takers.values()})
        await hooks.contact_changed(conn, business.id, changed, "phone_taken")
