"""The pieces that everything said in Slack is made of, each cut to its limit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from .limits import LONGEST, Block, size
from .names import Act, Field, Held, View, seconds, written

MORE = "…"
# What must not be cut through: a mention, a link, or the spelling of &, < and >.
_WHOLE = re.compile(r"<[^<>]*>|&(?:amp|lt|gt);|.", re.DOTALL)


class Ready(str):
    """A text that is written as Slack reads it: nothing in it has to be escaped any more."""

    __slots__ = ()


def escaped(text: str) -> Ready:
    """Any text, so that Slack shows it as it is; one that is Ready stays so."""
    if isinstance(text, Ready):
        return text
    return Ready(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def mention(slack_id: str) -> Ready:
    return Ready(f"<@{slack_id}>")


def shortened(text: str, longest: int) -> str:
    """Its words on one line, in at most so many UTF-16 units."""
    line = " ".join(text.split())
    if size(line) <= longest:
        return line
    return _first(line, longest - 1) + MORE


def _first(text: str, longest: int) -> str:
    """As many of its characters as there is room for."""
    found = text[:longest]
    while size(found) > longest:
        found = found[: -max((size(found) - longest) // 2, 1)]
    return found


def fitted(text: str, longest: int) -> str:
    """A ready text, cut where nothing is broken by it."""
    if size(text) <= longest:
        return text
    kept: list[str] = []
    room = longest - 1
    for piece in _WHOLE.findall(text):
        room -= size(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + MORE


def plain(text: str, limit: str) -> Block:
    """A text in which nothing is marked up; cut to the limit of that name. Without words it is a dash."""
    return {"type": "plain_text", "text": shortened(text, LONGEST[limit]) or "–", "emoji": False}


def marked(text: str, limit: str = "section") -> Block:
    return {"type": "mrkdwn", "text": fitted(escaped(text).strip(), LONGEST[limit]) or "–"}


def section(text: str, accessory: Block | None = None) -> Block:
    found: Block = {"type": "section", "text": marked(text)}
    return found if accessory is None else found | {"accessory": accessory}


def sections(lines: Sequence[str]) -> list[Block]:
    """Lines, in as few sections as they fit into. Every line is Ready or is escaped."""
    found: list[str] = []
    for line in lines:
        ready = fitted(escaped(line), LONGEST["section"])
        if found and size(found[-1]) + 1 + size(ready) <= LONGEST["section"]:
            found[-1] += "\n" + ready
        else:
            found.append(ready)
    return [section(Ready(text)) for text in found]


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, "header")}


def context(*texts: str) -> Block:
    return {"type": "context", "elements": [marked(text, "context") for text in texts]}


def divider() -> Block:
    return {"type": "divider"}


def image(url: str, alt_text: str) -> Block:
    return {"type": "image", "image_url": url, "alt_text": shortened(alt_text, LONGEST["alt_text"]) or "–"}


def button(text: str, act: Act, held: Held, *, style: str | None = None, confirm: Block | None = None) -> Block:
    """``style`` is ``primary`` or ``danger``."""
    found: Block = {"type": "button", "text": plain(text, "button"), "action_id": act.value, "value": written(held)}
    if style is not None:
        found["style"] = style
    return found if confirm is None else found | {"confirm": confirm}


def link(text: str, url: str) -> Block:
    return {"type": "button", "text": plain(text, "button"), "action_id": Act.LINK.value, "url": url}


def confirm(title: str, text: str, yes: str, no: str) -> Block:
    return {
        "title": plain(title, "confirm_title"),
        "text": plain(text, "confirm_text"),
        "confirm": plain(yes, "confirm_button"),
        "deny": plain(no, "confirm_button"),
    }


def actions(elements: Sequence[Block]) -> Block:
    return {"type": "actions", "elements": list(elements)}


def option(text: str, value: str, description: str = "") -> Block:
    found: Block = {"text": plain(text, "option"), "value": value}
    return found | {"description": plain(description, "description")} if description else found


def chosen(options: Sequence[Block], values: Sequence[str]) -> list[Block]:
    """Those of the options that have these values, in the order of the values."""
    by_value = {one["value"]: one for one in options}
    return [by_value[value] for value in values if value in by_value]


def select(name: Field | Act, options: Sequence[Block], initial: str | None = None, placeholder: str = "") -> Block:
    """A choice of one. There must be options."""
    found: Block = {"type": "static_select", "action_id": name.value, "options": list(options)}
    if placeholder:
        found["placeholder"] = plain(placeholder, "placeholder")
    first = chosen(options, [initial] if initial else [])
    return found | {"initial_option": first[0]} if first else found


def several(name: Field, options: Sequence[Block], initial: Sequence[str] = (), placeholder: str = "") -> Block:
    """A choice of several, which Slack keeps in the order in which they were chosen."""
    found: Block = {"type": "multi_static_select", "action_id": name.value, "options": list(options)}
    if placeholder:
        found["placeholder"] = plain(placeholder, "placeholder")
    first = chosen(options, initial)
    return found | {"initial_options": first} if first else found


def boxes(name: Field, options: Sequence[Block], initial: Sequence[str] = ()) -> Block:
    found: Block = {"type": "checkboxes", "action_id": name.value, "options": list(options)}
    first = chosen(options, initial)
    return found | {"initial_options": first} if first else found


def asking(name: Field, label: str, element: Block, *, hint: str = "", optional: bool = False) -> Block:
    """An input, whose block_id is its element's action_id."""
    found: Block = {"type": "input", "block_id": name.value, "label": plain(label, "label"), "element": element}
    if hint:
        found["hint"] = plain(hint, "hint")
    return found | {"optional": True} if optional else found


