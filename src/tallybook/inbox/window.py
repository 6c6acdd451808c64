"""Where a number may be written to freely, and until when. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

# A customer who writes may be answered freely for so long, by the number to which they wrote. What we write opens
# nothing and lengthens nothing.
LENGTH = timedelta(hours=24)
WINDOWED = frozenset({"whatsapp"})


class Window(msgspec.Struct, frozen=True):
    """Whether a customer may be written to freely now, and ``until`` when; None where it never ends or never began."""

    open: bool
    until: datetime | None


def window_of(channel: str, last_inbound_at: datetime | None, now: datetime) -> Window:
    """The window of one customer on one number; ``last_inbound_at`` is when they last wrote to that number."""
    if channel not in WINDOWED:
        return Window(open=True, until=None)
    if last_inbound_at is None:
        return Window(open=False, until=None)
    until = last_inbound_at + LENGTH
    return Window(open=now < until, until=until)
