"""The demo's Slack as a process of its own: the people of the demo's rota, their channel, and a page to be one of them.

It ends when its parent does. What was said is kept in no file: a demo that starts again begins with empty channels.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

from tallybook.demo import rota
from tallybook.demo.day import ZONE
from tallybook.settings import Settings

from .page import SlackPage
from .server import FakeSlack
from .workspace import Channel, Group, Person, Workspace

TRIAGE, LEADS, ON_DUTY = "C0TRIAGE", "C0LEADS", "S0TRIAGE"


def workspace() -> Workspace:
    """Who is there when the demo begins."""
    slack = Workspace()
    slack.people |= {one.slack_id: Person(one.slack_id, one.name, ZONE.key) for one in rota.PEOPLE}
    slack.channels = {TRIAGE: Channel(TRIAGE, "triage"), LEADS: Channel(LEADS, "triage-leads")}
    slack.groups = {ON_DUTY: Group(ON_DUTY, "triage")}
    return slack


async def play(settings: Settings) -> None:
    """Serves until standard input closes, which is when the parent is gone."""
    address = urlsplit(settings.slack_api_url)
    slack = FakeSlack(
        app=f"http://{settings.host}:{settings.port}/webhooks/slack",
        port=address.port or 0,
        secret=settings.slack_signing_secret or "",
        bot_token=settings.slack_bot_token or "",
        workspace=workspace(),
    )
    slack.pages.append(SlackPage(slack).add_to)
    async with slack:
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(play(Settings.load()))
