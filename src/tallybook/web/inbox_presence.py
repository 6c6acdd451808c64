"""Who else looks at a thread, or writes an answer to it, for some seconds: said to open pages, and kept nowhere.

It travels as a wake-up does, so that every web process hears it, and only pages of the same business are told. Where it
gets lost, somebody is not seen for some seconds, and nothing else.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec
from litestar import Response, post
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.wakeups import wake_up

from .inbox_view import PATH
from .needs import Asked, TheApp

if TYPE_CHECKING:
    from .live import Live

TOPIC = "here"
LASTS = 25.0  # seconds for which somebody is here who says no more
APART = 1.0  # seconds between two sayings of one person of one thread that are passed on
LONGEST_NAME = 60
PARTS = 5
LARGEST = 2**63

Doing = Literal["looks", "writes", "left"]


class Here(msgspec.Struct, frozen=True):
    """What somebody does at a thread; ``who`` is their account's number."""

    thread: int
    who: int
    doing: Doing
    name: str


def written(here: Here) -> str:
    """The topic of the wake-up that says it. Pure."""
    name = base64.urlsafe_b64encode(here.name[:LONGEST_NAME].encode()).decode()
    return f"{TOPIC}:{here.thread}:{here.who}:{here.doing}:{name}"


def read(topic: str) -> Here | None:
    """What ``written`` wrote; None for any other topic. Pure."""
    parts = topic.split(":")
    if len(parts) != PARTS or parts[0] != TOPIC:
        return None
    try:
        name = base64.b64decode(parts[4].encode(), altchars=b"-_", validate=True).decode()
        return msgspec.convert(
            dict(zip(("thread", "who", "doing", "name"), (*parts[1:4], name), strict=True)), Here, strict=False
        )
    except (msgspec.ValidationError, binascii.Error, UnicodeError):
        return None


class Room:
    """Who is where in the businesses, as one process has heard of it; it forgets by itself."""

    def __init__(self) -> None:
        self._there: dict[tuple[int, int, int], tuple[float, Here]] = {}
        self._told: dict[tuple[int, int], tuple[float, Here]] = {}

    def hear(self, business_id: int, here: Here) -> None:
        self._forget()
        key = (business_id, here.thread, here.who)
        if here.doing == "left":
            self._there.pop(key, None)
        else:
            self._there[key] = (time.monotonic() + LASTS, here)

    def of(self, business_id: int) -> Iterator[Here]:
        """Who is at any thread of a business."""
        self._forget()
        return iter([here for (business, _, _), (_, here) in self._there.items() if business == business_id])

    def is_news(self, business_id: int, here: Here) -> bool:
        """Whether it is worth telling: not the same thing again within a second."""
        now, key = time.monotonic(), (business_id, here.who)
        at, last = self._told.get(key, (0.0, None))
        if last == here and now - at < APART:
            return False
        self._told = {one: told for one, told in self._told.items() if now - told[0] < LASTS}
        self._told[key] = (now, here)
        return True

    def _forget(self) -> None:
        now = time.monotonic()
        self._there = {key: there for key, there in self._there.items() if there[0] > now}


class Says(msgspec.Struct, frozen=True):
    """What the page says of who looks at it."""

    doing: Doing


@post(PATH + "/{conversation_id:int}/here", include_in_schema=False, status_code=204)
async def here(request: Asked, app: TheApp, conversation_id: FromPath[int], data: JSONBody[Says]) -> Response[None]:
    """Somebody looks at a thread, writes to it, or leaves it: colleagues are told, and nothing is kept."""
    require(request.user, Right.SEE)
    caller, live = request.user, _live(request)
    if caller.account_id is None or not 0 < conversation_id < LARGEST:
        return Response(None, status_code=204)
    said = Here(conversation_id, caller.account_id, data.doing, caller.name)
    if not live.room.is_news(caller.business_id, said):
        return Response(None, status_code=204)
    if not live.connected:
        live.tell_here(caller.business_id, said)

    async def tell(conn: Conn) -> None:
        await wake_up(conn, written(said), caller.business_id)

    await app.db.run("tell presence", tell)
    return Response(None, status_code=204)


def _live(request: Asked) -> Live:
    live: Live = request.app.state.live
    return live


HANDLERS = [here]
