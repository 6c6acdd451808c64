"""That somebody writes to a customer is shown past the outbox: it is of use for seconds, and nobody waits for it."""

from __future__ import annotations

import structlog

from .app import App
from .channels.whatsapp.sender import WhatsAppSender
from .core.channel import OutcomeUnknown, SendError
from .core.environment_names import PROD
from .inbox.service.receipts import Typing

log = structlog.get_logger()


async def show(app: App, shown: Typing) -> None:
    """Has WhatsApp show it; in production alone, which sends. Raises nothing: whoever writes is not held up by it."""
    sender = app.senders.get(WhatsAppSender.name)
    if app.settings.env != PROD or not isinstance(sender, WhatsAppSender):
        return
    try:
        await sender.show_typing(shown.account, shown.external_id)
    except (SendError, OutcomeUnknown) as error:
        log.info("A customer could not be shown that somebody writes", error=type(error).__name__)
