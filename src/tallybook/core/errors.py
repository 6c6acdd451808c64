"""What can go wrong, in the user's words. No HTTP here: web/errors.py gives each its status."""

from __future__ import annotations

from typing import Any


class TallybookError(Exception):
    """The root of every error that we raise on purpose.

    The message says what is wrong and what to do, in words that may be shown to the person who caused it.
    ``code`` is stable and public; ``details`` is public too and holds no secret.
    """

    code = "ERROR"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class Invalid(TallybookError):
    """The input cannot be used as it is."""

    code = "VALIDATION_ERROR"


class NotFound(TallybookError):
    """There is no such thing within the caller's business."""

    code = "NOT_FOUND"


class NotAllowed(TallybookError):
    """The caller is known and may not do this."""

    code = "FORBIDDEN"


class NotSignedIn(TallybookError):
    """The caller is not known."""

    code = "UNAUTHORIZED"


class Conflict(TallybookError):
    """Somebody else got there first, or the thing changed since it was read."""

    code = "CONFLICT"


class TooMany(TallybookError):
    """A limit on tries was reached. ``retry_after`` is in seconds."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after = retry_after


class TooLarge(TallybookError):
    """The input is over its size limit."""

    code = "TOO_LARGE"


class Unavailable(TallybookError):
    """Something that we stand on is away; the sender is asked to try again."""

    code = "UNAVAILABLE"


class TimedOut(TallybookError):
    """Somebody else did not answer in time; what was asked for may still be done."""

    code = "TIMED_OUT"


class WrongSetup(TallybookError):
    """A setting, a file or a database is not what the product needs; nothing was started."""

    code = "WRONG_SETUP"


class WrongSettings(WrongSetup):
    """A setting itself cannot be read as it was given."""


class SourceUnreadable(TallybookError):
    """A source of messages (a bridge's file) cannot be read now. The reader keeps trying; nothing else stops."""

    code = "SOURCE_UNREADABLE"
