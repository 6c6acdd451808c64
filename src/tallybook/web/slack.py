"""``POST /webhooks/slack``: what people do in Slack, answered to Slack within its three seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from tallybook.app import App
from tallybook.channels.slack.sender import SlackSender
from tallybook.core.channel import Webhook
from tallybook.core.receive import Receiver
from tallybook.rota_snapshot import path_of, shelf
from tallybook.slack_desk.filing import Desk
from tallybook.slack_link.door import SlackDoor
from tallybook.told_channels import places_of

# Answers a body that was verified, and sees to it that nothing of it is lost: the status, the body and the headers.
# Raises Unavailable where it could not: Slack tells an event again, and shows whoever clicked that it failed.
Door: TypeAlias = Callable[[bytes], Awaitable[tuple[int, bytes, dict[str, str]]]]


def doors(app: App, channels: Mapping[str, Webhook], receiver: Receiver) -> dict[str, Door]:
    """The door for Slack, where it is told to us by webhooks; by the name of its channel."""
    sender = app.senders.get(SlackSender.name)
    if SlackSender.name not in channels or not isinstance(sender, SlackSender):
        return {}
    desk = Desk(places=places_of(app.settings))
    door = SlackDoor(app.db, sender, receiver, desk, shelf=shelf(path_of(app.settings)))

    async def answer(body: bytes) -> tuple[int, bytes, dict[str, str]]:
        found = await door.answer(body)
        return found.status, found.body, {"content-type": found.content_type}

    return {SlackSender.name: answer}
