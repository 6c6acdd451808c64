"""A mask hides a person and keeps them one person; nobody gets back from it."""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallybook.core.environment_masking import ENDINGS, FIRST_STATUSES, NOT_PEOPLE, Kind, Masks
from tallybook.core.identity import resolve
from tallybook.inbox import lead_rules
from tallybook.inbox.automation_types import Actions, Conditions, Trigger

MASKS = Masks(b"a key of production's")
ANA = "27820000001"
LID = "123456789012345"
USER_ID = "ZA.13491208655302741918"


def test_one_sender_stays_one_sender_in_every_spelling_that_the_registers_use() -> None:
    masked = MASKS.who(ANA)
    assert MASKS.who(f"+{ANA}") == f"+{masked}"
    assert MASKS.who(f"{ANA}@s.whatsapp.net") == f"{masked}@s.whatsapp.net"
    assert MASKS.who(f"{ANA}:12@s.whatsapp.net") == f"{masked}:12@s.whatsapp.net"
    assert MASKS.who("+27 82 000 0001") == masked
    assert MASKS.who("27820000002") != masked


@pytest.mark.parametrize("spelled", [ANA, f"+{ANA}", f"{ANA}@s.whatsapp.net", "0820000001", "27 82 000 0001"])
def test_a_masked_phone_is_nobody_s(spelled: str) -> None:
    masked = MASKS.who(spelled)
    digits = re.sub(r"\D", "", masked)
    assert digits.startswith("999")
    assert resolve(masked, {}, "ZA").phone is None
    with pytest.raises(phonenumbers.NumberParseException):
        phonenumbers.parse(f"+{digits}")


@given(st.from_regex(r"[1-9][0-9]{6,19}", fullmatch=True))
def test_no_number_comes_through_and_none_grows_beyond_its_column(number: str) -> None:
    masked = MASKS.digits(number)
    assert masked.startswith("999")
    assert len(masked) == min(len(number), 16) + 3


def test_no_two_numbers_become_one_so_that_what_is_known_by_them_stays_unique() -> None:
    every = [*map(str, range(10_000, 12_000)), *(f"278200000{number:02}" for number in range(100))]
    assert len({MASKS.digits(number) for number in every}) == len(every)


def test_a_masked_lid_is_a_lid_and_a_group_keeps_its_name() -> None:
    assert re.fullmatch(r"999\d{15}@lid", MASKS.who(f"{LID}@lid"))
    assert MASKS.chat("120363000000000001@g.us") == "120363000000000001@g.us"


def test_an_older_group_loses_the_phone_of_whoever_made_it_unless_the_environment_reads_it() -> None:
    made = f"{ANA}-1418923424@g.us"
    assert MASKS.chat(made) == f"{MASKS.digits(ANA)}-1418923424@g.us"
    assert MASKS.keeping([made]).chat(made) == made
    assert MASKS.chat(f"{ANA}@s.whatsapp.net") == MASKS.who(f"{ANA}@s.whatsapp.net")


@pytest.mark.parametrize("name", [
    "Dana Levi 0501234567 @g.us", "Dana Levi@g.us", "0501234567@g.us", "120363050123456789@g.us",
    "12345-0501234567@g.us", "12345@DanaLevi", "12345@dana.levi.example", "12345:0501234567", "1234567.050.123.4567",
    "1234567:050@s.whatsapp.net", "ZA.0501234567 Dana Levi", "https://dana.levi.example/0501234567", "danalevi",
])  # fmt: skip
def test_a_customer_who_calls_themselves_like_an_address_is_hidden_as_anybody_is(name: str) -> None:
    for masked in (MASKS.who(name), MASKS.known(name), MASKS.thread_key(f"chat:1:{name}")):
        assert not re.search("dana|levi|0501|1234|3456|4567", masked, re.IGNORECASE), masked


