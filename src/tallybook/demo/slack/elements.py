"""What people press, choose and write: the elements of blocks, and what Slack tells the app of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .limits import options_of

Json = dict[str, Any]
# What of an element is told of a choice, by its type; and what it has at first.
CHOICES: Mapping[str, tuple[str, str]] = {
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "overflow": ("selected_option", ""),
    "users_select": ("selected_user", "initial_user"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "multi_users_select": ("selected_users", "initial_users"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "plain_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "button": ("value", ""),
}


class NotThere(LookupError):
    """Nobody can press what is not shown, or choose what is not offered."""


class NotFilled(ValueError):
    """Slack does not let a view be submitted in which something is missing."""


def elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every element with its block."""
    for block in blocks:
        yield from ((block, one) for one in block.get("elements", []) if block["type"] == "actions")
        for name in ("accessory", "element"):
            if name in block:
                yield block, block[name]


def pressed(blocks: list[Json], action: str, value: Any, at: str) -> Json:
    """What is told when somebody presses the element of that action, or chooses a value in it. Raises NotThere."""
    for block, element in elements(blocks):
        if element.get("action_id") == action and (value is None or fits(element, value)):
            chosen = element.get("value", "") if element["type"] == "button" else _chosen(element, value)
            return {
                "type": element["type"], "action_id": action, "block_id": block.get("block_id", ""), "action_ts": at,
                CHOICES[element["type"]][0]: chosen,
            }  # fmt: skip
    raise NotThere(f"nothing that is shown does {action}")


def fits(element: Json, value: Any) -> bool:
    """Whether it is this element that is meant, among several of one action: a button by its value."""
    return bool(element["type"] != "button" or element.get("value") == value)


def filled(blocks: list[Json], values: Mapping[str, Any]) -> Json:
    """A view's state when it is submitted with these values, by their actions. Raises NotThere and NotFilled."""
    for block, element in inputs(blocks):
        action = element.get("action_id", "")
        value = values.get(action, element.get(CHOICES[element["type"]][1]))
        if block["type"] == "input" and not block.get("optional") and value in (None, "", []):
            raise NotFilled(f"{action} is missing")
        if element["type"] == "plain_text_input" and len(value or "") > element.get("max_length", 3000):
            raise NotFilled(f"{action} is too long")
    return state(blocks, values)


def inputs(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every element that holds a value, with its block."""
    return (pair for pair in elements(blocks) if pair[1]["type"] not in {"button", "overflow", "image"})


def state(blocks: list[Json], values: Mapping[str, Any]) -> Json:
    """A view's state while it is being filled in: these values, and else what stood there at first. Raises NotThere."""
    found: Json = {}
    left = dict(values)
    for block, element in inputs(blocks):
        kind, action = element["type"], element.get("action_id", "")
        told, at_first = CHOICES[kind]
        value = _chosen(element, left.pop(action)) if action in left else element.get(at_first)
        found.setdefault(block["block_id"], {})[action] = {"type": kind, told: value}
    if left:
        raise NotThere(f"the view has no {', '.join(left)}")
    return found


def _chosen(element: Json, value: Any) -> Any:
    if element["type"] in {"multi_static_select", "checkboxes"}:
        return [_option(element, one) for one in value]
    if element["type"] in {"static_select", "radio_buttons", "overflow"}:
        return _option(element, value)
    return value


def _option(element: Json, value: str) -> Json:
    for option in options_of(element):
        if option["value"] == value:
            found: Json = option
            return found
    raise NotThere(f"{element.get('action_id')} does not offer {value}")
