"""What Microsoft Graph answers, read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus as Http
from typing import Any

import msgspec

from .calls import DAY, KEY, NUMBERS, PROJECT
from .types import Change, Outcome, Refused, RemoteFile, RemoteItem, SharePointError, Uncertain, Values, Wrote

THROTTLED = frozenset({Http.TOO_MANY_REQUESTS, Http.SERVICE_UNAVAILABLE})
# The version is another one, the key is taken, or the item is gone.
CHANGED = frozenset({Http.PRECONDITION_FAILED, Http.CONFLICT, Http.NOT_FOUND})
LOCKED = 423


class Answer(msgspec.Struct, frozen=True):
    """One answer, of a request alone or of one in a batch. Header names are in small letters."""

    status: int
    headers: dict[str, str] = {}
    body: Any = None

    @property
    def went_well(self) -> bool:
        return Http.OK <= self.status < Http.MULTIPLE_CHOICES

    @property
    def must_wait(self) -> bool:
        """Refused before anything was done: too much was asked. Without a time, 503 says nothing of the kind."""
        return self.status == Http.TOO_MANY_REQUESTS or (self.status in THROTTLED and "retry-after" in self.headers)


def seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long Retry-After says to wait: in seconds or until a moment. None where it says nothing that can be read."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text)) if text.replace(".", "", 1).isdecimal() else _until(text, now)
    except (TypeError, ValueError):
        return None


def _until(text: str, now: datetime) -> float:
    at = parsedate_to_datetime(text)
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


def in_batch(body: Any) -> dict[str, Answer]:
    """The answers of a batch by the ids of their requests, in whatever order they stand."""
    parts = body.get("responses", []) if isinstance(body, dict) else []
    return {
        str(part["id"]): Answer(
            int(part["status"]),
            {str(name).lower(): str(value) for name, value in (part.get("headers") or {}).items()},
            part.get("body"),
        )
        for part in parts
        if isinstance(part, dict) and "id" in part and "status" in part
    }


def reason(answer: Answer) -> str:
    """Why something was refused: Graph's own short code, never its text, which may repeat what was sent."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    known = str(code)[:60] if code else Http(answer.status).phrase if answer.status in set(Http) else ""
    return f"SharePoint answered {answer.status} {known}".strip() + "."


def items(answer: Answer, client_id: str) -> list[RemoteItem]:
    """The items of an answer: one that was asked for by its number, or a page of those that were looked for."""
    if not isinstance(answer.body, dict):
        return []
    found = answer.body.get("value", [answer.body])
    return [_item(one, client_id) for one in found if isinstance(one, dict) and "id" in one]


def _item(one: dict[str, Any], client_id: str) -> RemoteItem:
    fields = one.get("fields") or {}
    values = Values(*(fields.get(column) for column in NUMBERS))
    return RemoteItem(str(one["id"]), etag_of(one), values, *_last_change(one, client_id))


def file(answer: Answer, client_id: str) -> RemoteFile:
    """The file of an answer. Raises SharePointError where what stands there is a folder."""
    body = answer.body if isinstance(answer.body, dict) else {}
    if "folder" in body:
        raise SharePointError("A folder has the name of the day's workbook. Rename it.")
    by_us, by, at = _last_change(body, client_id)
    return RemoteFile(str(body.get("id", "")), etag_of(body), by_us, int(body.get("size") or 0), by, at)


def etag_of(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    return str(body.get("eTag") or body.get("@odata.etag") or "")


def _last_change(one: dict[str, Any], client_id: str) -> tuple[bool, str, datetime | None]:
    """Whether it was we, who else it was, and when."""
    by = one.get("lastModifiedBy") or {}
    us = str((by.get("application") or {}).get("id", "")).lower() == client_id.lower()
    name = str((by.get("user") or {}).get("displayName") or (by.get("application") or {}).get("displayName") or "")
    try:
        at = datetime.fromisoformat(str(one.get("lastModifiedDateTime")))
    except ValueError:
        at = None
    return us, name, at


def outcome(change: Change, answer: Answer) -> Outcome:
    """What became of a change. What an error of the server's leaves behind, nobody knows."""
    if answer.went_well:
        item_id = change.item_id or str((answer.body or {}).get("id", ""))
        return Wrote(item_id, etag_of(answer.body)) if item_id else Uncertain.UNKNOWN
    if answer.status in CHANGED:
        return Uncertain.CHANGED
    if answer.status >= Http.INTERNAL_SERVER_ERROR or answer.status == Http.REQUEST_TIMEOUT:
        return Uncertain.UNKNOWN
    return Refused(reason(answer))


def next_byte(answer: Answer) -> int | None:
    """The first byte of an upload that has not come yet; None where the upload is over."""
    ranges = answer.body.get("nextExpectedRanges") if isinstance(answer.body, dict) else None
    return int(str(ranges[0]).partition("-")[0]) if ranges else None


def missing_columns(body: Any) -> list[str]:
    """What the list lacks for the sync, one sentence each; empty where it is as it should be."""
    columns = {one.get("name"): one for one in body.get("columns", []) if isinstance(one, dict)}
    found = [f"the column {name} is missing" for name in (KEY, DAY, PROJECT, *NUMBERS) if name not in columns]
    if KEY in columns and columns[KEY].get("enforceUniqueValues") is not True:
        found.append(f"the column {KEY} does not enforce unique values")
    return found