# What the masks say themselves, and what the product and the channels' protocols call things, whoever is meant.
OURS = " ".join([
    "Person", "999", "id.", "masked.", "name-", "status_", "@example.invalid", "@s.whatsapp.net", "@newsletter",
    "@broadcast", "@hosted", "user_id:1:", *NOT_PEOPLE, *ENDINGS, *FIRST_STATUSES,
]).casefold()  # fmt: skip
OTHERS = [Masks(f"key {number}".encode()) for number in range(8)]
HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.from_regex(r"[0-9]{1,14}", fullmatch=True),
        st.sampled_from([
            "Dana Levi", "danalevi", "דנה לוי", "0501234567", "+27820000001", "@g.us", "@lid", "@s.whatsapp.net",
            "@c.us", "@", ":12", ":", ".", "-", "-1418923424", "120363", "ZA.", "lead:1:", "phone:1:", "wamid.", "{{",
            "}}", "https://", "DR1752104", "DR ", ".jpg", ".dana", " ", "\n", "_", "Person ", "unknown",
        ]),
    ),
    max_size=6,
).map("".join)  # fmt: skip
CUSTOMERS = [
    Kind.WHO, Kind.KNOWN, Kind.NAMED, Kind.EMAIL, Kind.FILE, Kind.SAID, Kind.POST, Kind.STATUS, Kind.OUTSIDE_ID,
    Kind.THREAD_KEY,
]  # fmt: skip


@given(HOSTILE, st.sampled_from(CUSTOMERS), st.sampled_from(["whatsapp", "gateway"]))
def test_of_whatever_a_customer_chooses_no_four_letters_or_digits_in_a_row_come_through(
    text: str, kind: Kind, channel: str
) -> None:
    """Several keys, since a mask of one may hold four of them by chance; what all say is copied."""
    value = f"user_id:1:{text}" if kind is Kind.THREAD_KEY else text
    kinds = {"channel": Kind.PLAIN, "value": kind}
    told = [masks.row({"channel": channel, "value": value}, kinds)["value"].casefold() for masks in OTHERS]
    folded = text.casefold()
    runs = {folded[start : start + 4] for start in range(len(folded) - 3)}
    runs = {run for run in runs if run.isalnum() and run not in OURS}
    assert [run for run in runs if all(run in one for one in told)] == []


def test_what_customers_wrote_loses_even_what_a_project_takes_for_a_drop() -> None:
    masks = Masks(b"k", [re.compile(r"\d{7,8}")])
    said = {"text": "my card code 1234567 and id 12345678, DR1752104", "channel": "whatsapp"}
    kinds = {"text": Kind.POST, "channel": Kind.PLAIN}
    assert masks.row(said, kinds)["text"] == masks.row(said | {"channel": "gateway"}, kinds)["text"] == "…"
    assert masks.row(said | {"channel": "bridge"}, kinds)["text"] == "… 1234567 … 12345678 … DR1752104"
    earlier = {"text": said["text"]}
    assert [masks.row(earlier, kinds, channel)["text"] for channel in ("whatsapp", "gateway", "")] == ["…"] * 3
    assert masks.row(earlier, kinds, "bridge")["text"] == "… 1234567 … 12345678 … DR1752104"


@pytest.mark.parametrize("pattern", [r"\d{6,10}", r"\d{6,8}", r"[0-9]+", r"\d{4} ?\d{4}"])
def test_a_project_s_wide_pattern_takes_no_phone_for_a_drop(pattern: str) -> None:
    masks = Masks(b"k", [re.compile(pattern)])
    for phone in ("0820000012", "27820000012", "+27820000012", "082 0000012", "+27 82 0000012", "(+27) 820000012"):
        assert not re.search(r"\d{3}", masks.words(f"call Piet {phone} about it")), phone
    assert masks.words("17521044 is done") == "17521044 …"


def test_a_word_of_the_product_s_own_is_kept_and_anything_else_is_not() -> None:
    kept = ["sharepoint_hld_home", "not_in_valid_list", "step_01_house_photo", "review.saved"]
    assert MASKS.code(kept) == kept
    assert MASKS.code("accepted by Ana Mokoena: DR1752104, phoned 0820000012") == "… DR1752104 …"
    assert MASKS.comment("In no project's list") == "In no project's list"
    assert MASKS.comment("In the list of Lawley") == "In the list of Lawley"


