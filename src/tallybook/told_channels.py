"""The channels that are told by webhooks, as the settings have them: who verifies, who owns, who files.

A channel without a secret is not there: its address is refused, since nobody could tell who calls it.
"""

from __future__ import annotations

from functools import partial

from .channels.gateway.webhook import GatewayWebhook
from .channels.slack.webhook import CHANNEL, SlackWebhook
from .channels.whatsapp.webhook import WhatsAppWebhook
from .core import channel_accounts
from .core.channel import Webhook
from .core.deliveries import ChannelEntry, Filing
from .core.ingest import Absorbed
from .core.signatures import split_secrets
from .inbox.service import filing
from .inbox.types import Filed
from .settings import Settings
from .slack_desk.filing import Desk
from .slack_desk.pictures import Pictures
from .slack_desk.places import NOWHERE, Places
from .triage.service.doing import TOPIC


def told_channels(settings: Settings) -> dict[str, ChannelEntry]:
    """Each by its name."""
    hooks: list[Webhook] = []
    if settings.whatsapp_app_secret is not None:
        secrets = split_secrets(settings.whatsapp_app_secret)
        hooks.append(WhatsAppWebhook(secrets, settings.whatsapp_verify_token))
    if settings.gateway_secret is not None:
        hooks.append(GatewayWebhook(split_secrets(settings.gateway_secret)))
    told = {hook.name: entry_of(hook) for hook in hooks}
    if settings.slack_signing_secret is not None or settings.slack_app_token is not None:
        told[CHANNEL] = slack_entry(split_secrets(settings.slack_signing_secret or ""), places_of(settings))
    return told


def pictures_of(settings: Settings) -> Pictures | None:
    """Where Slack finds pictures; nowhere where it was not said that it can."""
    return Pictures(settings.public_url, settings.secret_keys()[0]) if settings.slack_pictures == "yes" else None


def places_of(settings: Settings) -> Places:
    """What Slack links: the pages, and where people say what they think of the rota."""
    return Places(settings.public_url, settings.slack_feedback_url, pictures_of(settings))


def slack_entry(secrets: list[bytes], places: Places = NOWHERE) -> ChannelEntry:
    """Slack, whose workspaces are in the directory; what is done there goes to the rota.

    Without a secret nobody is let in by its address, and everything comes through Socket Mode.
    """
    owners = partial(channel_accounts.owners, channel=CHANNEL)
    return ChannelEntry(SlackWebhook(secrets), Filing(Desk(places=places), TOPIC), owners, in_order=True)


def entry_of(hook: Webhook) -> ChannelEntry:
    """A channel whose accounts are in the directory and whose messages are the inbox's."""
    owners = partial(channel_accounts.owners, channel=hook.name)
    return ChannelEntry(hook, Filing(filing.Inbox(), filing.TOPIC, _tell), owners)


def _tell(absorbed: Absorbed[Filed]) -> None:
    for filed in absorbed.facts:
        filing.tell(filed)
    filing.tell_repeats(absorbed.repeats)
