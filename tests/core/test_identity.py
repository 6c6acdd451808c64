"""The promise: one person is one person however they are spelled, and a LID never passes for a phone."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.identity import e164, resolve, vouched
from tallybook.core.messages import Identity

PHONE = "+27820000001"
LID = "98765432109876"
LIDS = {LID: "27820000001"}

phones = st.integers(27820000001, 27820000099).map(str)
lid_digits = st.integers(10**13, 10**15 - 1).map(str).filter(lambda digits: e164(f"+{digits}") is None)
devices = st.one_of(st.just(""), st.integers(0, 99).map(lambda n: f":{n}"), st.just(".0:7"))


@pytest.mark.parametrize(
    "raw",
    [
        "27820000001",
        "+27820000001",
        "+27 82 000 0001",
        "+27 (82) 000-0001",
        "0027820000001",
        " 27820000001 ",
        "tel:+27-82-000-0001",
        "whatsapp:+27820000001",
        "27820000001@s.whatsapp.net",
        "27820000001:12@s.whatsapp.net",
        "27820000001.0:12@s.whatsapp.net",
        "27820000001@S.WHATSAPP.NET",
        "27820000001@c.us",
        LID,
        f"{LID}@lid",
        f"{LID}:3@lid",
        f"{LID}@s.whatsapp.net",
    ],
)
def test_every_spelling_of_a_person_gives_the_same_phone(raw: str) -> None:
    assert resolve(raw, LIDS).key == PHONE
    assert resolve(raw, LIDS).raw == raw


def test_a_local_number_needs_its_country_and_is_otherwise_left_unresolved() -> None:
    assert resolve("082 000 0001", {}, "ZA").phone == PHONE
    assert resolve("0820000001", {}, "ZA").phone == PHONE
    assert resolve("050-000-0001", {}, "IL").phone == "+972500000001"
    assert resolve("082 000 0001", {}).phone is None


def test_digits_are_looked_up_as_a_lid_even_where_they_would_pass_for_a_phone() -> None:
    lids = {"12025550123": "27820000002"}
    assert resolve("12025550123", lids) == Identity("12025550123", phone="+27820000002", lid="12025550123@lid")
    assert resolve("12025550123", {}).phone == "+12025550123"


def test_digits_that_the_map_knows_as_a_phone_are_a_phone_though_no_numbering_plan_has_them() -> None:
    assert resolve("999000000000001", {LID: "999000000000001"}).phone == "+999000000000001"


def test_an_unmapped_lid_is_kept_as_a_lid_with_or_without_its_server() -> None:
    bare, full = resolve(LID, {}), resolve(f"{LID}:5@lid", {})
    assert (bare.phone, bare.lid) == (None, f"{LID}@lid")
    assert bare.key == full.key == f"{LID}@lid"


@pytest.mark.parametrize(
    "raw", ["", "  ", "@lid", "status@broadcast", "120363000000000001@g.us", "Thabo", "+", ":1", "0"]
)
def test_what_is_nobodys_address_is_not_a_phone(raw: str) -> None:
    assert resolve(raw, LIDS).phone is None


def test_a_map_with_an_empty_phone_resolves_nothing() -> None:
    assert resolve(LID, {LID: ""}) == Identity(LID, lid=f"{LID}@lid")


@given(raw=st.text(max_size=40), region=st.sampled_from([None, "ZA", "IL"]))
def test_any_text_at_all_gets_an_answer_and_a_phone_only_if_it_is_one(raw: str, region: str | None) -> None:
    identity = resolve(raw, LIDS, region)
    assert identity.raw == raw
    if identity.phone:
        assert phonenumbers.is_valid_number(phonenumbers.parse(identity.phone))
        assert resolve(identity.phone, LIDS).phone == identity.phone


@given(phone=phones, device=devices)
def test_the_device_a_person_writes_from_does_not_make_another_person(phone: str, device: str) -> None:
    assert resolve(f"{phone}{device}@s.whatsapp.net", {}).key == f"+{phone}"


@given(lid=lid_digits, phone=phones, device=devices)
def test_a_lid_is_resolved_once_the_map_learns_it_and_never_before(lid: str, phone: str, device: str) -> None:
    for raw in (lid, f"{lid}@lid", f"{lid}{device}@lid"):
        before, after = resolve(raw, {}), resolve(raw, {lid: phone})
        assert (before.phone, before.lid) == (None, f"{lid}@lid")
        assert (after.phone, after.lid) == (f"+{phone}", f"{lid}@lid")


def test_a_phone_for_which_whatsapp_vouches_is_spelled_as_a_person_s_own_spelling_of_it_comes_out() -> None:
    """In every country, for every kind of number that it has."""
    compared = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in phonenumbers.PhoneNumberType.values():
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None:
                continue
            typed = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
            digits = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
            assert vouched(digits).phone == resolve(typed, {}).phone, (region, typed)
            compared += 1
    assert compared > 1000
