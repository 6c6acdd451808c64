"""Who else looks at a thread, or writes an answer to it, for some seconds: said to open pages, and kept nowhere.

It travels as a wake-up does, so that every web process hears it, and only pages of the same business are told. Where it
gets lost, somebody is not seen for some seconds, and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec
import psycopg
import structlog
from litestar import Response, post
from litestar.params import FromPath, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.errors import TallybookError

from .inbox_view import PATH
from .needs import Asked

if TYPE_CHECKING:
    from .live import Live

TOPIC = "here"
LASTS = 25.0  # seconds for which somebody is here who says no more
APART = 1.0  # seconds between two sayings of one person that are passed on
MOST_WAITING = 2
LONGEST_NAME = 60
PARTS = 5
LARGEST = 2**63

log = structlog.get_logger()
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
        # In the order in which they are forgotten: whoever says something anew goes to the end.
        self._there: dict[tuple[int, int, int], tuple[float, Here]] = {}

    def hear(self, business_id: int, here: Here) -> None:
        self._forget()
        key = (business_id, here.thread, here.who)
        self._there.pop(key, None)
        if here.doing != "left":
            self._there[key] = (time.monotonic() + LASTS, here)

    def of(self, business_id: int) -> Iterator[Here]:
        """Who is at any thread of a business."""
        self._forget()
        return iter([here for (business, _, _), (_, here) in self._there.items() if business == business_id])

    def _forget(self) -> None:
        now = time.monotonic()
        while self._there:
            oldest = next(iter(self._there))
            if self._there[oldest][0] > now:
                return
            del self._there[oldest]


@dataclass
class _Said:
    """What was passed on last of one person, and what waits, by thread: the oldest first."""

    last: Here | None = None
    waits: dict[int, Here] = field(default_factory=dict)


class Sayings:
    """Passes on what people say: of one person one thing a second, whatever the thread. What is newer replaces it.

    Two things wait at most: that somebody left one thread, and that they came to another.
    """

    def __init__(self, tell: Callable[[int, Here], Awaitable[None]]) -> None:
        self._tell = tell
        self._said: dict[tuple[int, int], _Said] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """Whether anybody said something within the last second."""
        return bool(self._tasks)

    def say(self, business_id: int, here: Here) -> None:
        """Has it passed on, at once or when the second is over; the same thing again within it is not."""
        key = (business_id, here.who)
        said = self._said.get(key)
        if said is None:
            said = self._said[key] = _Said()
            task = asyncio.create_task(self._pass_on(key, said))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif here == said.last and not said.waits:
            return
        said.waits.pop(here.thread, None)
        said.waits[here.thread] = here
        if len(said.waits) > MOST_WAITING:
            del said.waits[next(iter(said.waits))]

    async def close(self) -> None:
        """Whatever waits is not passed on any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self, key: tuple[int, int], said: _Said) -> None:
        try:
            while said.waits:
                said.last = said.waits.pop(next(iter(said.waits)))
                try:
                    await self._tell(key[0], said.last)
                except (TallybookError, psycopg.Error, OSError) as error:
                    log.warning("Who is at a thread was not passed on", error=type(error).__name__)
                await asyncio.sleep(APART)
        finally:
            del self._said[key]


class Says(msgspec.Struct, frozen=True):
    """What the page says of who looks at it."""

    doing: Doing


@post(PATH + "/{conversation_id:int}/here", include_in_schema=False, status_code=204)
async def here(request: Asked, conversation_id: FromPath[int], data: JSONBody[Says]) -> Response[None]:
    """Somebody looks at a thread, writes to it, or leaves it: colleagues are told, and nothing is kept."""
    require(request.user, Right.SEE)
    if request.user.account_id is None or not 0 < conversation_id < LARGEST:
        return Response(None, status_code=204)
    say(request, request.user.account_id, conversation_id, data.doing)
    return Response(None, status_code=204)


def say(request: Asked, account_id: int, conversation_id: int, doing: Doing) -> None:
    """Has colleagues told what the caller, who has this account, does at a thread."""
    caller = request.user
    live_of(request).sayings.say(caller.business_id, Here(conversation_id, account_id, doing, caller.name))


def live_of(request: Asked) -> Live:
    """What this process has heard, and tells."""
    live: Live = request.app.state.live
    return live


HANDLERS = [here]
