"""The page of validity: the lists, what is held, refused and offered; and how that stands, for the health page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.health import Check
from tallybook.monitor.store import held as held_store
from tallybook.monitor.store import importing as import_store
from tallybook.monitor.store import offers as store
from tallybook.monitor.store import registers as register_store
from tallybook.monitor.store import validity_board as board_store
from tallybook.monitor.store.importing import Kept
from tallybook.monitor.store.offers import Asked, Line
from tallybook.monitor.store.validity_board import ListRow

Part = Literal["offers", "held", "rejected"]
PARTS: tuple[Part, ...] = ("offers", "held", "rejected")
LONG = timedelta(hours=1)
RECENT = 5


class Board(msgspec.Struct, frozen=True):
    """All that the page shows. ``counts`` are of each part as it is asked for; ``further`` is where the next begins."""

    lists: list[ListRow]
    imports: list[Kept]
    part: Part
    counts: dict[Part, int]
    lines: list[Line]
    further: tuple[int, str] | None


async def board(conn: Conn, business: Business, part: Part | None, asked: Asked) -> Board:
    """The page as it is asked for; without a part, the first in which there is anything."""
    spaces = await register_store.spaces(conn, business.id)
    counts: dict[Part, int] = {
        "offers": await store.count_offers(conn, business.id, spaces, asked),
        "held": await store.count_held(conn, business.id, asked),
        "rejected": await store.count_rejected(conn, business.id, asked),
    }
    first: Part = next((one for one in PARTS if counts[one]), "offers")
    part = part or first
    more = msgspec.structs.replace(asked, limit=asked.limit + 1)
    if part == "offers":
        lines = await store.offers(conn, business.id, spaces, more)
    else:
        lines = await (store.held if part == "held" else store.rejected)(conn, business.id, more)
    last = lines[asked.limit - 1] if len(lines) > asked.limit else None
    return Board(
        lists=await board_store.lists(conn, business.id),
        imports=await import_store.recent(conn, business.id, RECENT),
        part=part,
        counts=counts,
        lines=lines[: asked.limit],
        further=(last.message_id, last.drop_number) if last else None,
    )


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """The line of the health page: what waits for a list, and what may be accepted. Offers are no alarm."""
    held = await held_store.count(conn, business.id)
    spaces = await register_store.spaces(conn, business.id)
    return [judge(held, await store.count_offers(conn, business.id, spaces, Asked()), now)]


def judge(held: dict[str, tuple[int, datetime]], offered: int, now: datetime) -> Check:
    """Late where posts have waited for an hour. Pure."""
    count = sum(number for number, _ in held.values())
    facts: dict[str, str | int | float] = {"held": count, "may_be_accepted": offered}
    since = min((at for _, at in held.values()), default=None)
    if count and since is not None and now - since > LONG:
        says = (
            "1 post waits for its project's list to be imported." if count == 1
            else f"{count} posts wait for their projects' lists to be imported."
        )  # fmt: skip
        return Check("validity", "late", says, since, facts)
    if offered:
        says = "1 refused post may be accepted." if offered == 1 else f"{offered} refused posts may be accepted."
        return Check("validity", "ok", says, None, facts)
    return Check("validity", "ok", "Every post was judged by its project's list.", None, facts)
