"""SharePoint's words: what is written to the list, what was found there, and what became of a request."""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from tallybook.core.errors import TallybookError


class Values(msgspec.Struct, frozen=True):
    """The four numbers of a project's day. In what was found a person may have put anything into a column."""

    drops: Any
    complete: Any
    incomplete: Any
    resubmitted: Any


class ItemKey(msgspec.Struct, frozen=True, order=True):
    """What makes an item of the list the same item."""

    day: date
    project: str

    @property
    def text(self) -> str:
        """As it stands in the list's key column, whose values must be unique."""
        return f"{self.day.isoformat()}|{self.project}"


class RemoteItem(msgspec.Struct, frozen=True):
    """An item as SharePoint has it. ``by_us``: nobody but this application has changed it last."""

    item_id: str
    etag: str
    values: Values
    by_us: bool
    changed_by: str = ""
    changed_at: datetime | None = None


class RemoteFile(msgspec.Struct, frozen=True):
    """A file as SharePoint has it."""

    item_id: str
    etag: str
    by_us: bool
    size: int = 0
    changed_by: str = ""
    changed_at: datetime | None = None


class Lookup(msgspec.Struct, frozen=True):
    """An item to be looked up: by its number where we know it, else, or where that is gone, by its key."""

    key: ItemKey
    item_id: str | None = None


class Change(msgspec.Struct, frozen=True):
    """What is to be written: a new item, or with ``item_id`` the numbers of the one that has this ``etag``."""

    key: ItemKey
    values: Values
    item_id: str | None = None
    etag: str | None = None


class Wrote(msgspec.Struct, frozen=True):
    """It is there, and this is its version; empty where the answer did not say."""

    item_id: str
    etag: str


class Uncertain(enum.Enum):
    """What became of a request that wrote nothing for sure. The item must be looked up before anything else."""

    CHANGED = "it was changed, made or deleted meanwhile"
    UNKNOWN = "there was no answer"


class Refused(msgspec.Struct, frozen=True):
    """SharePoint understood and said no. ``reason`` is a sentence that holds nothing secret."""

    reason: str


Outcome: TypeAlias = Wrote | Uncertain | Refused
Found: TypeAlias = RemoteItem | RemoteFile


class Upload(msgspec.Struct, frozen=True):
    """A file to be put in place: where ``etag`` is None it must not exist yet, else it must be of that version."""

    name: str
    content: bytes
    etag: str | None = None


Row: TypeAlias = list[str | int | float | bool | datetime | None]


class Sheet(msgspec.Struct, frozen=True):
    """A sheet of a workbook. A moment in it has no zone: it is what the business's wall clock showed."""

    name: str
    head: list[str]
    rows: list[Row]


class Library(Protocol):
    """The list and the folder on SharePoint, as the monitor speaks to them."""

    @property
    def list_id(self) -> str: ...

    def address_of(self, name: str) -> str: ...

    def presume(self, things: int, ago: float) -> None: ...

    async def open(self) -> None: ...

    async def look_up(self, wanted: list[Lookup]) -> dict[ItemKey, RemoteItem | None]: ...

    async def write(self, changes: list[Change]) -> dict[ItemKey, Outcome]: ...

    async def look_up_file(self, name: str) -> RemoteFile | None: ...

    async def upload(self, upload: Upload) -> Outcome: ...


class SharePointError(TallybookError):
    """SharePoint cannot be written to as it is set up; trying again would get the same answer."""

    code = "SHAREPOINT_REFUSES"


class SharePointAway(TallybookError):
    """SharePoint gave no usable answer for now. ``retry_after`` in seconds, where it said so."""

    code = "SHAREPOINT_AWAY"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


Owner = Literal["nobody", "us", "person"]
