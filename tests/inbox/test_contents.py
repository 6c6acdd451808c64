"""Whatever kind a message of ours is of, the outbox holds it as the Cloud API takes it, within its limits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tallybook.channels.whatsapp.outgoing import request_of
from tallybook.core.channel import Refused
from tallybook.core.errors import Invalid
from tallybook.core.messages import Outgoing
from tallybook.inbox.contents import Choice, Content, File, Interactive, Press, Template, Text, Value

TO = "+27820000001"
YES, NO = Choice("y", "Yes"), Choice("n", "No")


def leaves(content: Content) -> dict[str, Any]:
    """What is posted for it, from the row of the outbox."""
    kept = msgspec.json.decode(msgspec.json.encode(content.checked().body()))
    body = request_of(Outgoing("whatsapp", "106540352242922", TO, "k", kept)).body
    return {name: value for name, value in body.items() if name in {body["type"], "type", "context"}}


def test_a_text_says_what_it_answers() -> None:
    assert leaves(Text(" Until\r\nsix. ", quote="wamid.1")) == {
        "type": "text", "text": {"body": "Until\nsix."}, "context": {"message_id": "wamid.1"},
    }  # fmt: skip


def test_a_template_is_sent_with_its_values_and_kept_as_it_reads() -> None:
    template = Template(
        "visit", "he", "Dana, we come at nine.", header=(Value("Dana"),), values=(Value("Dana", "who"), Value("nine")),
        buttons=(Press(0, "url", "77"), Press(1, "quick_reply", "no"), Press(2, "copy_code", "SALE")),
    )  # fmt: skip
    assert leaves(template) == {
        "type": "template",
        "template": {"name": "visit", "language": {"code": "he"}, "components": [
            {"type": "header", "parameters": [{"type": "text", "text": "Dana"}]},
            {"type": "body", "parameters": [
                {"type": "text", "text": "Dana", "parameter_name": "who"}, {"type": "text", "text": "nine"}]},
            {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": "77"}]},
            {"type": "button", "sub_type": "quick_reply", "index": "1",
             "parameters": [{"type": "payload", "payload": "no"}]},
            {"type": "button", "sub_type": "copy_code", "index": "2",
             "parameters": [{"type": "coupon_code", "coupon_code": "SALE"}]},
        ]},
    }  # fmt: skip
    assert (template.words, template.preview, template.free) == (
        "Dana, we come at nine.",
        "Dana, we come at nine.",
        False,
    )


def test_a_template_without_values_has_no_components() -> None:
    assert leaves(Template("hello", "en_US", "Hello!"))["template"] == {"name": "hello", "language": {"code": "en_US"}}


def test_a_templates_file_is_named_by_its_id_or_its_address() -> None:
    told = leaves(Template("pic", "en", "Look!", header_file=("image", "https://example.org/a.jpg")))["template"]
    assert told["components"][0]["parameters"] == [{"type": "image", "image": {"link": "https://example.org/a.jpg"}}]
    told = leaves(Template("pic", "en", "Look!", header_file=("document", "4711")))["template"]
    assert told["components"][0]["parameters"] == [{"type": "document", "document": {"id": "4711"}}]


def test_a_file_has_its_words_and_a_document_its_name() -> None:
    assert leaves(File("document", id="4711", caption="The offer", filename="offer.pdf")) == {
        "type": "document", "document": {"id": "4711", "caption": "The offer", "filename": "offer.pdf"},
    }  # fmt: skip
    assert leaves(File("image", link="https://example.org/a.jpg", filename="a.jpg"))["image"] == {
        "link": "https://example.org/a.jpg"
    }
    assert leaves(File("audio", id="1"))["audio"] == {"id": "1"}


def test_a_file_that_is_not_at_whatsapp_yet_cannot_leave() -> None:
    with pytest.raises(Refused):
        leaves(File("image", sha256="ab" * 32))


def test_buttons_and_lists_are_asked_as_whatsapp_shows_them() -> None:
    asked = Interactive(kind="buttons", text="Shall we come?", choices=(YES, NO))
    assert leaves(asked)["interactive"] == {
        "type": "button", "body": {"text": "Shall we come?"}, "action": {"buttons": [
            {"type": "reply", "reply": {"id": "y", "title": "Yes"}},
            {"type": "reply", "reply": {"id": "n", "title": "No"}}]},
    }  # fmt: skip
    assert asked.words == "Shall we come?\n▫ Yes\n▫ No"
    rows = (Choice("1", "Monday", "from nine"), Choice("2", "Tuesday"))
    asked = Interactive(kind="list", text="When?", choices=rows, label="Days")
    assert leaves(asked)["interactive"]["action"] == {"button": "Days", "sections": [
        {"rows": [{"id": "1", "title": "Monday", "description": "from nine"}, {"id": "2", "title": "Tuesday"}]}
    ]}  # fmt: skip


MANY = tuple(Choice(str(one), f"Day {one}") for one in range(11))


@pytest.mark.parametrize(
    "content",
    [
        Text(" \n"), Text("a" * 4097), Text("a\0"), Text("\ud800"),
        File("program", id="1"), File("image"), File("image", id="1", caption="a" * 1025),
        File("sticker", id="1", caption="x"), File("document", id="1", filename="a\n.pdf"),
        Template("", "en", "x"), Template("a", "en", " "),
        Interactive(kind="buttons", text="", choices=(YES,)), Interactive(kind="buttons", text="?", choices=()),
        Interactive(kind="buttons", text="a" * 1025, choices=(YES,)),
        Interactive(kind="poll", text="?", choices=(YES,)),
        Interactive(kind="buttons", text="?", choices=(YES, NO, Choice("a", "A"), Choice("b", "B"))),
        Interactive(kind="buttons", text="?", choices=(Choice("a", "a" * 21),)),
        Interactive(kind="buttons", text="?", choices=(Choice("a", "A"), Choice("a", "B"))),
        Interactive(kind="buttons", text="?", choices=(Choice("a", "A"), Choice("b", "A"))),
        Interactive(kind="buttons", text="?", choices=(Choice("", "A"),)),
        Interactive(kind="buttons", text="?", choices=(Choice("a", "A", "detail"),)),
        Interactive(kind="list", text="?", choices=MANY, label="Days"),
        Interactive(kind="list", text="?", choices=(YES,)),
        Interactive(kind="list", text="?", choices=(YES,), label="a" * 21),
        Interactive(kind="list", text="?", choices=(Choice("a", "a" * 25),), label="Days"),
        Interactive(kind="list", text="?", choices=(Choice("a", "A", "d" * 73),), label="Days"),
    ],
)  # fmt: skip
def test_what_whatsapp_would_not_take_is_refused_at_once(content: Content) -> None:
    with pytest.raises(Invalid):
        content.checked()


@pytest.mark.parametrize("body", [{"media": {"kind": "program"}}, {"template": "visit"}, {"text": 5}, {"reaction": {}}])
def test_what_is_not_one_of_these_is_refused_before_it_leaves(body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        request_of(Outgoing("whatsapp", "106540352242922", TO, "k", body))


def test_reactions_and_receipts_are_requests_of_their_own() -> None:
    reaction: Any = {"reaction": {"about": "wamid.1", "emoji": "👍"}}
    said = request_of(Outgoing("whatsapp", "1", TO, "k", reaction)).body
    assert (said["type"], said["reaction"]) == ("reaction", {"message_id": "wamid.1", "emoji": "👍"})
    read: Any = {"read": {"about": "wamid.1", "typing": True}}
    assert request_of(Outgoing("whatsapp", "1", TO, "k", read)).body == {
        "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1",
        "typing_indicator": {"type": "text"},
    }  # fmt: skip
