"""Every kind of update that WhatsApp tells is read, or kept where it can be seen; none is an error, none is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallybook.channels.whatsapp.parse import parse
from tallybook.core import content
from tallybook.core.content import Content
from tallybook.core.messages import Incoming
from tests.channels.whatsapp import bodies
from tests.channels.whatsapp.bodies import BSUID, CUSTOMER, NOON, NUMBER, OTHER, OURS, WABA, body, change, said, text


def only(raw: bytes) -> Incoming:
    (incoming,) = parse(raw)
    return incoming


def told(incoming: Incoming) -> Content:
    found = content.read(incoming.content)
    assert found is not None
    return found


def test_a_message_says_who_when_where_and_what() -> None:
    incoming = only(said(text()))
    assert (incoming.account, incoming.scope, incoming.external_id) == (NUMBER, NUMBER, "wamid.0001")
    assert (incoming.kind, incoming.text, incoming.chat) == ("message", "Is it open today?", f"+{CUSTOMER}")
    assert (incoming.sender.phone, incoming.from_us) == (f"+{CUSTOMER}", False)
    assert incoming.said_at.timestamp() == NOON + 1
    assert told(incoming).person == content.Person(name="Naledi", phone=f"+{CUSTOMER}", user_id=BSUID)
    assert json.loads(bytes(told(incoming).as_sent)) == text()


@pytest.mark.parametrize(("update", "words"), [
    (bodies.IMAGE, "The roof"), (bodies.LOCATION, "Velo Fibre, 1 Example Road"), (bodies.CARDS, "Thabo M"),
    (bodies.BUTTON_REPLY, "Yes, please"), (bodies.LIST_REPLY, "Tuesday"), (bodies.FORM, "Sent"),
    (bodies.TAPPED, "Stop"), (bodies.ORDER, "For Friday"), (bodies.REACTION, "👍"),
    (bodies.EDIT, "Is it open tomorrow?"), (bodies.NEW_NUMBER, "Naledi changed"), (bodies.NEWER_TYPE, ""),
])  # fmt: skip
def test_what_there_is_to_read_in_a_message_is_its_text(update: bodies.Json, words: str) -> None:
    assert only(said(update)).text == words


@pytest.mark.parametrize("update", bodies.EVERY_TYPE, ids=lambda update: str(update["type"]))
def test_a_message_of_any_type_is_kept_whole_with_its_key(update: bodies.Json) -> None:
    incoming = only(said(update))
    assert incoming.external_id == update["id"]
    assert told(incoming).type == update["type"]
    assert not told(incoming).half_read
    assert json.loads(bytes(told(incoming).as_sent)) == update


def test_what_somebody_wrote_is_a_message_and_what_is_about_another_is_not() -> None:
    kinds = {update["type"]: only(said(update)).kind for update in bodies.EVERY_TYPE}
    others = {kind: became for kind, became in kinds.items() if became != "message"}
    assert others == {"reaction": "reaction", "edit": "edit", "revoke": "revoke", "system": "system"}


def test_a_file_is_known_by_its_id_and_hash_and_not_by_its_passing_address() -> None:
    incoming = only(said(bodies.IMAGE))
    assert incoming.media is not None
    assert incoming.media.sha256 is not None
    assert len(incoming.media.sha256) == 32
    again = bodies.IMAGE | {"image": bodies.IMAGE["image"] | {"url": "https://lookaside.example/2"}}
    assert only(said(again)).content_hash == incoming.content_hash
    other = bodies.IMAGE | {"image": bodies.IMAGE["image"] | {"caption": "The roof again"}}
    assert only(said(other)).content_hash != incoming.content_hash
    voice, document = only(said(bodies.VOICE)), only(said(bodies.DOCUMENT))
    assert told(voice).file == content.File("1908", "audio/ogg; codecs=opus", voice=True)
    assert document.media is not None
    assert document.media.filename == "offer.pdf"


def test_what_is_about_a_message_names_it() -> None:
    about = {update["type"]: told(only(said(update))).about for update in (bodies.REACTION, bodies.EDIT, bodies.REVOKE)}
    assert about == {"reaction": "wamid.0001", "edit": "wamid.0001", "revoke": "wamid.0001"}
    assert told(only(said(bodies.BUTTON_REPLY))).about == "wamid.ours"
    assert (told(only(said(bodies.REACTION))).emoji, told(only(said(bodies.UNREACTION))).emoji) == ("👍", None)


@pytest.mark.parametrize("hidden", [{"from": ""}, {"from": None}, {}])
def test_somebody_without_a_phone_is_known_by_their_opaque_id(hidden: dict[str, Any]) -> None:
    message = {name: value for name, value in text().items() if name != "from"} | hidden | {"from_user_id": BSUID}
    incoming = only(body(change("messages", message, contacts=[bodies.contact("", BSUID, username="naledi")])))
    assert (incoming.sender.phone, incoming.sender.lid, incoming.sender.raw) == (None, None, BSUID)
    assert incoming.chat == BSUID
    assert told(incoming).person == content.Person("Naledi", "naledi", user_id=BSUID)


def test_of_several_contacts_each_message_has_its_own() -> None:
    contacts = [bodies.contact(), bodies.contact(OTHER, "ZA.2", name="Thabo")]
    whole = body(change("messages", text(), text("Hi", 2) | {"from": OTHER}, contacts=contacts))
    assert [told(one).person.name for one in parse(whole)] == ["Naledi", "Thabo"]


def test_a_group_s_message_is_in_the_group_and_from_its_author() -> None:
    incoming = only(said(bodies.IN_GROUP))
    assert (incoming.chat, incoming.sender.phone) == ("Y2FwaV9ncm91cDoxMjM", f"+{CUSTOMER}")
    assert told(incoming).group == "Y2FwaV9ncm91cDoxMjM"


def test_a_new_number_says_who_they_were_and_who_they_are() -> None:
    news = told(only(said(bodies.NEW_NUMBER)))
    assert news.person is not None
    assert news.changed_to is not None
    assert (news.person.phone, news.changed_to.phone) == (f"+{CUSTOMER}", f"+{OTHER}")


def test_a_new_opaque_id_says_who_they_were_and_who_they_are() -> None:
    (found,) = [one for one in parse(bodies.EVERYTHING) if one.kind == "identity"]
    news = told(found)
    assert news.person is not None
    assert news.changed_to is not None
    assert (news.person.user_id, news.changed_to.user_id) == (BSUID, "ZA.2")


def test_the_id_above_their_own_is_told_wherever_it_stands() -> None:
    upper = "ZA.ENT.11111"
    beside = bodies.contact() | {"parent_user_id": upper}
    report = bodies.status("read", recipient_user_id=BSUID, recipient_parent_user_id=upper)
    echo = bodies.ECHO | {"to_user_id": BSUID, "to_parent_user_id": upper}
    for raw in (
        said(text() | {"from_parent_user_id": upper}), body(change("messages", text(), contacts=[beside])),
        body(change("statuses", report)), body(change("message_echoes", echo, field="smb_message_echoes")),
    ):  # fmt: skip
        person = told(only(raw)).person
        assert person is not None
        assert person.parent_user_id == upper
    own, above = {"previous": BSUID, "current": "ZA.2"}, {"previous": upper, "current": "ZA.ENT.2"}
    ids = {"wa_id": "", "user_id": own, "parent_user_id": above}
    news = told(only(body(change("user_id_update", ids, field="user_id_update"))))
    assert (news.person, news.changed_to) == (
        content.Person(user_id=BSUID, parent_user_id=upper), content.Person(user_id="ZA.2", parent_user_id="ZA.ENT.2"),
    )  # fmt: skip


def test_each_report_is_kept_by_its_message_and_status() -> None:
    found = parse(body(change("statuses", *bodies.STATUSES)))
    assert [(one.external_id, one.kind) for one in found] == [
        ("wamid.0030", "status:sent"), ("wamid.0030", "status:delivered"), ("wamid.0030", "status:read"),
        ("wamid.0031", "status:failed"),
        (f"wamid.0032#+{CUSTOMER}", "status:read"), (f"wamid.0032#+{OTHER}", "status:read"),
    ]  # fmt: skip
    assert {told(one).about for one in found} == {"wamid.0030", "wamid.0031", "wamid.0032"}
    assert told(found[2]).ours == "reply:7"
    assert told(found[3]).faults == [content.Fault(131047, "Re-engagement message", "More than 24 hours.")]
    assert found[0].chat == f"+{CUSTOMER}"


def test_a_repeated_report_is_the_same_and_one_that_adds_a_price_is_told_again() -> None:
    first, later, priced = (
        only(body(change("statuses", bodies.status("sent", at=at, **more))))
        for at, more in ((NOON, {}), (NOON + 9, {}), (NOON, {"pricing": {"billable": True}}))
    )
    assert first.natural_key == later.natural_key == priced.natural_key
    assert first.content_hash == later.content_hash != priced.content_hash


def test_what_was_typed_on_the_phone_is_ours_and_in_the_customer_s_chat() -> None:
    incoming = only(body(change("message_echoes", bodies.ECHO, field="smb_message_echoes")))
    assert (incoming.kind, incoming.from_us, incoming.chat) == ("echo", True, f"+{CUSTOMER}")
    assert incoming.sender.phone == f"+{OURS}"


def test_the_past_is_of_a_kind_of_its_own_and_says_how_far_it_was_told() -> None:
    chunk, *past = parse(body(change("history", bodies.PAST, field="history")))
    assert chunk.kind == "history_chunk"
    assert [(one.kind, one.from_us, one.chat) for one in past] == [
        ("history", False, f"+{CUSTOMER}"), ("history", True, f"+{CUSTOMER}"),
        ("history_placeholder", False, f"+{CUSTOMER}"),
    ]  # fmt: skip
    photo = only(body(change("messages", bodies.message("image", 52, image={"id": "80"}), field="history")))
    assert (photo.kind, photo.external_id) == ("history", "wamid.0052")


def test_a_past_that_was_not_shared_says_why() -> None:
    (chunk,) = parse(body(change("history", {"errors": [{"code": 2593109, "title": "Declined"}]}, field="history")))
    assert told(chunk).faults == [content.Fault(2593109, "Declined")]


def test_news_of_the_account_is_the_account_s_own() -> None:
    incoming = only(body(bodies.account_change("account_update", event="DISABLED_UPDATE"), time=NOON))
    assert (incoming.kind, incoming.account) == ("account:account_update", f"waba:{WABA}")
    assert incoming.said_at.timestamp() == NOON
    later = only(body(bodies.account_change("account_update", event="DISABLED_UPDATE"), time=NOON + 60))
    assert later.natural_key != incoming.natural_key, "the same news again, later, is news"


def test_what_nobody_knows_yet_is_kept_by_its_field() -> None:
    incoming = only(body(change("calls", {"id": "wacid.1", "from": CUSTOMER}, field="calls")))
    assert (incoming.kind, incoming.chat, incoming.account) == ("unknown:calls", f"+{CUSTOMER}", NUMBER)
    beside = parse(said(text(), novelties=[{"a": 1}]))
    assert [one.kind for one in beside] == ["message", "unknown:messages"]
    assert json.loads(bytes(told(beside[1]).as_sent)) == {"novelties": [{"a": 1}]}


@pytest.mark.parametrize("poison", [
    {}, 7, "text", None, [], {"id": 5}, {"id": ""}, {"id": ["wamid.1"]}, {"type": "text", "text": {"body": "no id"}},
])  # fmt: skip
def test_an_update_that_cannot_be_read_is_kept_beside_its_neighbours(poison: Any) -> None:
    for part in ("messages", "statuses"):
        found = parse(body(change(part, poison), change("messages", text())))
        assert [one.kind for one in found] == ["unreadable", "message"]
        assert json.loads(bytes(told(found[0]).as_sent)) == poison


@pytest.mark.parametrize("odd", [
    {"image": "none"}, {"context": 5}, {"errors": {}}, {"location": [1]}, {"text": {"body": {"deep": 1}}},
])  # fmt: skip
def test_a_message_with_an_odd_part_is_a_message_all_the_same(odd: bodies.Json) -> None:
    incoming = only(said(text() | odd))
    assert (incoming.kind, incoming.chat, told(incoming).half_read) == ("message", f"+{CUSTOMER}", True)


@pytest.mark.parametrize(("stamp", "seconds"), [
    (str(NOON), NOON), (NOON, NOON), (f"{NOON}000", NOON), (float(NOON), NOON), ("soon", 0), (None, 0), ("", 0),
    ("-5", 0), ("9" * 40, 0), ("nan", 0),
])  # fmt: skip
def test_a_moment_is_read_in_seconds_or_milliseconds_and_a_wrong_one_is_said_to_be_none(
    stamp: Any, seconds: int
) -> None:
    incoming = only(said(text() | {"timestamp": stamp}))
    assert incoming.said_at.timestamp() == seconds
    assert told(incoming).undated is (seconds == 0)


def test_what_the_database_could_not_hold_is_replaced() -> None:
    raw = said(text("a NUL \0 and half a pair \ud800 and a whole one 😀"))
    incoming = only(raw)
    assert incoming.text == "a NUL \ufffd and half a pair \ufffd and a whole one 😀"
    assert "\\u0000" not in (incoming.content or "")


def test_what_is_absurdly_long_does_not_stand_in_its_neighbours_way() -> None:
    long = "9" * 5000
    for odd in ({"id": long}, {"from": long}, {"group_id": long}):
        incoming = only(said(text() | odd))
        assert max(len(incoming.external_id), len(incoming.chat)) <= 250
        assert json.loads(bytes(told(incoming).as_sent)) == text() | odd
    assert len(only(body(change("calls", {"id": 10**40}, field="c" * 5000))).kind) <= 250
    assert only(body(bodies.account_change("security", number=10**40))).kind == "account:security"


def test_numbers_of_several_businesses_in_one_body_are_told_apart() -> None:
    found = parse(body(change("messages", text()), change("messages", text(), number="2"), waba="9"))
    assert [one.account for one in found] == [NUMBER, "2"]
    assert found[0].natural_key != found[1].natural_key


@pytest.mark.parametrize("nothing", [
    {"entry": []}, {"entry": [{"id": WABA, "changes": []}]}, {"object": "page"}, {"entry": None},
    {"entry": [{"id": WABA, "changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": NUMBER}, "messages": []}}]}]},
])  # fmt: skip
def test_a_body_without_any_update_is_an_error_that_a_person_sees(nothing: bodies.Json) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(json.dumps(nothing).encode())


FRAMES: list[tuple[Any, list[str]]] = [
    *(({"entry": [odd, "good"]}, ["unreadable"]) for odd in (None, 5, "text", [], {}, {"id": WABA, "changes": None})),
    *(({"entry": [{"id": WABA, "changes": odd}, "good"]}, ["unreadable"]) for odd in (None, 5, "text", [None], [5])),
    ({"entry": [{"id": WABA, "changes": []}, "good"]}, []),
    ({"entry": [{"changes": [{"field": "messages", "value": None}, {"value": [1]}]}, "good"]}, ["unreadable"] * 2),
    ({"entry": "good"}, []),
    *(({"entry": [{"id": odd, "time": odd, "changes": ["change"]}]}, []) for odd in ({}, None, [1], 10**40, "soon")),
    *(({"entry": [{"id": WABA, "changes": ["change" if name is None else {name: odd}]}]}, [])
      for name in ("field", None) for odd in (5, None, {}, ["messages"])),
]  # fmt: skip


def framed(whole: Any) -> Any:
    """With a good change for each place that is left for one."""
    good = change("messages", text(), contacts=[bodies.contact()])
    if isinstance(whole, list):
        return [framed(one) for one in whole]
    if not isinstance(whole, dict):
        return {"good": {"id": WABA, "changes": [good]}, "change": good}.get(whole, whole) if whole else whole
    if set(whole) == {"field"}:
        return good | whole
    return {name: framed(value) for name, value in whole.items()}


@pytest.mark.parametrize(("whole", "beside"), FRAMES, ids=lambda one: json.dumps(one)[:50])
def test_a_fault_in_the_frame_keeps_no_message_from_being_read(whole: Any, beside: list[str]) -> None:
    found = parse(json.dumps(framed(whole)).encode())
    assert [one.kind for one in found] == ["message", *beside]
    assert {one.account for one in found} == {NUMBER}, "what names no number is of the only one there is"
    assert told(found[0]).person.name == "Naledi"


def test_of_several_numbers_none_is_given_what_names_no_number() -> None:
    changes = [change("messages", text()), change("messages", text(), number="2"), None]
    found = parse(json.dumps({"entry": [{"id": WABA, "changes": changes}, 5]}).encode())
    assert [one.account for one in found] == [NUMBER, "2", f"waba:{WABA}", "waba:"]


@pytest.mark.parametrize("metadata", [
    {"phone_number_id": int(NUMBER), "display_phone_number": int(OURS)},
    {"phone_number_id": NUMBER, "display_phone_number": {}}, {"phone_number_id": NUMBER, "more": [1]},
])  # fmt: skip
def test_a_number_is_known_whatever_is_wrong_beside_it(metadata: Any) -> None:
    assert only(said(text(), metadata=metadata)).account == NUMBER


@pytest.mark.parametrize("odd", [5, None, {"wa_id": 5}, {"wa_id": OTHER, "profile": "none"}, []])
def test_a_contact_that_cannot_be_read_takes_no_name_from_the_others(odd: Any) -> None:
    (found,) = parse(body(change("messages", text(), contacts=[odd, bodies.contact()])))
    assert told(found).person == content.Person(name="Naledi", phone=f"+{CUSTOMER}", user_id=BSUID)
    nameless = text() | {"from": ""}
    (found,) = parse(body(change("messages", nameless, contacts=[{"wa_id": [1]}, bodies.contact()])))
    assert told(found).person == content.Person(), "of two that are spoken of nobody knows which it is"


@pytest.mark.parametrize("odd", [None, 5, "text", [1], {"id": {}, "messages": 5}, {"messages": [None]}])
def test_one_bad_thread_of_the_past_keeps_back_no_other(odd: Any) -> None:
    past = bodies.PAST | {"threads": [odd, *bodies.PAST["threads"]], "errors": 5}
    found = parse(body(change("history", past, field="history")))
    assert [one.kind for one in found] == [
        "history_chunk", "unreadable", "history", "history", "history_placeholder",
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
    | st.just(10**40),
    lambda inside: st.lists(inside, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "changes", "value", "field", "metadata", "contacts", "messages", "statuses", "time",
                         "threads", "history", "errors", "timestamp", "phone_number_id"]), inside, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(before=st.lists(JSON, max_size=3), beside=st.lists(JSON, max_size=3), around=st.dictionaries(
    st.sampled_from(["time", "more"]), JSON))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_no_neighbour_whatever_it_is_keeps_a_message_from_being_read(
    before: list[Any], beside: list[Any], around: dict[str, Any]
) -> None:
    good = change("messages", text(), contacts=[bodies.contact()])
    whole = {"entry": [*before, around | {"id": WABA, "changes": [*beside, good]}, *before]}
    (found,) = [one for one in parse(json.dumps(whole).encode()) if one.external_id == "wamid.0001"]
    assert (found.kind, found.account, told(found).person.name) == ("message", NUMBER, "Naledi")


def test_a_number_that_no_machine_counts_with_is_its_message_s_own_fault() -> None:
    whole = said(text(), {"id": "wamid.0002", "type": "text", "text": {"body": 1}}).replace(b": 1}", b": 1e999}")
    found = parse(whole)
    assert [(one.kind, one.external_id) for one in found] == [("message", "wamid.0001"), ("message", "wamid.0002")]


def test_a_thousand_updates_in_three_megabytes_are_a_thousand_rows() -> None:
    whole = said(*(text("ש" * 450, number) for number in range(1000)))
    assert 2_500_000 < len(whole) < 3_100_000
    assert len({one.natural_key for one in parse(whole)}) == 1000
