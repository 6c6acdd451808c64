"""The templates of business accounts as Meta keeps, lists and checks them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.cloud_api.rules import NotTaken, need

PLACE = re.compile(r"\{\{(\w+)\}\}")


def a_template(name: str = "visit", text: str = "Hello {{1}}, we come on {{2}}.", **more: Any) -> dict[str, Any]:
    """A template as Meta lists it."""
    template: dict[str, Any] = {
        "id": f"77{len(name):04}", "name": name, "language": "en", "status": "APPROVED", "category": "UTILITY",
        "parameter_format": "POSITIONAL", "components": [{"type": "BODY", "text": text}],
        "quality_score": {"score": "GREEN"}, "rejected_reason": "NONE",
    }  # fmt: skip
    return template | more


@dataclass
class FakeTemplates:
    """``of`` are the templates of each business account, ``numbers`` the ids of its numbers. ``page``: at most so many.

    ``asked`` are the calls; with ``closed`` no token may read anything.
    """

    of: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)
    page: int = 2
    closed: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, token: str, tokens: dict[str, str]) -> dict[str, Any] | None:
        """What a GET gives; None where it is about something else. Raises NotTaken."""
        parts = urlsplit(path)
        waba, _, what = parts.path.strip("/").partition("/")
        if what not in {"message_templates", "phone_numbers"}:
            return None
        self.asked.append(path)
        if self.closed or token.removeprefix("Bearer ") not in tokens.values():
            raise NotTaken(190, 401)
        if waba not in self.of:
            raise NotTaken(100, 400, subcode=33)
        asked = dict(parse_qsl(parts.query))
        every = self.of[waba] if what == "message_templates" else [{"id": one} for one in self.numbers.get(waba, [])]
        names = asked["fields"].split(",")
        first = int(asked.get("after", 0))
        size = min(self.page, int(asked.get("limit", 25)))
        shown = [{name: one[name] for name in names if name in one} for one in every[first : first + size]]
        end = first + len(shown)
        paging: dict[str, Any] = {"cursors": {"before": str(first), "after": str(end)}}
        if end < len(every):
            paging["next"] = f"https://graph.example/{waba}/{what}?access_token=secret&after={end}"
        return {"data": shown, "paging": paging}

    def check(self, number: str, message: dict[str, Any]) -> None:
        """Raises NotTaken where the template cannot be sent so."""
        wabas = [waba for waba, numbers in self.numbers.items() if number in numbers]
        named = [
            one for waba in wabas for one in self.of[waba]
            if (one["name"], one["language"]) == (message["name"], message["language"]["code"])
        ]  # fmt: skip
        need(bool(named), 132001)
        (template,) = named
        need(template["status"] != "PAUSED", 132015)
        need(template["status"] != "DISABLED", 132016)
        need(template["status"] == "APPROVED", 132001)
        given = {(one["type"], one.get("index", "")): one["parameters"] for one in message.get("components", [])}
        for component in template["components"]:
            self._check_part(component, given)
        need(not given, 132000)

    def _check_part(self, component: dict[str, Any], given: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
        kind = component["type"].lower()
        if kind == "buttons":
            for number, button in enumerate(component["buttons"]):
                places = PLACE.findall(button.get("url", "")) or ["code"] * (button["type"] == "COPY_CODE")
                need(len(given.pop(("button", str(number)), [])) == len(places), 132000)
            return
        values = given.pop((kind, ""), [])
        if component.get("format", "TEXT") != "TEXT":
            wanted = component["format"].lower()
            need(len(values) == 1 and values[0]["type"] == wanted and bool(values[0].get(wanted)), 132012)
            return
        need(len(values) == len(set(PLACE.findall(component.get("text", "")))), 132000)
        for value in values:
            need(value["type"] == "text" and bool(value["text"].strip()), 132012)
            need(not re.search(r"[\n\r\t]|     ", value["text"]), 132018)
