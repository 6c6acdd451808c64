"""Requests to Microsoft Graph, as values. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from .budget import Cost
from .types import Change, ItemKey, Lookup, Values

BATCH = 20  # requests in a $batch, at most
SLICE = 10 * 320 * 1024  # bytes; every slice but the last must be a multiple of 320 KiB
KEY, DAY, PROJECT = "TallybookKey", "Day", "Project"
# The columns that hold the numbers, in the order of Values.
NUMBERS = ("Drops", "Complete", "Incomplete", "Resubmitted")
_EXPAND = "$expand=fields($select=" + ",".join((KEY, *NUMBERS)) + ")"


class Call(msgspec.Struct, frozen=True):
    """One request. ``path`` begins at the API's address."""

    method: str
    path: str
    cost: Cost
    body: dict[str, Any] | None = None
    headers: dict[str, str] = {}

    @property
    def writes(self) -> bool:
        return self.method != "GET"


def site(address: str) -> Call:
    """The site at an address such as https://contoso.sharepoint.com/sites/Fibre."""
    parts = urlsplit(address)
    path = quote(parts.path.rstrip("/"))
    return Call("GET", f"/sites/{parts.hostname}:{path}" if path else f"/sites/{parts.hostname}", Cost.READ)


def list_with_columns(site_id: str, name: str) -> Call:
    """A list by its name or number, with its columns."""
    return Call("GET", f"/sites/{site_id}/lists/{quote(name, safe='')}?$expand=columns", Cost.READ)


def new_list(site_id: str, name: str) -> Call:
    """A list as the sync needs it. A key column whose values are unique is what makes a repeat impossible."""
    text: dict[str, Any] = {"text": {}}
    number: dict[str, Any] = {"number": {"decimalPlaces": "none"}}
    columns: list[dict[str, Any]] = [{"name": KEY, "enforceUniqueValues": True, "indexed": True, **text}]
    columns += [{"name": name, "indexed": name == DAY, **text} for name in (DAY, PROJECT)]
    columns += [{"name": name, **number} for name in NUMBERS]
    body = {"displayName": name, "list": {"template": "genericList"}, "columns": columns}
    return Call("POST", f"/sites/{site_id}/lists", Cost.WRITE, body)


def look_up(items: str, wanted: Lookup) -> Call:
    """The item, by its number where that is known."""
    if wanted.item_id is not None:
        return Call("GET", f"{items}/{wanted.item_id}?{_EXPAND}", Cost.READ)
    return by_key(items, wanted.key)


def by_key(items: str, key: ItemKey) -> Call:
    """The item of this key, if there is one."""
    text = quote(key.text.replace("'", "''"), safe="")
    # Two, since a list whose column has lost its rule may hold two.
    return Call("GET", f"{items}?$filter=fields/{KEY}%20eq%20'{text}'&$top=2&{_EXPAND}", Cost.QUERY)


def write(items: str, change: Change) -> Call:
    """Makes the item, or changes the numbers of the version that we have seen, and of no other."""
    numbers = fields_of(change.values)
    if change.item_id is None:
        day = change.key.day.isoformat()
        fields = {"Title": f"{change.key.project} {day}", KEY: change.key.text, DAY: day, PROJECT: change.key.project}
        return Call("POST", items, Cost.WRITE, {"fields": fields | numbers})
    return Call("PATCH", f"{items}/{change.item_id}/fields", Cost.WRITE, numbers, {"If-Match": change.etag or ""})


def fields_of(values: Values) -> dict[str, Any]:
    """The numbers by their columns."""
    names = Values.__struct_fields__
    return {column: getattr(values, name) for column, name in zip(NUMBERS, names, strict=True)}


def batch(calls: dict[str, Call]) -> Call:
    """Up to twenty requests in one, none depending on another, so that SharePoint may take them in any order."""
    if not 0 < len(calls) <= BATCH:
        raise ValueError("a batch holds 1 to 20 requests")
    body = {"requests": [_inner(number, call) for number, call in calls.items()]}
    return Call("POST", "/$batch", Cost.READ, body)


def _inner(number: str, call: Call) -> dict[str, Any]:
    inner: dict[str, Any] = {"id": number, "method": call.method, "url": call.path}
    headers = dict(call.headers)
    if call.body is not None:
        inner["body"] = call.body
        headers["Content-Type"] = "application/json"
    return inner | ({"headers": headers} if headers else {})


def file_path(site_id: str, folder: str, name: str) -> str:
    """Where a file stands in the site's own library."""
    path = "/".join(quote(part, safe="") for part in [*folder.strip("/").split("/"), name] if part)
    return f"/sites/{site_id}/drive/root:/{path}:"


def look_up_file(path: str) -> Call:
    return Call("GET", path.removesuffix(":"), Cost.READ)


def upload_session(path: str, etag: str | None) -> Call:
    """Begins an upload. The file changes at once and as a whole when the last slice has come."""
    clash = "fail" if etag is None else "replace"
    headers = {} if etag is None else {"If-Match": etag}
    body = {"item": {"@microsoft.graph.conflictBehavior": clash}}
    return Call("POST", f"{path}/createUploadSession", Cost.WRITE, body, headers)


def slices(size: int, start: int = 0) -> list[tuple[int, int]]:
    """The slices of a file from a byte on, each as (first, one past the last)."""
    return [(first, min(first + SLICE, size)) for first in range(start, size, SLICE)]
