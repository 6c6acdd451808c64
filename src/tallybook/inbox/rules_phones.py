"""Whose a phone is at a moment: one that somebody left is given to somebody else in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from .types import CONTACT, Customer, Known

# Carriers let a number rest for 45 days at least before they give it away again, and a provider tells what is late for
# seven: between the two, whoever has nothing but the number is somebody else.
RESTS = timedelta(days=30)

Seen = tuple[Customer, datetime]  # somebody as one update tells them, and when it was said
Names = tuple[Known, ...]


class Ended(msgspec.Struct, frozen=True):
    """A phone was a contact's ``until`` somebody else was known to have it. They left it at ``left_at``."""

    contact_id: int
    left_at: datetime
    until: datetime


class Phone(msgspec.Struct, frozen=True):
    """Who had a phone one after the other: ``ended``, and now ``holder``, who is gone from it since ``left_at``.

    ``holder`` None: nobody has it; ``left_at`` None: whoever has it is there.
    """

    holder: int | None
    left_at: datetime | None
    ended: tuple[Ended, ...]

    def bearer(self, at: datetime) -> int | None:
        """Who somebody is of whom nothing but this phone is told; None for nobody who is known."""
        before = next((one.contact_id for one in self.ended if at < one.until), None)
        if before is not None:
            return before
        return None if self.left_at is not None and at > self.left_at + RESTS else self.holder


Phones = Mapping[str, Phone]
Owners = Mapping[Known, int]


def others(seen: Seen, phone: Known, phones: Phones, owners: Owners) -> set[int]:
    """Who somebody is by all else that is told of them beside this phone; empty where nobody is known by any of it."""
    customer, at = seen
    rest = [one for one in customer.known if one != phone]
    found = {phones[one.value].bearer(at) if _was_left(one, phones) else owners.get(one) for one in rest}
    return {one for one in found if one is not None}


def ends(seen: Iterable[Seen], phones: Phones, owners: Owners) -> dict[str, datetime]:
    """From when on phones are known to be somebody else's, by what is told now; the earliest moment of each."""
    found: dict[str, datetime] = {}
    for one in seen:
        customer, at = one
        for known in _left_of(customer, phones):
            phone = phones[known.value]
            alone = _is_alone(known, customer)
            since = _end_alone(phone, at) if alone else _end_beside(phone, at, others(one, known, phones, owners))
            if since is not None:
                found[known.value] = min(found.get(known.value, since), since)
    return found


def _end_alone(phone: Phone, at: datetime) -> datetime | None:
    """When the phone ended at whoever left it, as one tells who has nothing but the phone; None where it did not."""
    rested = phone.left_at + RESTS if phone.left_at is not None else None
    return rested if rested is not None and at > rested else None


def _end_beside(phone: Phone, at: datetime, who: set[int]) -> datetime | None:
    """The same of one who is ``who`` by all else that is told of them; also where it ended earlier than was known."""
    if phone.left_at is not None:
        return min(at, phone.left_at + RESTS) if at > phone.left_at and phone.holder not in who else None
    last = phone.ended[-1] if phone.ended else None
    is_earlier = last is not None and last.left_at < at < last.until
    return at if is_earlier and (not who or phone.holder in who) else None


def names(seen: Seen, phones: Phones, owners: Owners) -> dict[Known, Names]:
    """By what somebody is known at the moment when it was said, for each name that is told; not by that: empty."""
    customer, at = seen
    found: dict[Known, Names] = {one: (one,) for one in customer.known}
    left = _left_of(customer, phones)
    for one in left:
        phone, alone = phones[one.value], _is_alone(one, customer)
        who = others(seen, one, phones, owners)
        found[one] = _names_alone(one, phone, at) if alone else _names_beside(one, phone, at, who)
    if left and not any(found.values()):  # of two phones each contradicts the other
        found[left[0]] = _names_alone(left[0], phones[left[0].value], at)
    return found


def named(seen: Seen, phones: Phones, owners: Owners) -> Customer:
    """The customer by what they are known at the moment when it was said."""
    customer = seen[0]
    known = tuple(dict.fromkeys(one for some in names(seen, phones, owners).values() for one in some))
    return customer if known == customer.known else msgspec.structs.replace(customer, known=known)


def _names_alone(known: Known, phone: Phone, at: datetime) -> Names:
    before = next((one for one in phone.ended if at < one.until), None)
    return (known,) if before is None else _of(before.contact_id)


def _names_beside(known: Known, phone: Phone, at: datetime, who: set[int]) -> Names:
    """Beside other names a phone says who they are only while it was surely theirs."""
    was = next((one for one in phone.ended if at <= one.left_at), None)
    if was is None and phone.left_at is not None and at > phone.left_at:
        return () if phone.holder in who else (known,)
    holder = phone.holder if was is None else was.contact_id
    # Two who had it one after the other are two people, whatever else is told.
    if holder not in who and who & {phone.holder, *(one.contact_id for one in phone.ended)}:
        return ()
    return (known,) if was is None else _of(was.contact_id)


def _left_of(customer: Customer, phones: Phones) -> list[Known]:
    return [one for one in customer.known if _was_left(one, phones)]


def _was_left(known: Known, phones: Phones) -> bool:
    return known.kind == "phone" and known.value in phones


def _is_alone(known: Known, customer: Customer) -> bool:
    return all(one == known for one in customer.known)


def _of(contact_id: int) -> Names:
    return (Known(CONTACT, str(contact_id)),)
