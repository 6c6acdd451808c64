"""The shape of JSON answers, and who gets JSON at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec
from litestar.connection import ASGIConnection

T = TypeVar("T")


class Meta(msgspec.Struct, frozen=True):
    timestamp: datetime


class Ok(msgspec.Struct, Generic[T], frozen=True):
    """A successful answer of the API."""

    data: T
    meta: Meta
    success: Literal[True] = True


class Fault(msgspec.Struct, frozen=True):
    """What went wrong: a stable code, a sentence for people, and facts that a program may use."""

    code: str
    message: str
    details: dict[str, Any] = {}


class NotOk(msgspec.Struct, frozen=True):
    """An unsuccessful answer of the API."""

    error: Fault
    success: Literal[False] = False


def ok(data: T) -> Ok[T]:
    """Wraps what a handler of the API returns."""
    return Ok(data, Meta(datetime.now(UTC)))


def wants_json(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the asker is a program: below /api, with a token, or without a wish for HTML."""
    if connection.scope["path"].startswith("/api/") or "authorization" in connection.headers:
        return True
    accepted = connection.headers.get("accept", "")
    return "text/html" not in accepted and "hx-request" not in connection.headers


def is_partial(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether htmx asks for a part of a page."""
    return "hx-request" in connection.headers
