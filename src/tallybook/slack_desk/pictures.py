"""Where Slack finds pictures of the rota: at the public address, by a link that the product makes for itself."""

from __future__ import annotations

from dataclasses import dataclass

from tallybook.core.db import Conn
from tallybook.triage.blocks.showing import Seen
from tallybook.triage.service import feeds

PATH = "/triage/feeds"


@dataclass(frozen=True)
class Pictures:
    """``address`` must be one that Slack can reach: it refuses a view whose picture it cannot fetch.

    The links are made of ``key`` and kept nowhere.
    """

    address: str
    key: bytes

    async def of(self, conn: Conn, business_id: int, seen: Seen) -> str:
        """The address of a team's coming weeks, a new one with each change and each hour: Slack keeps them."""
        token = await feeds.own_link(conn, business_id, seen.team.id, self.key, seen.now)
        hour = seen.now.astimezone(seen.team.tz)
        return f"{self.address}{PATH}/{token}.png?v={seen.schedule.facts.version}-{hour:%Y%m%d%H}"
