"""The list and the folder of a SharePoint site, through Microsoft Graph.

What became of a write that had no answer is told as ``Uncertain.UNKNOWN``, for the caller to look up.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus as Http

import httpx

from tallybook.core.errors import WrongSetup

from . import answers, calls, uploading
from .access import Credentials, Tokens
from .answers import Answer
from .budget import Cost
from .calls import Call
from .types import (
    Change,
    ItemKey,
    Lookup,
    Outcome,
    Refused,
    RemoteFile,
    RemoteItem,
    SharePointAway,
    SharePointError,
    Uncertain,
    Upload,
    Wrote,
)
from .wire import Wire

SIGN_IN_SECONDS = 20.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Place:
    """Where to write: the API, the site's address, the list's name and the folder in the site's library.

    ``timeout`` is in seconds and for one answer.
    """

    api: str
    site: str
    list_name: str
    folder: str
    timeout: float = 60.0

    def __post_init__(self) -> None:
        url = httpx.URL(self.api)
        if url.scheme != "https" and url.host not in LOOPBACK:
            raise WrongSetup("TALLYBOOK_GRAPH_API_URL must begin with https://: an access token is sent there.")


@dataclass
class Graph:
    """The list and the folder of one site. ``open`` must be awaited before anything else."""

    place: Place
    credentials: Credentials
    wire: Wire
    site_id: str = ""
    list_id: str = ""

    @property
    def _items(self) -> str:
        return f"/sites/{self.site_id}/lists/{self.list_id}/items"

    def presume(self, things: int, ago: float) -> None:
        """A run before this one looked at so many items and files, and ended ``ago`` seconds ago."""
        self.wire.budget.presume(things * (Cost.QUERY + Cost.WRITE), ago, time.monotonic())

    async def open(self) -> None:
        """Finds site and list. Raises SharePointError where one is missing or the list's key is not held."""
        self.site_id = str((await self._found(calls.site(self.place.site), "the site")).body["id"])
        found = await self._found(calls.list_with_columns(self.site_id, self.place.list_name), "the list")
        if lacking := answers.missing_columns(found.body):
            raise SharePointError(
                f"The SharePoint list is not as the sync needs it: {'; '.join(lacking)}. "
                "Make a new one with: tallybook monitor sync-sharepoint --prepare"
            )
        self.list_id = str(found.body["id"])

    async def prepare(self) -> bool:
        """Makes the list where there is none. False: it was there. Needs the right to manage the site's lists."""
        self.site_id = str((await self._found(calls.site(self.place.site), "the site")).body["id"])
        answer = await self.wire.call(calls.list_with_columns(self.site_id, self.place.list_name))
        if answer.went_well:
            await self.open()
            return False
        if answer.status != Http.NOT_FOUND:
            raise _failure(answer)
        await self._found(calls.new_list(self.site_id, self.place.list_name), "the list")
        await self.open()
        return True

    async def look_up(self, wanted: list[Lookup]) -> dict[ItemKey, RemoteItem | None]:
        """Each item as it is now; None where there is none. Raises SharePointAway where some cannot be read."""
        found = await self._look_up(wanted)
        # A number that leads nowhere: a list that was restored has new ones.
        lost = [Lookup(one.key) for one in wanted if one.item_id is not None and found[one.key] is None]
        return found | (await self._look_up(lost) if lost else {})

    async def _look_up(self, wanted: list[Lookup]) -> dict[ItemKey, RemoteItem | None]:
        asked = await self.wire.in_batches([calls.look_up(self._items, one) for one in wanted])
        found: dict[ItemKey, RemoteItem | None] = {}
        for one, answer in zip(wanted, asked, strict=True):
            if not answer.went_well and answer.status != Http.NOT_FOUND:
                raise _failure(answer)
            items = answers.items(answer, self.credentials.client_id) if answer.went_well else []
            if len(items) > 1:
                raise SharePointError("The SharePoint list holds two items of one key: its column lost its rule.")
            found[one.key] = items[0] if items else None
        return found

    async def write(self, changes: list[Change]) -> dict[ItemKey, Outcome]:
        """Writes up to twenty items in one request; what became of each."""
        asked = await self.wire.in_batches([calls.write(self._items, change) for change in changes])
        return {change.key: answers.outcome(change, answer) for change, answer in zip(changes, asked, strict=True)}

    async def look_up_file(self, name: str) -> RemoteFile | None:
        answer = await self.wire.call(calls.look_up_file(self._path(name)))
        if answer.status == Http.NOT_FOUND:
            return None
        if not answer.went_well:
            raise _failure(answer)
        return answers.file(answer, self.credentials.client_id)

    def address_of(self, name: str) -> str:
        """Which file is meant, for our own records: site, folder and name."""
        return "/".join(part.strip("/") for part in (self.place.site, self.place.folder, name) if part)

    def _path(self, name: str) -> str:
        return calls.file_path(self.site_id, self.place.folder, name)

    async def upload(self, upload: Upload) -> Outcome:
        """Puts a file in place as a whole. A file that is open in Excel is Refused, to be tried again later."""
        begun = await self.wire.call(calls.upload_session(self._path(upload.name), upload.etag))
        address = begun.body.get("uploadUrl") if begun.went_well and isinstance(begun.body, dict) else None
        if address is None:
            return _file_outcome(begun)
        if httpx.URL(str(address)).scheme != "https":
            raise SharePointError("SharePoint gave an address for the upload that is not encrypted.")
        return _file_outcome(await uploading.send(self.wire, str(address), upload.content))

    async def _found(self, call: Call, what: str) -> Answer:
        answer = await self.wire.call(call)
        if answer.status == Http.NOT_FOUND:
            raise SharePointError(f"SharePoint does not have {what} that the settings name, or does not show it to us.")
        if not answer.went_well:
            raise _failure(answer)
        return answer


def _failure(answer: Answer) -> SharePointAway | SharePointError:
    if answer.status >= Http.INTERNAL_SERVER_ERROR or answer.status in {Http.TOO_MANY_REQUESTS, Http.REQUEST_TIMEOUT}:
        return SharePointAway(answers.reason(answer))
    return SharePointError(answers.reason(answer))


def _file_outcome(answer: Answer) -> Outcome:
    if answer.went_well and isinstance(answer.body, dict) and "id" in answer.body:
        return Wrote(str(answer.body["id"]), answers.etag_of(answer.body))
    if answer.status == answers.LOCKED:
        return Refused("The workbook is open in Excel, which locks it.")
    if answer.status in answers.CHANGED:
        return Uncertain.CHANGED
    if answer.went_well or answer.status >= Http.INTERNAL_SERVER_ERROR or answer.status == Http.REQUEST_TIMEOUT:
        return Uncertain.UNKNOWN
    return Refused(answers.reason(answer))


@asynccontextmanager
async def connected(place: Place, credentials: Credentials) -> AsyncIterator[Graph]:
    """A client on the site, not yet opened. Proxies and a CA of one's own come from the usual variables."""
    tls = httpx.create_ssl_context()
    with httpx.Client(verify=tls, timeout=SIGN_IN_SECONDS) as sign_in:
        async with httpx.AsyncClient(verify=tls, timeout=place.timeout) as http:
            yield Graph(place, credentials, Wire(place.api, http, Tokens(credentials, sign_in)))
