"""Slack's limits, and the one check that everything passes on its way out.

What is built here stays within them by itself; the check is for what nobody thought of. Texts are counted in UTF-16
units, of which no count of Slack's is larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tallybook.core.errors import TooLarge

Block = dict[str, Any]

MOST_IN_VIEW = 100
MOST_IN_MESSAGE = 50
LONGEST = {
    "message": 40_000, "section": 3000, "field": 2000, "context": 3000, "header": 150, "button": 75, "value": 2000,
    "option": 75, "option_value": 150, "description": 75, "placeholder": 150, "label": 2000, "hint": 2000, "title": 24,
    "meta": 3000, "id": 255, "confirm_title": 100, "confirm_text": 300, "confirm_button": 30, "url": 3000,
    "alt_text": 2000, "initial": 3000,
}  # fmt: skip
MOST = {"fields": 10, "elements": 25, "context": 10, "options": 100, "boxes": 10, "overflow": 5}
BOXES = frozenset({"checkboxes", "radio_buttons"})
KINDS = {"context": "context", "section": "section", "header": "header"}
INPUTS = frozenset({
    "plain_text_input", "static_select", "external_select", "multi_static_select", "users_select", "datepicker",
    "datetimepicker", "timepicker", "checkboxes", "radio_buttons", "number_input",
})  # fmt: skip


class Message(msgspec.Struct, frozen=True):
    """A message; ``text`` is what is read where blocks are not shown, as in a notification."""

    text: str
    blocks: list[Block]


def size(text: str) -> int:
    """In UTF-16 units."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def message(text: str, blocks: Sequence[Block]) -> Message:
    """A message that may leave. Raises TooLarge, which tells what is over a limit."""
    made = Message(text, list(blocks))
    _require([*_long("text", text, "message"), *_blocks(made.blocks, MOST_IN_MESSAGE)])
    return made


def view(body: Block) -> Block:
    """A modal or an App Home that may leave. Raises TooLarge."""
    _require(list(_view(body)))
    return body


def _require(found: Sequence[str]) -> None:
    if found:
        raise TooLarge(f"Slack would not take this: {'; '.join(found[:5])}.")


def _view(body: Block) -> Iterator[str]:
    if body.get("type") not in {"modal", "home"}:
        yield "a view of no known type"
    if body.get("type") == "modal":
        for part in ("title", "submit", "close"):
            if part in body:
                yield from _text(part, body[part], "title", plain=True)
        if "title" not in body:
            yield "a modal without a title"
        if "submit" not in body and any(one.get("type") == "input" for one in body["blocks"]):
            yield "inputs and no submit"
    yield from _long("private_metadata", body.get("private_metadata", ""), "meta")
    yield from _long("callback_id", body.get("callback_id", ""), "id")
    yield from _blocks(body["blocks"], MOST_IN_VIEW)


def _blocks(blocks: Sequence[Block], most: int) -> Iterator[str]:
    if not 1 <= len(blocks) <= most:
        yield f"{len(blocks)} blocks, of at most {most}"
    ids = [one["block_id"] for one in blocks if "block_id" in one]
    if len(set(ids)) != len(ids):
        yield "one block_id twice"
    for one in ids:
        yield from _long("block_id", one, "id")
    for block in blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    kind = block.get("type", "")
    if kind in {"section", "header"}:
        if "text" in block:
            yield from _text(kind, block["text"], kind, plain=kind == "header")
        elif not block.get("fields"):
            yield f"a {kind} that says nothing"
        for one in block.get("fields", ()):
            yield from _text("field", one, "field")
        yield from _many("fields", block.get("fields", ()))
        if "accessory" in block:
            yield from _element(block["accessory"])
    elif kind in {"actions", "context"}:
        yield from _row(kind, block)
    elif kind == "input":
        yield from _input(block)
    elif kind == "image":
        yield from _image(block)
    elif kind != "divider":
        yield f"a block of no known type, {kind}"