def test_who_has_only_a_list_of_phones_gets_nothing_back() -> None:
    """Another key gives other masks, and no plain hash of the number stands in one."""
    masked = MASKS.who(ANA)
    assert Masks(b"a guess").who(ANA) != masked
    plain = [hashlib.new(name, ANA.encode()).digest() for name in ("md5", "sha1", "sha256")]
    plain.append(hmac.digest(b"", ANA.encode(), "sha256"))
    assert masked not in {"999" + str(int.from_bytes(digest) % 10**8).zfill(8) for digest in plain}


def test_a_name_becomes_a_person_without_one_however_it_is_written() -> None:
    masked = MASKS.who("Ana Mokoena")
    assert re.fullmatch(r"Person [a-z2-7]{8}", masked)
    assert MASKS.who(" ana mokoena") == masked
    assert MASKS.who("Bia Dlamini") != masked
    assert [MASKS.who(name) for name in ("unresolved", "command line", "Manual Entry")] == [
        "unresolved", "command line", "Manual Entry",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("DR1752104", "DR1752104"),
        ("Hi it is Piet, DR 1752104 and dr:1752105 are done, call 082 000 0001", "… DR 1752104 … dr:1752105 …"),
        ("DR1752104 DR1752105", "DR1752104 DR1752105"),
        ("thanks", "…"),
        ("", ""),
        ("שלום DR1752104", "… DR1752104"),
        ("DR27820000001", "…"),
    ],
)
def test_of_a_text_only_its_drops_are_left(text: str, masked: str) -> None:
    assert MASKS.words(text) == masked


def test_a_project_s_own_pattern_says_what_a_drop_is() -> None:
    masks = Masks(b"k", [re.compile(r"VT-\d+", re.IGNORECASE)])
    assert masks.words("Piet: VT-17 and DR1752104") == "… VT-17 … DR1752104"


@given(st.text())
def test_nothing_of_a_text_without_drops_is_left(text: str) -> None:
    assert MASKS.words(text.replace("DR", "")) in {"", "…"} or "DR" in text.upper()


def test_a_comment_keeps_the_lines_that_the_product_wrote() -> None:
    comment = (
        "Auto-created from WhatsApp on 2025-12-02 11:28:00 SAST\n--- RESUBMITTED 2025-12-03 09:00:00 SAST ---\n"
        "Piet promised DR1752104\nAuto-created from WhatsApp on 082-000-0012 Piet\n--- RESUBMITTED 0820000012 Piet ---"
    )
    assert MASKS.comment(comment).split("\n") == [*comment.split("\n")[:2], "… DR1752104", "…", "…"]


def test_a_record_keeps_its_shape_and_loses_its_texts() -> None:
    before = {"step_01": "wrong: Piet says so", "ticks": [True, None, 3], "drop": "DR1752104", "phone": 27820000001,
              ANA: True}  # fmt: skip
    masked = MASKS.leaves(before)
    assert masked == {
        "step_01": "…", "ticks": [True, None, 3], "drop": "DR1752104", "phone": masked["phone"], "…": True,
    }  # fmt: skip
    assert str(masked["phone"]).startswith("999")
    assert MASKS.leaves({"lat": -26.204103, "share": 0.5}) == {"lat": -26.2, "share": 0.5}


def test_a_column_that_nobody_declared_is_masked() -> None:
    row = {"id": 7, "note": "Piet", "who": ANA, "locked_by": "Ana", "empty": None}
    kinds = {"id": Kind.PLAIN, "who": Kind.WHO, "locked_by": Kind.NEVER}
    assert MASKS.row(row, kinds) == {"id": 7, "note": "…", "who": MASKS.who(ANA), "locked_by": None, "empty": None}


def test_a_message_keeps_the_number_by_which_the_bridge_knows_it_and_no_other_channel_s() -> None:
    for number in ("3EB0C431C26A", "3EB0C43112345678901A"):
        assert MASKS.outside_id("bridge", number) == number
    assert "2782" not in MASKS.outside_id("bridge", f"true_{ANA}@c.us_3EB0")
    assert MASKS.outside_id("whatsapp", "wamid.HBgL") != "wamid.HBgL"
    for number in ("Dana Levi", "danalevi", "050-1234567", "050 123 456 7", "0501234567"):
        assert MASKS.outside_id("bridge", number).startswith("masked."), number


