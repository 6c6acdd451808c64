"""A SharePoint list: columns whose values may have to be unique, items with versions."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.graph.words import Asked, Told, error

NUMBERS = ("Drops", "Complete", "Incomplete", "Resubmitted")
CLIENT = "0f0e0d0c-1111-4222-8333-444455556666"


def changed_by(person: str | None) -> dict[str, Any]:
    """Who changed something last: a person, or the application."""
    by: dict[str, Any] = {"user": {"displayName": person or "SharePoint App"}}
    if person is None:
        by["application"] = {"id": CLIENT, "displayName": "Tallybook"}
    return {"lastModifiedBy": by, "lastModifiedDateTime": datetime.now(UTC).isoformat(timespec="seconds")}


@dataclass
class Item:
    id: str
    fields: dict[str, Any]
    changed: dict[str, Any]
    version: int = 1

    @property
    def etag(self) -> str:
        return f'"9b6d{self.id:0>4}-8f6a,{self.version}"'

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "@odata.etag": self.etag,
            "eTag": self.etag,
            "fields": _shown(self.fields),
            **self.changed,
        }


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    """SharePoint keeps every number with a fraction."""
    return {
        name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in fields.items()
    }


@dataclass
class SharePointList:
    name: str
    columns: dict[str, dict[str, Any]]
    items: dict[str, Item] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    refused: str = ""
    id: str = "list-tallybook"

    @classmethod
    def prepared(cls, name: str) -> SharePointList:
        """As somebody should have made it."""
        columns: dict[str, dict[str, Any]] = {one: {"name": one} for one in ("Title", "Day", "Project", *NUMBERS)}
        columns["TallybookKey"] = {"name": "TallybookKey", "enforceUniqueValues": True, "indexed": True}
        return cls(name, columns)

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "displayName": self.name, "columns": list(self.columns.values())}

    def ask(self, asked: Asked, rest: str, body: Any) -> Told:
        """A request below the list's own address."""
        number = re.fullmatch(r"/items/([^/]+)(/fields)?", rest)
        match (asked.method, rest):
            case ("GET", ""):
                return Told(200, self.as_json())
            case ("GET", "/items"):
                return self._find(asked)
            case ("POST", "/items"):
                return self._make(body["fields"])
        item = self.items.get(number[1]) if number else None
        if number is None or item is None:
            return error(404, "itemNotFound")
        if asked.method == "GET":
            return Told(200, item.as_json())
        if asked.method != "PATCH" or not number[2]:
            return error(405, "notAllowed")
        return self._change(item, body, asked.headers.get("if-match"))

    def _find(self, asked: Asked) -> Told:
        found = re.fullmatch(r"fields/(\w+) eq '(.*)'", asked.query["$filter"])
        assert found is not None, asked.url
        column, value = found[1], found[2].replace("''", "'")
        if not self.columns[column].get("indexed"):
            return error(400, "notSupported")
        same = [one for one in self.items.values() if str(one.fields.get(column)).casefold() == value.casefold()]
        return Told(200, {"value": [one.as_json() for one in same[: int(asked.query.get("$top", 200))]]})

    def _make(self, fields: dict[str, Any], by: str | None = None) -> Told:
        if unknown := fields.keys() - self.columns.keys() - {"Title"}:
            return error(400, f"invalidRequest {unknown}")
        if self.refused and fields.get("TallybookKey") == self.refused:
            return error(403, "accessDenied")
        if self._clash(fields):
            return error(409, "nameAlreadyExists")
        item = Item(str(next(self.numbers)), dict(fields), changed_by(by))
        self.items[item.id] = item
        return Told(201, item.as_json())

    def _change(self, item: Item, fields: dict[str, Any], if_match: str | None) -> Told:
        if if_match is not None and if_match != item.etag:
            return error(412, "resourceModified")
        if self._clash(fields, item):
            return error(409, "nameAlreadyExists")
        self.change(item, fields, None)
        return Told(200, {"@odata.etag": item.etag, **_shown(item.fields)})

    def _clash(self, fields: dict[str, Any], but: Item | None = None) -> bool:
        unique = [name for name, column in self.columns.items() if column.get("enforceUniqueValues")]
        return any(
            str(one.fields.get(name)).casefold() == str(fields[name]).casefold()
            for name in unique
            if name in fields
            for one in self.items.values()
            if one is not but
        )

    def change(self, item: Item, fields: dict[str, Any], by: str | None) -> None:
        item.fields.update(fields)
        item.version += 1
        item.changed = changed_by(by)

    def by_key(self, key: str) -> Item:
        return next(one for one in self.items.values() if one.fields.get("TallybookKey") == key)

    def edit(self, key: str, **fields: Any) -> None:
        """A person changes an item in the browser."""
        self.change(self.by_key(key), fields, "Thandi Nkosi")

    def delete(self, key: str) -> None:
        """A person deletes an item."""
        del self.items[self.by_key(key).id]

    def add(self, **fields: Any) -> Told:
        """A person, or somebody else's flow, makes an item."""
        return self._make(fields, "Thandi Nkosi")
