"""The made-up Slack as a page: messages, views and their inputs as plain HTML, with no script. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from .elements import CHOICES
from .limits import options_of
from .workspace import Person, Workspace

Json = Mapping[str, Any]
_MENTION = re.compile(r"&lt;@([A-Z0-9]+)&gt;")
_LINK = re.compile(r"&lt;(https?://[^|&]+)\|([^&]+)&gt;")
_DATE = re.compile(r"&lt;!date\^\d+\^[^|]*\|([^&]*)&gt;")
_BOLD = re.compile(r"(?<!\w)\*([^*\n]+)\*(?!\w)")
_ITALIC = re.compile(r"(?<!\w)_([^_\n]+)_(?!\w)")
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1rem;background:#fff;color:#1d1c1d}
nav a{margin-inline-end:1rem}main{display:grid;gap:1.5rem;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr))}
section,dialog{border:1px solid #8a8a8a;border-radius:8px;padding:.75rem;min-width:0;overflow-wrap:anywhere}
dialog{position:static;display:block;margin:0;width:auto;background:inherit;color:inherit;border:2px solid #1264a3}
.message{border-block-start:1px solid #8a8a8a;padding-block:.5rem}.wrong{color:#b3261e}small{opacity:.8}
label{display:block;margin-block:.4rem}input,select,textarea,button{font:inherit;max-width:100%}
button{margin:.15rem}@media (prefers-color-scheme:dark){body{background:#1a1d21;color:#e8e8e8}a{color:#8ab4f8}
.wrong{color:#f2b8b5}}
"""


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><style>'
        f"{STYLE}</style></head><body>{body}</body></html>"
    )