def _row(kind: str, block: Block) -> Iterator[str]:
    elements = block["elements"]
    yield from _many("elements" if kind == "actions" else "context", elements)
    if not elements:
        yield f"an empty {kind} block"
    for one in elements:
        yield from _text("context", one, "context") if kind == "context" else _element(one)
    names = [one["action_id"] for one in elements if "action_id" in one]
    if len(set(names)) != len(names):
        yield "one action_id twice in a block"


def _image(block: Block) -> Iterator[str]:
    yield from _long("image_url", block.get("image_url", ""), "url")
    yield from _long("alt_text", block.get("alt_text", ""), "alt_text")
    if not block.get("image_url") or not block.get("alt_text"):
        yield "an image without an address or a text"


def _input(block: Block) -> Iterator[str]:
    yield from _text("label", block["label"], "label", plain=True)
    if "hint" in block:
        yield from _text("hint", block["hint"], "hint", plain=True)
    if block["element"].get("type") not in INPUTS:
        yield "an input of no known type"
    if "block_id" not in block:
        yield "an input that could not be read back"
    yield from _element(block["element"])


def _element(one: Block) -> Iterator[str]:
    yield from _long("action_id", one.get("action_id", ""), "id")
    if not one.get("action_id"):
        yield "an element without an action_id"
    if one.get("type") == "button":
        yield from _text("button", one["text"], "button", plain=True)
        yield from _long("value", one.get("value", ""), "value")
        yield from _long("url", one.get("url", ""), "url")
    if "placeholder" in one:
        yield from _text("placeholder", one["placeholder"], "placeholder", plain=True)
    if "options" in one:
        yield from _options(one)
    for part in ("initial_value", "initial_options", "initial_option"):
        yield from _initial(part, one)
    if "confirm" in one:
        confirm = one["confirm"]
        for part, limit in (("title", "title"), ("text", "text"), ("confirm", "button"), ("deny", "button")):
            yield from _text(part, confirm[part], f"confirm_{limit}", plain=part != "text")


def _options(one: Block) -> Iterator[str]:
    options = one["options"]
    if not options:
        yield "a choice of nothing"
    kind = "boxes" if one["type"] in BOXES else "overflow" if one["type"] == "overflow" else "options"
    yield from _many(kind, options)
    values = [option["value"] for option in options]
    if len(set(values)) != len(values):
        yield "one option twice"
    for option in options:
        yield from option_faults(option)


def option_faults(option: Block) -> Iterator[str]:
    """What of an option Slack would not take."""
    yield from _text("option", option["text"], "option")
    yield from _long("option's value", option["value"], "option_value")
    if "description" in option:
        yield from _text("description", option["description"], "description")


def _initial(part: str, one: Block) -> Iterator[str]:
    """What is there already is one of what can be chosen: Slack refuses the whole view otherwise."""
    if part not in one:
        return
    if part == "initial_value":
        yield from _long(part, one[part], "initial")
        return
    given = one[part] if part == "initial_options" else [one[part]]
    if not given:
        yield f"an empty {part}"
    if "options" in one and any(option not in one["options"] for option in given):
        yield f"{part} that is none of the options"


def _many(what: str, found: Sequence[object]) -> Iterator[str]:
    if len(found) > MOST[what]:
        yield f"{len(found)} {what}, of at most {MOST[what]}"


def _text(what: str, found: Mapping[str, Any], limit: str, *, plain: bool = False) -> Iterator[str]:
    if plain and found.get("type") != "plain_text":
        yield f"{what} may only be plain"
    if not found["text"]:
        yield f"{what} is empty"
    yield from _long(what, found["text"], limit)


def _long(what: str, text: str, limit: str) -> Iterator[str]:
    if size(text) > LONGEST[limit]:
        yield f"{what} has {size(text)} characters, of at most {LONGEST[limit]}"
