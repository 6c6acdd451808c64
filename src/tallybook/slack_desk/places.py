"""Where people find what has no room in Slack: the pages, a picture of the coming weeks, a form for their thoughts."""

from __future__ import annotations

from dataclasses import dataclass

from tallybook.core.db import Conn
from tallybook.triage.blocks.showing import Seen

from .pictures import Pictures

PATH = "/triage"


@dataclass(frozen=True)
class Places:
    """``address`` is the pages' own; ``feedback`` is where people say what they think. "" is nowhere.

    Without ``pictures`` none is shown.
    """

    address: str = ""
    feedback: str = ""
    pictures: Pictures | None = None

    def page(self, seen: Seen) -> str:
        """The team's page, "" where there are none."""
        return f"{self.address}{PATH}?team={seen.team.id}" if self.address else ""

    def links(self, seen: Seen) -> list[tuple[str, str]]:
        """Other addresses, each with its words."""
        return [(seen.plain("feedback"), self.feedback)] if self.feedback else []

    async def picture(self, conn: Conn, business_id: int, seen: Seen) -> str:
        """The address of the picture of the coming weeks, "" where Slack could not fetch it."""
        return await self.pictures.of(conn, business_id, seen) if self.pictures is not None else ""


NOWHERE = Places()
