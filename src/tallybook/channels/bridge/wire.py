"""What is said to a bridge's API, and what its answers mean. Pure.

Two addresses take messages. The bridge's own, ``POST …/send`` with ``recipient`` and ``message``, knows no mentions. A
sender's, ``POST …/send-message`` with ``group_jid``, ``recipient_jid`` and ``message``, mentions somebody, and itself
puts ``@<number> `` before the text. Other spellings of these keys are ignored by them without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from tallybook.channels.posting import read_as
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.numbers import seconds_in

_GROUP = re.compile(r"[0-9-]{5,40}@g\.us")
_PHONE = re.compile(r"[1-9][0-9]{6,14}@s\.whatsapp\.net")
# The message was written to WhatsApp's socket, or may have been, and no answer came.
_LATE = re.compile(r"tim(?:ed?|e) ?out|deadline|before message send returned|cance(?:l|ll)ed", re.IGNORECASE)
_NOT_CONNECTED = re.compile(r"not connected|not logged in|before info query", re.IGNORECASE)
_SERVER_SAYS = re.compile(r"server returned error ([0-9]{3})\b", re.IGNORECASE)
LONGEST_WAIT = 3600.0  # seconds
DONE, REFUSED, FAILED, TOO_MANY = range(200, 300), range(400, 500), range(500, 600), 429
# The gateway before the bridge had no answer from it, which says nothing of what the bridge did.
GATEWAY = frozenset({502, 504})
NOT_NOW = frozenset({423, 425, 503})
REFUSALS = {
    400: "The bridge refused the message: it takes neither this group nor this person.",
    401: "The bridge wants another token: set TALLYBOOK_BRIDGE_TOKEN.",
    403: "The bridge does not let us send: look at TALLYBOOK_BRIDGE_TOKEN.",
    404: "There is no bridge at the address that is set: look at the setting of its address.",
    405: "The address that is set takes no messages: look at the setting of the bridge's address.",
}


class Request(msgspec.Struct, frozen=True):
    """What to post: by the sender, which mentions, or by the bridge; and the body with its exact keys."""

    mentions: bool
    body: dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """What a bridge says. Fields that are not there keep a bridge's silence apart from its no."""

    success: bool | None = None
    message: str = ""
    message_id: str = ""


def request_of(outgoing: Outgoing, *, mentioning: bool) -> Request:
    """The request for a message whose body has ``text`` and perhaps ``mention``, a phone's JID.

    ``mentioning``: there is a sender that can mention. Without one, and where nobody is to be mentioned, the bridge
    takes the bare text. Raises Refused for what no bridge could take.
    """
    text, mention = outgoing.body.get("text"), outgoing.body.get("mention")
    if not isinstance(text, str) or not text.strip():
        raise Refused("There is no text to send.")
    if not _GROUP.fullmatch(outgoing.to):
        raise Refused("This is not the address of a WhatsApp group.")
    if mentioning and isinstance(mention, str) and _PHONE.fullmatch(mention):
        return Request(mentions=True, body={"group_jid": outgoing.to, "recipient_jid": mention, "message": text})
    return Request(mentions=False, body={"recipient": outgoing.to, "message": text})


def outcome_of(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """The message's id, "" where the bridge gives none. Raises a SendError, or OutcomeUnknown where a yes is possible.

    The bridge's own words are never passed on: they may name people.
    """
    answer = read_as(Answer, content)
    if status in DONE and answer is not None and answer.success:
        return answer.message_id
    if status in DONE and (answer is None or answer.success is None):
        raise OutcomeUnknown("The bridge's answer says neither yes nor no.")
    raise _no(status, headers, answer.message if answer else "")


def _no(status: int, headers: Mapping[str, str], says: str) -> SendError | OutcomeUnknown:
    if status == TOO_MANY:
        return RateLimited("The bridge asks us to wait.", seconds_in(headers.get("retry-after"), LONGEST_WAIT))
    if status in GATEWAY or _LATE.search(says):
        return OutcomeUnknown("The bridge had no answer from WhatsApp in time.")
    if _NOT_CONNECTED.search(says) or status in NOT_NOW:
        return Unreachable("The bridge is not connected to WhatsApp.")
    by_server = _SERVER_SAYS.search(says)
    if by_server:
        return _no_of_whatsapp(int(by_server[1]))
    if status in FAILED or status in DONE:
        return SendError("The bridge could not send the message.")
    return Refused(REFUSALS.get(status, f"The bridge refused the message (HTTP {status})."))


def _no_of_whatsapp(code: int) -> SendError:
    """WhatsApp's own no, which the bridge hands on: what it refuses, it would refuse again."""
    if code == TOO_MANY:
        return RateLimited("WhatsApp asks us to wait.")
    if code in REFUSED:
        return Refused(f"WhatsApp refused the message (error {code}): look whether this number may write in the group.")
    return SendError(f"WhatsApp could not take the message (error {code}).")
