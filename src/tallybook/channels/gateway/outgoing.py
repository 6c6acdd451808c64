"""What is said to a gateway, and what its answers mean. docs/gateway.md is the same for people. Pure.

A gateway knows words, files, quotes and reactions. A question with buttons, and a template, go out as the words that
they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tallybook.core import signatures
from tallybook.core.channel import OutcomeUnknown, RateLimited, Refused, SendError, Unreachable
from tallybook.core.messages import Outgoing
from tallybook.core.numbers import seconds_in

from . import verify

LONGEST_TEXT = 4096  # characters
LONGEST_WAIT = 3600.0  # seconds
DONE, FAILED, TOO_MANY = range(200, 300), range(500, 600), 429
NOT_NOW = frozenset({423, 425, 503})
NOT_OURS = frozenset({401, 403})
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_LID = re.compile(r"[0-9]{5,20}@lid")
_PERSON = "s.whatsapp.net"
_KINDS = {"image", "video", "audio", "document", "sticker"}


class OfGateway(SendError):
    """The gateway takes nothing until somebody mends what is set."""

    of_line = True


class Answer(msgspec.Struct, frozen=True):
    """What a gateway says to a message that it took: WhatsApp's id of it, where it has one already."""

    id: str = ""


def body_of(outgoing: Outgoing) -> bytes:
    """The JSON of a message. Raises Refused for what no gateway could take."""
    to, body = _address(outgoing.to), outgoing.body
    said: dict[str, Any] = {"account": outgoing.account, "key": outgoing.dedup_key, "to": to}
    reaction: Any = body.get("reaction")
    if isinstance(reaction, dict):
        said |= {"type": "reaction", "about": reaction.get("about", ""), "emoji": reaction.get("emoji", "")}
        return msgspec.json.encode(said)
    media: Any = body.get("media")
    said |= _file(media) if isinstance(media, dict) else _text(body.get("text"))
    quote = body.get("quote")
    return msgspec.json.encode(said | ({"about": quote} if quote else {}))


def _address(to: str) -> str:
    if _PHONE.fullmatch(to):
        return f"{to.removeprefix('+')}@{_PERSON}"
    if _LID.fullmatch(to):
        return to
    raise Refused("There is nobody to send to.")


def _text(text: Any) -> dict[str, Any]:
    if not isinstance(text, str) or not text.strip():
        raise Refused("There is no text to send.")
    if len(text) > LONGEST_TEXT:
        raise Refused(f"WhatsApp takes {LONGEST_TEXT:,} characters at most.")
    return {"type": "text", "text": text}


def _file(media: dict[str, Any]) -> dict[str, Any]:
    given, link, kind = media.get("id"), media.get("link"), media.get("kind")
    if not (given or link) or kind not in _KINDS:
        raise Refused("There is no file to send.")
    told = {"id": given} if given else {"url": link}
    file = told | {name: media[name] for name in ("mime", "filename") if media.get(name)}
    return {"type": kind, "text": media.get("caption", ""), "file": file}


def headers_of(body: bytes, secret: bytes, seconds: int) -> dict[str, str]:
    """The headers of a body that leaves at this moment (seconds since 1970): signed as a gateway signs its own."""
    stamp = str(seconds)
    signed = signatures.signature(secret, verify.signed_bytes(stamp, body))
    return {"content-type": "application/json", verify.TIMESTAMP: stamp, verify.SIGNATURE: signed}


def outcome_of(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """The message's id, "" where the gateway gives none yet. Raises a SendError, or OutcomeUnknown.

    The gateway's own words are never passed on: they may name people.
    """
    if status in DONE:
        return _id(content)
    if status == TOO_MANY:
        raise RateLimited("The gateway asks us to wait.", seconds_in(headers.get("retry-after"), LONGEST_WAIT))
    if status in NOT_NOW:
        raise Unreachable("The gateway is not connected to WhatsApp.")
    if status in NOT_OURS:
        raise OfGateway("The gateway does not take our signature: look at TALLYBOOK_GATEWAY_SECRET on both sides.")
    if status in FAILED:
        raise OutcomeUnknown("The gateway broke down over the message and does not say whether it was sent.")
    raise Refused(f"The gateway refused the message (HTTP {status}).")


def _id(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=Answer).id
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeUnknown("The gateway's answer says neither yes nor no.") from error