def said(slack: Workspace, text: str) -> str:
    """A text of Slack's as HTML: bold, italics, mentions, links and moments."""
    found = escape(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"), quote=False)
    found = _MENTION.sub(lambda match: f"<b>@{_name(slack, match[1])}</b>", found)
    found = _LINK.sub(r'<a href="\1" rel="noreferrer">\2</a>', found)
    found = _ITALIC.sub(r"<i>\1</i>", _BOLD.sub(r"<b>\1</b>", _DATE.sub(r"\1", found)))
    return found.replace("\n", "<br>")


def _name(slack: Workspace, person: str) -> str:
    known = slack.people.get(person)
    return escape(known.name if known else person)


def message(slack: Workspace, reader: Person, one: Json, place: str) -> str:
    """A message with its buttons, as ``reader`` sees it."""
    at = datetime.fromtimestamp(float(one["ts"]), UTC).strftime("%H:%M")
    blocks = (
        "".join(block(slack, each) for each in one.get("blocks", [])) or f"<p>{said(slack, one.get('text', ''))}</p>"
    )
    action = f"/as/{reader.id}/press/{place}/{one['ts']}"
    thread = "↳ " if "thread_ts" in one else ""
    head = f"<small>{thread}{_name(slack, one['user'])}, {at} UTC</small>"
    return f'<form class="message" method="post" dir="auto" action="{action}">{head}{blocks}</form>'


def view(slack: Workspace, reader: Person, one: Json) -> str:
    """The view on top, or a home, with what stands in its inputs."""
    errors = one.get("errors", {})
    blocks = "".join(block(slack, each, errors) for each in one["blocks"])
    title = escape(one.get("title", {}).get("text", "Home"))
    submit = one.get("submit")
    send = f'<button formaction="/as/{reader.id}/submit">{escape(submit["text"])}</button>' if submit else ""
    close = (
        f'<button formaction="/as/{reader.id}/close" formnovalidate>Close</button>' if one["type"] == "modal" else ""
    )
    place = f"/as/{reader.id}/press/{'view' if one['type'] == 'modal' else 'home'}/{one['id']}"
    return f'<form method="post" dir="auto" action="{place}"><h2>{title}</h2>{blocks}<p>{send}{close}</p></form>'


def block(slack: Workspace, one: Json, errors: Json | None = None) -> str:
    """A block as HTML."""
    kind = one["type"]
    if kind in {"header", "divider", "image"}:
        return _still(slack, one)
    if kind == "context":
        return "".join(f"<p><small>{said(slack, each.get('text', ''))}</small></p>" for each in one["elements"])
    if kind == "actions":
        return f"<p>{''.join(element(slack, each, acts=True) for each in one['elements'])}</p>"
    if kind == "input":
        wrong = (errors or {}).get(str(one.get("block_id")), "")
        shown = element(slack, one["element"], acts=bool(one.get("dispatch_action")))
        hint = f"<small>{said(slack, one['hint']['text'])}</small>" if "hint" in one else ""
        told = f'<span class="wrong" role="alert">{escape(wrong)}</span>' if wrong else ""
        return f"<label>{said(slack, one['label']['text'])}<br>{shown} {hint} {told}</label>"
    texts = [one["text"]] if "text" in one else one.get("fields", [])
    accessory = element(slack, one["accessory"], acts=True) if "accessory" in one else ""
    return "".join(f"<p>{said(slack, each['text'])}</p>" for each in texts) + accessory


def _still(slack: Workspace, one: Json) -> str:
    if one["type"] == "image":
        return f'<img alt="{escape(one["alt_text"])}" src="{escape(one["image_url"])}" width="100%">'
    return f"<h3>{said(slack, one['text']['text'])}</h3>" if one["type"] == "header" else "<hr>"


def element(slack: Workspace, one: Json, *, acts: bool = False) -> str:
    """A button or an input. What acts at once has a button of its own beside it."""
    kind, name = one["type"], escape(one.get("action_id", ""))
    if kind == "button":
        carried = escape(json.dumps([one.get("action_id", ""), one.get("value", "")]))
        return f'<button name="press" value="{carried}" formnovalidate>{escape(one["text"]["text"])}</button>'
    first = one.get(CHOICES[kind][1])
    if kind in {"plain_text_input", "number_input"}:
        shown = escape(str(first or ""))
        return f'<textarea name="{name}">{shown}</textarea>' if one.get("multiline") else _input("text", name, shown)
    if kind == "datepicker":
        shown = _input("date", name, escape(str(first or "")))
    elif kind == "timepicker":
        shown = _input("time", name, escape(str(first or "")))
    elif kind == "datetimepicker":
        at = datetime.fromtimestamp(int(first), UTC).strftime("%Y-%m-%dT%H:%M") if first else ""
        shown = f"{_input('datetime-local', name, at)} UTC"
    else:
        shown = _choice(slack, one, name)
    carried = escape(json.dumps([one.get("action_id", ""), None]))
    return shown + (f' <button name="press" value="{carried}" formnovalidate>Choose</button>' if acts else "")


def _input(kind: str, name: str, value: str) -> str:
    return f'<input type="{kind}" name="{name}" value="{value}">'


def _choice(slack: Workspace, one: Json, name: str) -> str:
    kind = one["type"]
    if kind in {"checkboxes", "radio_buttons"}:
        box = "checkbox" if kind == "checkboxes" else "radio"
        ticked = {option["value"] for option in one.get("initial_options", [])}
        return "".join(
            f'<label><input type="{box}" name="{name}" value="{escape(option["value"])}"'
            f"{' checked' if option['value'] in ticked else ''}> {escape(option['text']['text'])}</label>"
            for option in one["options"]
        )
    several = " multiple" if kind.startswith("multi_") else ""
    return f'<select name="{name}"{several}>{"".join(_options(slack, one))}</select>'


def _options(slack: Workspace, one: Json) -> Iterator[str]:
    told = one.get(CHOICES[one["type"]][1])
    chosen = told if isinstance(told, list) else [told]
    values = {option["value"] if isinstance(option, dict) else option for option in chosen if option}
    if one["type"].endswith("users_select"):
        pairs = [(person.id, person.name) for person in slack.people.values() if not person.is_bot]
    else:
        pairs = [(option["value"], option["text"]["text"]) for option in options_of(one)]
    yield '<option value="">–</option>'
    for value, text in pairs:
        yield f'<option value="{escape(value)}"{" selected" if value in values else ""}>{escape(text)}</option>'
