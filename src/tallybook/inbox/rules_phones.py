"""Whose a phone is at a moment: one that somebody left is given to somebody else in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from .types import CONTACT, Customer, Known

# Carriers let a number rest for 45 days at least before they give it away again, and a provider tells what is late for
# seven: between the two, whoever has nothing but the number is somebody else.
RESTS = timedelta(days=30)

Told = tuple[Customer, datetime]  # somebody as one update tells them, and when it was said


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


def others(told: Customer, at: datetime, phone: Known, phones: Phones, owners: Owners) -> set[int] | None:
    """Who somebody is by all else that is told of them; None where nothing else is told."""
    rest = [one for one in told.known if one != phone]
    if not rest:
        return None
    found = {phones[one.value].bearer(at) if _was_left(one, phones) else owners.get(one) for one in rest}
    return {one for one in found if one is not None}


def ends(told: Iterable[Told], phones: Phones, owners: Owners) -> dict[str, datetime]:
    """From when on phones are known to be somebody else's, by what is told now; the earliest moment of each."""
    found: dict[str, datetime] = {}
    for customer, at in told:
        for phone in (one for one in customer.known if _was_left(one, phones)):
            who = others(customer, at, phone, phones, owners)
            since = _since(phones[phone.value], at, who)
            if since is not None:
                found[phone.value] = min(found.get(phone.value, since), since)
    return found


def _since(phone: Phone, at: datetime, who: set[int] | None) -> datetime | None:
    """From when on the phone is somebody else's than whoever left it last; None where this does not tell."""
    if who is None:
        return phone.left_at + RESTS if phone.left_at is not None and at > phone.left_at + RESTS else None
    if phone.left_at is not None:
        return min(at, phone.left_at + RESTS) if at > phone.left_at and phone.holder not in who else None
    last = phone.ended[-1] if phone.ended else None
    is_earlier = last is not None and last.left_at < at < last.until
    return at if is_earlier and (not who or phone.holder in who) else None


def names(told: Told, phones: Phones, owners: Owners) -> dict[Known, Known | None]:
    """By what somebody is known at the moment when it was said, for each name that is told; None: not by that."""
    customer, at = told
    found: dict[Known, Known | None] = dict(zip(customer.known, customer.known, strict=True))
    left = [one for one in customer.known if _was_left(one, phones)]
    for one in left:
        found[one] = _name(one, phones[one.value], at, others(customer, at, one, phones, owners))
    if left and not any(found.values()):  # of two phones each contradicts the other
        found[left[0]] = _name(left[0], phones[left[0].value], at, None)
    return found


def named(told: Told, phones: Phones, owners: Owners) -> Customer:
    """The customer by what they are known at the moment when it was said."""
    found = names(told, phones, owners)
    known = tuple(dict.fromkeys(one for one in found.values() if one is not None))
    return told[0] if known == told[0].known else msgspec.structs.replace(told[0], known=known)


def _name(known: Known, phone: Phone, at: datetime, who: set[int] | None) -> Known | None:
    if who is None:
        before = next((one for one in phone.ended if at < one.until), None)
        return known if before is None else _of(before.contact_id)
    # Beside other names it says who they are only while it was surely theirs.
    was = next((one for one in phone.ended if at <= one.left_at), None)
    if was is None and phone.left_at is not None and at > phone.left_at:
        return None if phone.holder in who else known
    holder = phone.holder if was is None else was.contact_id
    # Two who had it one after the other are two people, whatever else is told.
    if holder not in who and who & {phone.holder, *(one.contact_id for one in phone.ended)}:
        return None
    return known if was is None else _of(was.contact_id)


def _was_left(known: Known, phones: Phones) -> bool:
    return known.kind == "phone" and known.value in phones


def _of(contact_id: int) -> Known:
    return Known(CONTACT, str(contact_id))
