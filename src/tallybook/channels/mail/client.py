"""Sends e-mail by SMTP, and knows at every step whether anything can have been sent."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import localtime

import aiosmtplib
import msgspec

from tallybook.core.channel import OutcomeUnknown, Refused, SendError, Settlement, Unreachable
from tallybook.core.messages import Outgoing

from .relay import Relay

NAME = "mail"
SECONDS = 15.0
PERMANENT = 500


class Body(msgspec.Struct, frozen=True):
    """What an outgoing e-mail holds. ``picture`` is a PNG in base64, sent along under its name."""

    subject: str
    text: str
    picture: str = ""
    picture_name: str = "picture.png"


@dataclass
class Mail:
    """E-mail as a channel. ``relay`` gives the server and the sender's address for a recipient, as they are set now."""

    relay: Callable[[str], tuple[Relay, str]]
    tls: ssl.SSLContext | None = None
    seconds: float = SECONDS
    name: str = NAME
    # No mail server can be asked whether it had taken a message before the line broke.
    settlement: Settlement = Settlement.NEVER

    async def send(self, outgoing: Outgoing) -> str:
        """Sends to one address; returns the Message-ID. Raises Refused, Unreachable, SendError, OutcomeUnknown."""
        relay, sender = self.relay(outgoing.to)
        mail = message(outgoing, sender)
        async with self._connected(relay) as server:
            await _envelope(server, sender, outgoing.to)
            await _content(server, mail.as_bytes(policy=WIRE))
        return str(mail["Message-ID"])

    @asynccontextmanager
    async def _connected(self, relay: Relay) -> AsyncIterator[aiosmtplib.SMTP]:
        server = aiosmtplib.SMTP(
            hostname=relay.host, port=relay.port, timeout=self.seconds, tls_context=self.tls, username=relay.user,
            password=relay.password, use_tls=relay.security == "tls", start_tls=relay.security == "starttls",
        )  # fmt: skip
        try:
            await server.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            # Not for ever: a person mends the setting, and then it goes.
            raise SendError("the mail server did not take the name and password") from error
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError) as error:
            raise Unreachable(f"the mail server cannot be reached ({type(error).__name__})") from error
        try:
            yield server
            with suppress(aiosmtplib.SMTPException, OSError):
                await server.quit(timeout=2)
        finally:
            server.close()


async def _envelope(server: aiosmtplib.SMTP, sender: str, to: str) -> None:
    """Up to here nothing is sent, whatever happens."""
    try:
        await server.mail(sender)
        await server.rcpt(to)
    except aiosmtplib.SMTPResponseException as error:
        raise _no(error.code) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise Unreachable(f"the mail server broke off ({type(error).__name__})") from error


async def _content(server: aiosmtplib.SMTP, content: bytes) -> None:
    try:
        await server.data(content)
    except aiosmtplib.SMTPResponseException as error:
        if error.code < 0:  # the library's own, for an answer that is none
            raise OutcomeUnknown("the mail server's answer was no answer") from error
        raise _no(error.code) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise OutcomeUnknown(f"the line to the mail server broke ({type(error).__name__})") from error


def _no(code: int) -> SendError:
    """A mail server's no: one of 500 and above is final. Its text is not kept, since it may quote the address."""
    if code >= PERMANENT:
        return Refused(f"the mail server refused it ({code})")
    return SendError(f"the mail server asked to try again later ({code})")


def message(outgoing: Outgoing, sender: str) -> EmailMessage:
    """The e-mail, dated now. Its id follows from the key, so that a repeat is known as one. Raises Refused."""
    body = msgspec.convert(outgoing.body, Body)
    mail = EmailMessage()
    try:
        mail["From"], mail["To"] = Address(addr_spec=sender), Address(addr_spec=outgoing.to)
        mail["Subject"] = " ".join(body.subject.split())
    except (ValueError, IndexError, MessageError) as error:
        raise Refused("an address of the e-mail is not one") from error
    mail["Date"] = localtime()
    mail["Message-ID"] = f"<{hashlib.sha256(outgoing.dedup_key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body.text)
    if body.picture:
        picture = base64.b64decode(body.picture)
        mail.add_attachment(picture, maintype="image", subtype="png", filename=body.picture_name)
    return mail
