"""Who is told of alarms, on this machine: a mail server and a webhook that answer as they are told to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

LOCAL = "127.0.0.1"
SECRET = "a secret of the tests"


@dataclass
class MailServer:
    """A real SMTP server. ``answers`` are given in turn to RCPT, ``ends`` to DATA; ``drop`` breaks the line after DATA.

    ``held`` makes it slow: nothing is answered after DATA until it is set.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    drop: bool = False
    waiting: int = 0
    held: asyncio.Event | None = None

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(to)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.ends:
            return self.ends.pop(0)
        if self.held is not None:
            self.waiting += 1
            await self.held.wait()
        mail = BytesParser(policy=default).parsebytes(envelope.content)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        if self.drop:
            server.transport.abort()
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]


@dataclass(frozen=True)
class Certificates:
    """A certificate of ``localhost`` and who vouches for it."""

    server: ssl.SSLContext
    client: ssl.SSLContext

    @classmethod
    def made(cls) -> Certificates:
        authority = trustme.CA()
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert("localhost", LOCAL).configure_cert(server)
        authority.configure_trust(client)
        return cls(server, client)


@asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None, *, implicit: bool = False) -> AsyncIterator[MailServer]:
    """A mail server; with ``tls`` it demands STARTTLS and a login, or is encrypted from the first byte."""
    told = MailServer()
    starttls = tls if not implicit else None

    def serve() -> SMTP:
        return SMTP(
            told, hostname="mail.test", tls_context=starttls, require_starttls=starttls is not None,
            authenticator=told.authenticate if tls else None, auth_required=starttls is not None,
            auth_require_tls=not implicit,
        )  # fmt: skip

    loop = asyncio.get_running_loop()
    server = await loop.create_server(serve, LOCAL, 0, ssl=tls if implicit else None)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class WebhookServer:
    """A web server that checks the signature. ``answers`` are the next statuses; None breaks the line."""

    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    answers: list[int | None] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:]) if name}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200 and not signed(headers, body):
            status = 401
        self.heads.append(headers | {"request": lines[0]})
        if status == 200:
            self.bodies.append(json.loads(body))
        if status is not None:
            more = "".join(f"{name}: {value}\r\n" for name, value in self.more.items())
            writer.write(f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n{more}connection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


def signed(headers: dict[str, str], body: bytes) -> bool:
    """Checks the signature as docs/operations.md says."""
    given, stamp = headers["x-tallybook-signature"], headers["x-tallybook-timestamp"]
    made = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(given, f"sha256={made}")


@asynccontextmanager
async def webhook_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[WebhookServer]:
    told = WebhookServer()
    server = await asyncio.start_server(told.serve, LOCAL, 0, ssl=tls)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        await server.wait_closed()
