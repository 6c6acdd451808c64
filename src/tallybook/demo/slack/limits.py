"""Slack's limits on what is shown: blocks, their elements, texts and views. Pure, and as strict as Slack's own."""

# ruff: noqa: PLR2004 - the numbers are Slack's, each beside the name of what it limits

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LONGEST_TEXT, LONGEST_TOPIC, LONGEST_ID, LONGEST_METADATA = 40_000, 250, 255, 3000
BLOCKS_OF_MESSAGE, BLOCKS_OF_VIEW = 50, 100
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Json = Mapping[str, Any]


class NotTaken(Exception):
    """Slack refuses a call. ``code`` is its word for why, ``says`` what it adds for whoever made the mistake."""

    def __init__(self, code: str, says: str = "", **more: Any) -> None:
        super().__init__(f"{code}: {says}" if says else code)
        self.code = code
        self.says = says
        self.more = more


def check_text(text: str, blocks: Any) -> None:
    """The words of a message. Longer ones are cut off by Slack, which nobody wants: so they are refused here."""
    if not text and not blocks:
        raise NotTaken("no_text")
    if len(text) > LONGEST_TEXT:
        raise NotTaken("msg_too_long")
    if blocks and not text:
        raise NotTaken("no_text", "a message of blocks needs a text for notifications and screen readers")


def check_blocks(blocks: Any, most: int = BLOCKS_OF_MESSAGE) -> None:
    """The blocks of a message, or of a view. Raises NotTaken, code ``invalid_blocks``, naming the place."""
    _need(isinstance(blocks, list), "blocks", "must be a list")
    _need(len(blocks) <= most, "blocks", f"no more than {most} items allowed")
    for number, block in enumerate(blocks):
        _block(block, f"blocks[{number}]")
    ids = [block["block_id"] for block in blocks if block.get("block_id")]
    _need(len(ids) == len(set(ids)), "blocks", "block_ids must be unique")


def check_view(view: Any, kind: str) -> None:
    """A modal or a home. Raises NotTaken, code ``invalid_arguments``."""
    try:
        _need(isinstance(view, dict) and view.get("type") == kind, "view", f"must be of type {kind}")
        for name, most in (("private_metadata", LONGEST_METADATA), ("callback_id", 255), ("external_id", 255)):
            _need(len(view.get(name) or "") <= most, f"view.{name}", f"must be no more than {most} characters")
        check_blocks(view.get("blocks"), BLOCKS_OF_VIEW)
        for name in ("title", "submit", "close"):
            if kind == "home":
                _need(name not in view, f"view.{name}", "a home has none")
            elif name == "title" or view.get(name) is not None:
                _words(view.get(name), f"view.{name}", 24, plain=True)
        has_inputs = any(block["type"] == "input" for block in view["blocks"])
        _need(kind == "home" or not has_inputs or bool(view.get("submit")), "view.submit", "is needed beside inputs")
    except NotTaken as wrong:
        raise NotTaken("invalid_arguments", wrong.says) from None


def _need(holds: bool, where: str, says: str) -> None:
    if not holds:
        raise NotTaken("invalid_blocks", f"[ERROR] {says} [json-pointer:/{where}]")


def _words(told: Any, where: str, most: int, *, plain: bool = False) -> None:
    _need(isinstance(told, dict) and told.get("type") in {"plain_text", "mrkdwn"}, where, "must be a text object")
    _need(not plain or told["type"] == "plain_text", where, "must be plain_text")
    text = told.get("text")
    _need(isinstance(text, str) and bool(text), where, "must be more than 0 characters")
    _need(len(text) <= most, where, f"must be less than {most + 1} characters")


def _named(told: Json, where: str, *names: str) -> None:
    for name in names:
        _need(len(told.get(name) or "") <= LONGEST_ID, f"{where}/{name}", f"must be at most {LONGEST_ID} characters")


def _block(block: Any, where: str) -> None:
    _need(isinstance(block, dict), where, "must be an object")
    check = BLOCKS.get(str(block.get("type")))
    _need(check is not None, where, f"unsupported type: {block.get('type')}")
    _named(block, where, "block_id")
    if check is not None:
        check(block, where)


def _section(block: Json, where: str) -> None:
    _need("text" in block or "fields" in block, where, "needs a text or fields")
    if "text" in block:
        _words(block["text"], f"{where}/text", 3000)
    fields = block.get("fields", [])
    _need(len(fields) <= 10, f"{where}/fields", "no more than 10 items allowed")
    for field in fields:
        _words(field, f"{where}/fields", 2000)
    if "accessory" in block:
        _element(block["accessory"], f"{where}/accessory")


def _context(block: Json, where: str) -> None:
    elements = block.get("elements") or []
    _need(1 <= len(elements) <= 10, f"{where}/elements", "must have 1 to 10 items")
    for element in elements:
        if element.get("type") == "image":
            _image(element, where)
        else:
            _words(element, f"{where}/elements", 2000)


def _actions(block: Json, where: str) -> None:
    elements = block.get("elements") or []
    _need(1 <= len(elements) <= 25, f"{where}/elements", "must have 1 to 25 items")
    for element in elements:
        _element(element, f"{where}/elements")
    ids = [element.get("action_id") for element in elements if element.get("action_id")]
    _need(len(ids) == len(set(ids)), where, "action_ids must be unique within a block")


