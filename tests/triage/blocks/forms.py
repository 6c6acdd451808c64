"""What Slack sends back of a form: built from the view that was shown, so that a name which is not there is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallybook.triage.blocks.names import Field


def values(view: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """``view.state.values`` of somebody who left everything as it was shown but what is ``given``, by field."""
    state = {
        block["block_id"]: {block["element"]["action_id"]: _as_shown(block["element"])}
        for block in view["blocks"]
        if block["type"] == "input"
    }
    for name, value in given.items():
        field = Field[name.upper()].value
        assert field in state, f"the form does not ask for {field}"
        element = next(one["element"] for one in view["blocks"] if one.get("block_id") == field)
        state[field] = {field: _given(element, value)}
    return state


def _as_shown(element: Mapping[str, Any]) -> dict[str, Any]:
    """An input as it is sent in when nobody touched it."""
    parts = {
        "plain_text_input": ("value", "initial_value"),
        "number_input": ("value", "initial_value"),
        "static_select": ("selected_option", "initial_option"),
        "external_select": ("selected_option", "initial_option"),
        "multi_static_select": ("selected_options", "initial_options"),
        "checkboxes": ("selected_options", "initial_options"),
        "users_select": ("selected_user", "initial_user"),
        "datepicker": ("selected_date", "initial_date"),
        "timepicker": ("selected_time", "initial_time"),
        "datetimepicker": ("selected_date_time", "initial_date_time"),
    }
    part, initial = parts[element["type"]]
    nothing = [] if part == "selected_options" else None
    return {"type": element["type"], part: element.get(initial, nothing)}


def _given(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    shown = _as_shown(element)
    part = next(name for name in shown if name != "type")
    if part == "selected_option":
        return shown | {part: next(one for one in element["options"] if one["value"] == value)}
    if part == "selected_options":
        return shown | {part: [one for wish in value for one in element["options"] if one["value"] == wish]}
    return shown | {part: value}


def said(view: Any) -> str:
    """All that a view or a message says, in one text."""
    found: list[str] = []

    def read(one: Any) -> None:
        if isinstance(one, Mapping):
            if isinstance(one.get("text"), str):
                found.append(one["text"])
            for part in one.values():
                read(part)
        elif isinstance(one, list):
            for part in one:
                read(part)

    read(view if isinstance(view, Mapping) else view.blocks)
    return "\n".join(found)


def actions(view: Any) -> dict[str, dict[str, Any]]:
    """The elements that act, by their action_id (of several of one the last)."""
    blocks = view["blocks"] if isinstance(view, Mapping) else view.blocks
    found: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for element in [*block.get("elements", ()), *([block["accessory"]] if "accessory" in block else [])]:
            if "action_id" in element:
                found[element["action_id"]] = element
    return found
