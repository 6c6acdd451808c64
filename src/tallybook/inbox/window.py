"""Where a number may be written to freely, and until when. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

# A customer who writes may be answered freely for so long, by the number to which they wrote. What we write opens
# nothing and lengthens nothing.
LENGTH = timedelta(hours=24)
# Who comes by an advertisement and is answered within that time may be answered freely for longer, from the answer on.
ENTRY = timedelta(hours=72)
WINDOWED = frozenset({"whatsapp"})


class Window(msgspec.Struct, frozen=True):
    """Whether a customer may be written to freely now, and ``until`` when; None where it never ends or never began."""

    open: bool
    until: datetime | None


class Times(msgspec.Struct, frozen=True):
    """What a window is reckoned from, of one customer and one number.

    ``inbound_at`` is when they last wrote to it, ``referred_at`` when they last came to it by an advertisement, and
    ``answered_at`` when the first answer after that was sent.
    """

    inbound_at: datetime | None = None
    referred_at: datetime | None = None
    answered_at: datetime | None = None


def window_of(channel: str, times: Times, now: datetime) -> Window:
    """The window of one customer on one number."""
    if channel not in WINDOWED:
        return Window(open=True, until=None)
    ends = [one for one in (_usual(times), _entry(times)) if one is not None]
    if not ends:
        return Window(open=False, until=None)
    until = max(ends)
    return Window(open=now < until, until=until)


def _usual(times: Times) -> datetime | None:
    return times.inbound_at + LENGTH if times.inbound_at is not None else None


def _entry(times: Times) -> datetime | None:
    """The end of what an advertisement opens; None where nobody came by one, or nobody answered in time."""
    if times.referred_at is None or times.answered_at is None:
        return None
    in_time = times.referred_at <= times.answered_at < times.referred_at + LENGTH
    return times.answered_at + ENTRY if in_time else None
