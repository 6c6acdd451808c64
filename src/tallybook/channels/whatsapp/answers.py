"""What the answers of the Cloud API mean. Pure.

An answer is judged by its error's code, never by its words: they change, and they may name people.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tallybook.channels.posting import read_as
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Unreachable
from tallybook.core.numbers import seconds_in

LONGEST_WAIT = 3600.0  # seconds
DONE, FAILED, TOO_MANY = range(200, 300), range(500, 600), 429
UNAVAILABLE = 503  # it works on nothing at that moment

# Seconds to wait, by the limit that was met. 80007, 131048 and 133016 are counted over an hour and more.
WAITS: Mapping[int, float] = {4: 300, 80007: 900, 130429: 2, 131048: 3600, 131057: 60, 133016: 3600}
PAIR_LIMIT = 131056
PAIR_WAIT = 6.0  # seconds that the limit asks between two messages to one person
NO_SUCH_NUMBER = 33
# Nobody can be written to until somebody has mended it.
OF_NUMBER: Mapping[int, str] = {
    0: "WhatsApp does not take the number's access token: give the account a new one.",
    3: "The access token may not send: give the account one that may.",
    10: "The access token may not send by this number: give the account one that may.",
    NO_SUCH_NUMBER: "WhatsApp does not know this number, or the access token may not use it.",
    190: "The number's access token has expired: give the account a new one.",
    368: "WhatsApp has blocked the business for a while, because of its rules.",
    131005: "The access token may not send by this number: give the account one that may.",
    131031: "WhatsApp has locked the business account.",
    131042: "WhatsApp cannot bill the business account: look at its way of payment.",
    131045: "The number is not registered with WhatsApp.",
    133010: "The number is not registered with WhatsApp.",
}
PERMISSIONS = range(200, 300)
REFUSALS: Mapping[int, str] = {
    100: "WhatsApp refused the message: a part of it is not as it should be.",
    130472: "WhatsApp chose not to deliver this message.",
    130497: "WhatsApp does not let this business write to people of that country.",
    131008: "WhatsApp refused the message: a part of it is missing.",
    131009: "WhatsApp refused the message: a part of it is not as it should be.",
    131021: "A number cannot write to itself.",
    131026: "WhatsApp cannot deliver to this customer: perhaps they have no WhatsApp, or an old one.",
    131047: "More than 24 hours have passed since the customer wrote: only a template can be sent.",
    131049: "WhatsApp chose not to deliver this message, so that the customer gets fewer of its kind.",
    131050: "The customer wants no more marketing messages.",
    131051: "WhatsApp does not take messages of this type.",
    131053: "WhatsApp could not take the file.",
}
TEMPLATES = range(132_000, 133_000)
OF_TEMPLATE: Mapping[int, str] = {
    132000: "The template has another number of values than it asks for: read the templates again.",
    132001: "WhatsApp has no such template in this language, or has not approved it: read the templates again.",
    132005: "The template is too long with these values.",
    132007: "WhatsApp refused the template, because of its rules.",
    132008: "A value of the template is not of the kind that it asks for.",
    132012: "A value of the template is not of the kind that it asks for.",
    132015: "WhatsApp has paused the template, since customers were not happy with it.",
    132016: "WhatsApp has stopped the template for good, since customers were not happy with it.",
    132018: "A value of the template holds what cannot be sent: lines, tabs, or too many spaces.",
    132068: "WhatsApp has blocked the form of this template.",
    132069: "WhatsApp holds back the form of this template for a while.",
}
# The provider's own trouble. Of the first two it cannot be told whether the message is the cause.
PASSING: Mapping[int, bool] = {1: False, 131000: False, 2: True, 131016: True}


class PairLimited(RateLimited):
    """One person was written to too fast; everybody else can be written to."""

    of_line = False


class OfNumber(SendError):
    """The number cannot send until somebody mends it."""

    of_line = True


class Fault(msgspec.Struct, frozen=True):
    """An error. Of an unknown number the code says only that something is wrong, and the subcode what."""

    code: int | None = None
    error_subcode: int | None = None

    @property
    def meant(self) -> int | None:
        return self.error_subcode if self.error_subcode == NO_SUCH_NUMBER else self.code


class Accepted(msgspec.Struct, frozen=True):
    id: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What the API says; it has messages, or an error, or says only that something was done."""

    messages: list[Accepted] = []
    error: Fault | None = None
    success: bool = False


def outcome_of(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """The message's id, empty where what was done has none. Raises a SendError, or OutcomeUnknown."""
    wrong = failure_of(status, headers, content)
    if wrong is not None:
        raise wrong
    answer = read_as(Answer, content)
    if answer is not None and answer.messages and answer.messages[0].id:
        return answer.messages[0].id
    if answer is not None and answer.success:
        return ""
    raise OutcomeUnknown("WhatsApp's answer says neither yes nor no.")


def failure_of(status: int, headers: Mapping[str, str], content: bytes) -> SendError | OutcomeUnknown | None:
    """What an answer says that is no yes; None for one that may be."""
    answer = read_as(Answer, content)
    code = answer.error.meant if answer and answer.error else None
    if code is not None:
        return _of_code(code, headers)
    return None if status in DONE else _of_status(status, headers)


def _of_code(code: int, headers: Mapping[str, str]) -> SendError:
    if code == PAIR_LIMIT:
        return PairLimited("WhatsApp asks us to write more slowly to this customer.", PAIR_WAIT)
    if code in WAITS:
        wait = max(WAITS[code], seconds_in(headers.get("retry-after"), LONGEST_WAIT) or 0.0)
        return RateLimited("WhatsApp asks us to wait.", wait)
    if code in PASSING:
        return Unreachable("WhatsApp is in trouble.") if PASSING[code] else SendError("WhatsApp could not send it.")
    if code in OF_NUMBER or code in PERMISSIONS:
        return OfNumber(OF_NUMBER.get(code, OF_NUMBER[10]))
    other = "template" if code in TEMPLATES else "message"
    known = OF_TEMPLATE.get(code) or REFUSALS.get(code)
    return Refused(known or f"WhatsApp refused the {other} (error {code}).")


def _of_status(status: int, headers: Mapping[str, str]) -> SendError | OutcomeUnknown:
    """What an answer without a code means: somebody in between gave it, or the API in great trouble."""
    if status == TOO_MANY:
        return RateLimited("WhatsApp asks us to wait.", seconds_in(headers.get("retry-after"), LONGEST_WAIT))
    if status in {401, 403}:
        return OfNumber(OF_NUMBER[0])
    if status == UNAVAILABLE:
        return Unreachable("WhatsApp is in trouble.")
    if status in FAILED:
        return OutcomeUnknown("WhatsApp broke down over the message and does not say whether it was sent.")
    return Refused(f"WhatsApp's API refused the message (HTTP {status}): look at TALLYBOOK_WHATSAPP_API_URL.")
