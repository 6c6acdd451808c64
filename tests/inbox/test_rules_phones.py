"""The rule: who somebody is by a phone that was left, by when it was said and what else is told of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tallybook.inbox import rules_phones
from tallybook.inbox.rules_phones import Ended, Phone
from tallybook.inbox.types import Customer, Known
from tests.inbox.people import NOON

A = Known("phone", "+27820000001")
ID = Known("user_id", "ZA.1")
OLD = Ended(1, NOON, NOON + timedelta(days=2))


@pytest.mark.parametrize(
    ("phone", "owner", "days", "expected"),
    [
        (Phone(1, None, ()), 2, 1, (A, ID)),  # held by one, told of another: they are one
        (Phone(1, NOON, ()), 1, 1, (ID,)),  # left: the id decides
        (Phone(1, NOON, ()), None, -1, (A, ID)),  # from before
        (Phone(None, None, (OLD,)), 1, 1, (ID,)),  # hers, while it rests
        (Phone(2, None, (OLD,)), 1, 9, (ID,)),  # she has it no more
        (Phone(2, None, (OLD,)), 2, 1, (A, ID)),  # the stranger, earlier than was known
        (Phone(2, None, (OLD,)), None, -1, (Known("contact", "1"), ID)),
    ],
)  # fmt: skip
def test_beside_an_id_a_phone_says_who_it_is_only_while_it_was_surely_theirs(
    phone: Phone, owner: int | None, days: int, expected: tuple[Any, ...]
) -> None:
    told = (Customer((A, ID)), NOON + timedelta(days=days))
    owners = {} if owner is None else {ID: owner}
    assert rules_phones.named(told, {A.value: phone}, owners).known == expected


def test_a_phone_alone_is_whose_it_was() -> None:
    taken = Phone(2, None, (OLD,))
    seen = [rules_phones.named((Customer((A,)), NOON + timedelta(days=days)), {A.value: taken}, {}) for days in (1, 3)]
    assert [one.known for one in seen] == [(Known("contact", "1"),), (A,)]


def test_what_two_phones_contradict_is_decided_by_the_first_alone() -> None:
    """She had the one and has the other; he the other way round."""
    first, second = Known("phone", "+27820000001"), Known("phone", "+27820000002")
    phones = {first.value: Phone(2, None, (OLD,)), second.value: Phone(1, None, (Ended(2, NOON, NOON),))}
    told = (Customer((second, first)), NOON + timedelta(days=9))
    assert rules_phones.named(told, phones, {}).known == (second,)
