"""The channels that are told by webhooks, as the settings have them: who verifies, who owns, who files.

A channel without a secret is not there: its address is refused, since nobody could tell who calls it.
"""

from __future__ import annotations

from functools import partial

from .channels.gateway.webhook import GatewayWebhook
from .channels.whatsapp.webhook import WhatsAppWebhook
from .core import channel_accounts
from .core.channel import Webhook
from .core.deliveries import ChannelEntry, Filing
from .core.ingest import Absorbed
from .core.signatures import split_secrets
from .inbox.service import filing
from .inbox.types import Filed
from .settings import Settings


def told_channels(settings: Settings) -> dict[str, ChannelEntry]:
    """Each by its name."""
    hooks: list[Webhook] = []
    if settings.whatsapp_app_secret is not None:
        secrets = split_secrets(settings.whatsapp_app_secret)
        hooks.append(WhatsAppWebhook(secrets, settings.whatsapp_verify_token))
    if settings.gateway_secret is not None:
        hooks.append(GatewayWebhook(split_secrets(settings.gateway_secret)))
    return {hook.name: entry_of(hook) for hook in hooks}


def entry_of(hook: Webhook) -> ChannelEntry:
    """A channel whose accounts are in the directory and whose messages are the inbox's."""
    owners = partial(channel_accounts.owners, channel=hook.name)
    return ChannelEntry(hook, Filing(filing.Inbox(), filing.TOPIC, _tell), owners)


def _tell(absorbed: Absorbed[Filed]) -> None:
    for filed in absorbed.facts:
        filing.tell(filed)
