"""Passwords: argon2id, hashed beside the event loop and at most two at once, since each hash takes 64 MiB."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import argon2
from argon2 import profiles
from argon2.exceptions import InvalidHashError, VerificationError

from .errors import Invalid

T = TypeVar("T")

SHORTEST, LONGEST = 10, 256
TOO_FEW = 3  # different letters, as in "aaaabbbbcc"
HASHES_AT_ONCE = 2
_threads = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="password")


class Passwords:
    """Hashes and verifies. ``parameters`` are RFC 9106's low-memory profile unless a test asks for less."""

    def __init__(self, parameters: argon2.Parameters = profiles.RFC_9106_LOW_MEMORY) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(parameters)
        # What an unknown login name is verified against, so that it takes as long as a known one.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        return await _aside(self._hasher.hash, _normal(password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is that of the hash. The same work is done when there is no hash."""
        right = await _aside(self._verify, password, hashed or self._nobody)
        return right and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, _normal(password))
        except (VerificationError, InvalidHashError):
            return False


async def _aside(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, work, *arguments)


def _normal(password: str) -> bytes:
    """One spelling of the same letters, whatever the keyboard; never so long that hashing it is an attack."""
    return unicodedata.normalize("NFKC", password[: LONGEST * 2]).encode("utf-8", "surrogatepass")


def check_new(password: str, login: str) -> None:
    """Raises Invalid, saying why, when somebody may not take this password."""
    if len(password) < SHORTEST:
        raise Invalid("A password needs at least 10 characters.", field="password")
    if len(password) > LONGEST:
        raise Invalid("A password has at most 256 characters.", field="password")
    same = password.casefold().replace(login.casefold(), "")
    if len(same) < SHORTEST // 2 or len(set(password)) <= TOO_FEW:
        raise Invalid("This password is too easy to guess: take one that nobody would try.", field="password")


def one_time() -> str:
    """A password to be handed over once and changed at the first login: 100 bits, in groups that can be read out."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))
