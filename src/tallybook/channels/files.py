"""Files between a provider and us: a customer's is had, one of ours is given before it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec

from tallybook.core.messages import Outgoing

PART = 65_536  # bytes
LONGEST_ID = 250
AGAIN = 15.0  # seconds until a file that could not be given is tried again
CANNOT_READ = "The file that is to be sent cannot be read on this machine."
Take: TypeAlias = Callable[[bytes], Awaitable[None]]
# Gives the provider the file of a message, if it needs one; the message, naming it. Raises a SendError.
WithFile: TypeAlias = Callable[[Outgoing], Awaitable[Outgoing]]


async def as_it_is(outgoing: Outgoing) -> Outgoing:
    return outgoing


class NotThere(Exception):
    """The file cannot be had; the text says why. ``passing``: perhaps later, after ``wait`` seconds or more."""

    def __init__(self, reason: str, *, passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.passing, self.wait = passing, wait


class File(msgspec.Struct, frozen=True):
    """A file of ours that is to be sent: kept here under its hash in hex."""

    kind: str
    sha256: str = ""
    mime: str = ""
    filename: str = ""
    id: str = ""
    link: str = ""


def file_of(outgoing: Outgoing) -> File | None:
    """The file that must be given to the provider before this message is sent. Pure."""
    told = outgoing.body.get("media")
    if told is None:
        return None
    file = msgspec.json.decode(told, type=File) if isinstance(told, msgspec.Raw) else msgspec.convert(told, File)
    return file if file.sha256 and not file.id and not file.link else None


def with_id(outgoing: Outgoing, media_id: str) -> Outgoing:
    """The message, naming its file by the provider's id. Pure."""
    told: Any = outgoing.body["media"]
    parts = msgspec.json.decode(told) if isinstance(told, msgspec.Raw) else told
    return msgspec.structs.replace(outgoing, body=outgoing.body | {"media": parts | {"id": media_id}})