def _input(block: Json, where: str) -> None:
    _words(block.get("label"), f"{where}/label", 2000, plain=True)
    if "hint" in block:
        _words(block["hint"], f"{where}/hint", 2000, plain=True)
    element = block.get("element") or {}
    _need(element.get("type") not in {"button", "overflow", "image"}, f"{where}/element", "is no input")
    _element(element, f"{where}/element")


def _image(block: Json, where: str) -> None:
    _need(0 < len(block.get("alt_text") or "") <= 2000, f"{where}/alt_text", "must have 1 to 2000 characters")
    is_named = 0 < len(block.get("image_url") or "") <= 3000 or "slack_file" in block
    _need(is_named, where, "needs an image_url of at most 3000 characters, or a slack_file")
    if "title" in block:
        _words(block["title"], f"{where}/title", 2000, plain=True)


def _markdown(block: Json, where: str) -> None:
    _need(0 < len(block.get("text") or "") <= 12_000, f"{where}/text", "must have 1 to 12000 characters")


def _element(element: Any, where: str) -> None:
    _need(isinstance(element, dict), where, "must be an object")
    kind = str(element.get("type"))
    _named(element, where, "action_id")
    if kind == "image":
        _image(element, where)
        return
    _need(kind in ELEMENTS, where, f"unsupported type: {kind}")
    if "placeholder" in element:
        _words(element["placeholder"], f"{where}/placeholder", 150, plain=True)
    if "confirm" in element:
        _confirm(element["confirm"], f"{where}/confirm")
    ELEMENTS[kind](element, where)


def _confirm(told: Json, where: str) -> None:
    for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        _words(told.get(name), f"{where}/{name}", most, plain=name != "text")


def _button(element: Json, where: str) -> None:
    _words(element.get("text"), f"{where}/text", 75, plain=True)
    _need(len(element.get("value") or "") <= 2000, f"{where}/value", "must be at most 2000 characters")
    _need(len(element.get("url") or "") <= 3000, f"{where}/url", "must be at most 3000 characters")
    _need(element.get("style") in {None, "primary", "danger"}, f"{where}/style", "must be primary or danger")


def _options(options: Any, where: str, most: int) -> None:
    _need(isinstance(options, list) and 1 <= len(options) <= most, where, f"must have 1 to {most} items")
    for option in options:
        _words(option.get("text"), f"{where}/text", 75)
        _need(0 < len(option.get("value") or "") <= 150, f"{where}/value", "must have 1 to 150 characters")
        if "description" in option:
            _words(option["description"], f"{where}/description", 75)


def _select(element: Json, where: str) -> None:
    groups = element.get("option_groups")
    if groups is not None:
        _need(1 <= len(groups) <= 100, f"{where}/option_groups", "must have 1 to 100 items")
        for group in groups:
            _words(group.get("label"), f"{where}/label", 75, plain=True)
            _options(group.get("options"), f"{where}/options", 100)
    else:
        _options(element.get("options"), f"{where}/options", 100)
    every = options_of(element)
    initial = element.get("initial_options") or [element[name] for name in ("initial_option",) if name in element]
    _need(all(one in every for one in initial), f"{where}/initial_option", "must be one of the options")


def _few(most: int) -> Callable[[Json, str], None]:
    def check(element: Json, where: str) -> None:
        _options(element.get("options"), f"{where}/options", most)

    return check


def _text_input(element: Json, where: str) -> None:
    _need(0 <= element.get("min_length", 0) <= 3000, f"{where}/min_length", "must be 0 to 3000")
    _need(1 <= element.get("max_length", 3000) <= 3000, f"{where}/max_length", "must be 1 to 3000")


def _date(element: Json, where: str) -> None:
    initial = element.get("initial_date")
    _need(initial is None or DATE.fullmatch(str(initial)) is not None, f"{where}/initial_date", "must be YYYY-MM-DD")


def _as_it_is(element: Json, where: str) -> None:
    """Nothing of it is limited."""


def options_of(element: Json) -> list[Any]:
    """Every option of a select, whether in groups or not."""
    return [
        *element.get("options", []),
        *(one for group in element.get("option_groups", []) for one in group["options"]),
    ]


BLOCKS: Mapping[str, Callable[[Json, str], None]] = {
    "section": _section,
    "header": lambda block, where: _words(block.get("text"), f"{where}/text", 150, plain=True),
    "divider": _as_it_is,
    "context": _context,
    "actions": _actions,
    "input": _input,
    "image": _image,
    "markdown": _markdown,
    "rich_text": _as_it_is,
}
_PICKERS: Iterable[str] = ("users_select", "conversations_select", "channels_select", "external_select")
ELEMENTS: Mapping[str, Callable[[Json, str], None]] = {
    "button": _button,
    "overflow": _few(5),
    "static_select": _select,
    "multi_static_select": _select,
    "checkboxes": _few(10),
    "radio_buttons": _few(10),
    "plain_text_input": _text_input,
    "datepicker": _date,
    **dict.fromkeys((*_PICKERS, *(f"multi_{name}" for name in _PICKERS)), _as_it_is),
    **dict.fromkeys(("timepicker", "datetimepicker", "number_input"), _as_it_is),
}
