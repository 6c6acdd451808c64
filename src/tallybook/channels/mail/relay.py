"""The mail server that takes our mail, and how it is spoken to: encrypted, unless the owner says otherwise. Pure."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

Security = Literal["tls", "starttls", "plain"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtps": ("tls", 465), "smtp": ("starttls", 587), "smtp+plain": ("plain", 25),
}  # fmt: skip


class Relay(msgspec.Struct, frozen=True):
    """A mail server. ``starttls`` is demanded, not merely tried; ``plain`` is for one on this machine."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Relay({self.host}:{self.port})"


def relay_of(url: str) -> Relay:
    """The server that an address such as ``smtp://user:password@mail.example.org:587`` names.

    ``smtps`` is encrypted from the first byte, ``smtp`` by STARTTLS, ``smtp+plain`` not at all. Raises ValueError,
    whose text holds nothing of the address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be an address such as smtp://user:password@mail.example.org:587, or smtps://…:465")
    security, usual = _SCHEMES[parts.scheme]
    if security == "plain" and parts.username:
        raise ValueError("would send the password unencrypted: use smtp:// or smtps://")
    if (parts.username is None) != (parts.password is None):
        raise ValueError("needs both a user and a password, or neither")
    user = unquote(parts.username) if parts.username else None
    return Relay(parts.hostname, port or usual, security, user, unquote(parts.password) if parts.password else None)