def at_once(block: Block) -> Block:
    """An input that also acts when something is chosen in it."""
    return block | {"dispatch_action": True}


def written_in(name: Field, longest: int, initial: str = "", *, lines: bool = False) -> Block:
    """A field to write into, of at most so many characters."""
    found: Block = {"type": "plain_text_input", "action_id": name.value, "multiline": lines, "max_length": longest}
    return found | {"initial_value": initial[:longest]} if initial else found


def numbered(name: Field, least: int, most: int, initial: int | None = None) -> Block:
    found: Block = {
        "type": "number_input",
        "action_id": name.value,
        "is_decimal_allowed": False,
        "min_value": str(least),
        "max_value": str(most),
    }
    return found if initial is None else found | {"initial_value": str(initial)}


def day(name: Field | Act, initial: date | None = None) -> Block:
    found: Block = {"type": "datepicker", "action_id": name.value}
    return found if initial is None else found | {"initial_date": initial.isoformat()}


def clock(name: Field, initial: time) -> Block:
    return {"type": "timepicker", "action_id": name.value, "initial_time": initial.strftime("%H:%M")}


def moment(name: Field, initial: datetime) -> Block:
    """Slack shows it by the reader's own clock and tells us the moment, so that no zone is guessed."""
    return {"type": "datetimepicker", "action_id": name.value, "initial_date_time": seconds(initial)}


def somebody(name: Field, initial: str = "") -> Block:
    """A choice among all of the workspace."""
    found: Block = {"type": "users_select", "action_id": name.value}
    return found | {"initial_user": initial} if initial else found


def modal(
    name: View, title: str, blocks: Sequence[Block], held: Held, *, submit: str = "", close: str = ""
) -> dict[str, Any]:
    found: Block = {
        "type": "modal",
        "callback_id": name.value,
        "title": plain(title, "title"),
        "private_metadata": written(held),
        "blocks": list(blocks),
    }
    for part, text in (("submit", submit), ("close", close)):
        if text:
            found[part] = plain(text, "title")
    return found


def pages(count: int, page: int, most: int) -> tuple[range, int, int]:
    """Which of so many are on a page (the last one, where there are not so many), that page, and how many there are."""
    last = max((count - 1) // most, 0)
    page = min(max(page, 0), last)
    return range(page * most, min((page + 1) * most, count)), page, last + 1


def in_groups(blocks: Sequence[Block], most: int) -> Iterator[list[Block]]:
    """Elements in rows of at most so many."""
    for first in range(0, len(blocks), most):
        yield list(blocks[first : first + most])
