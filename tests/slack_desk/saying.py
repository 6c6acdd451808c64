"""A worker of its own that sends once what is to be said on Slack; to be killed on its way."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

from tallybook import worker
from tallybook.app import slack_sender, slack_tokens
from tallybook.core.db import open_database
from tallybook.core.sending import Post, deliver
from tallybook.settings import Settings
from tallybook.triage.service.schedules import Schedules
from tests.channels.whatsapp.test_received import SEAL


async def say(url: str, api: str, business_id: int) -> None:
    settings = Settings.load({"TALLYBOOK_SLACK_API_URL": api})
    async with open_database(url, "prod") as db:
        sender = slack_sender(settings, db, slack_tokens(settings, db, SEAL))
        post = Post({"slack": sender}, at_once=8, tell=partial(worker._hear, Schedules()), stands=worker._stands)
        await deliver(db, business_id, post, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(say(sys.argv[1], sys.argv[2], int(sys.argv[3])))