def test_hashes_and_file_names_keep_their_form() -> None:
    written = "\\x" + "ab" * 16
    assert re.fullmatch(r"\\x[0-9a-f]{32}", MASKS.hash(written))
    assert MASKS.hash(written) != written
    assert re.fullmatch(r"[a-z2-7]{12}\.jpg", MASKS.file("Piet van Wyk.JPG"))
    for ending in ("0820000012", "PietvanWyk", "piet"):
        assert re.fullmatch(r"[a-z2-7]{12}", MASKS.file(f"card.{ending}")), ending


def test_a_customer_s_thread_phone_and_identity_still_fit_together() -> None:
    masked = MASKS.known(f"+{ANA}")
    assert masked == MASKS.who(f"+{ANA}")
    assert MASKS.thread_key(f"phone:1:+{ANA}") == f"phone:1:{masked}"
    assert MASKS.thread_key("lead:1:17") == "lead:1:17"
    assert MASKS.thread_key(f"user_id:1:{USER_ID}") == f"user_id:1:{MASKS.known(USER_ID)}"
    assert MASKS.who(USER_ID) == MASKS.known(USER_ID) != USER_ID
    for other in (f"lead:1:{USER_ID}", f"lead:1:+{ANA}", "Piet", "Piet:1:x", ""):
        assert not re.search("ZA|1349|2782|Piet", MASKS.thread_key(other)), other


def test_names_of_a_business_s_own_things_stay_apart_and_alike_whatever_their_case() -> None:
    assert MASKS.named("VIP of Ana") == MASKS.named("vip of ana")
    assert len({MASKS.named(f"label {number}") for number in range(500)}) == 500
    assert [MASKS.status(one.status) for one in lead_rules.FIRST] == [one.status for one in lead_rules.FIRST]
    assert "ana" not in MASKS.status("ana_s_friends")
    assert MASKS.email("ana@velo.example").endswith("@example.invalid")


def test_a_rule_keeps_what_it_does_and_loses_what_it_says() -> None:
    rule = {
        "trigger": {"on": "keyword", "words": ["Piet", "price"], "whole": True},
        "conditions": {"hours": "open", "accounts": [ANA], "statuses": ["won", "piets"], "labels": [7]},
        "actions": {
            "text": "Hello Ana", "assign_to": 3,
            "template": {"name": "for_ana", "language": "en_US", "values": ["Ana"]},
        },
    }  # fmt: skip
    masked = MASKS.made(rule)
    assert masked["trigger"] == {"on": "keyword", "words": ["…", "…"], "whole": True}
    assert masked["conditions"] == {
        "hours": "open", "accounts": [MASKS.who(ANA)], "statuses": ["won", MASKS.status("piets")], "labels": [7],
    }  # fmt: skip
    assert masked["actions"]["text"] == "…"
    assert masked["actions"]["template"] == {"name": MASKS.named("for_ana"), "language": "en_US", "values": ["…"]}
    for part, kind in (("trigger", Trigger), ("conditions", Conditions), ("actions", Actions)):
        msgspec.convert(masked[part], kind)
    assert MASKS.made({"on": "Ana M", "at": "Ana", "Piet 082": "x", "type": "Ana"}) == {
        "on": "…", "at": "…", "…": "…", "type": "…",
    }  # fmt: skip


def test_a_template_keeps_its_parts_and_its_places() -> None:
    parts = [
        {"type": "BODY", "text": "Dear {{1}}, Ana comes at {{ 2 }}.", "example": {"body_text": [["Piet", "9"]]}},
        {"type": "BUTTONS", "buttons": [{"type": "PHONE_NUMBER", "text": "Call", "phone_number": f"+{ANA}"}]},
    ]
    assert MASKS.made(parts) == [
        {"type": "BODY", "text": "… {{1}} … {{ 2 }} …", "example": {"body_text": [["…", "…"]]}},
        {"type": "BUTTONS", "buttons": [{"type": "PHONE_NUMBER", "text": "…", "phone_number": "…"}]},
    ]
