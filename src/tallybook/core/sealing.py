"""Secrets of businesses, encrypted with the settings' keys: sealed with the newest, opened with any of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .errors import WrongSetup


class Seal:
    """Seals and opens with ``keys`` of 32 bytes each, the newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])

    def seal(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """The secret. Raises WrongSetup where none of the keys opens it."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise WrongSetup(UNOPENED) from None

    def again(self, sealed: bytes) -> bytes:
        """The same secret under the newest key. Raises WrongSetup where none of the keys opens it."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise WrongSetup(UNOPENED) from None


UNOPENED = (
    "A stored access token cannot be opened: the key with which it was sealed is not in TALLYBOOK_SECRET_KEY. "
    "Put that key behind the newest one, or give the token again."
)
