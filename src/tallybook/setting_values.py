"""How the text of a setting is read: each function gives the value, or raises ValueError saying what it must be."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .channels.mail.relay import relay_of
from .core.environment_names import is_plain, is_reserved
from .core.numbers import number_in

KEY_LENGTH = 32

Parse = Callable[[str, Path], Any]


def text(value: str, _: Path) -> str:
    return value


def path(value: str, cwd: Path) -> Path:
    return cwd / Path(value).expanduser()


def paths(value: str, cwd: Path) -> tuple[Path, ...]:
    return tuple(path(one.strip(), cwd) for one in value.split(",") if one.strip())


def environment(value: str, _: Path) -> str:
    if not is_plain(value):
        raise ValueError("must be a short name in small letters, such as prod or dev")
    if is_reserved(value):
        raise ValueError("must be another name: the database uses this one for other things")
    return value


def number(least: int, most: int) -> Parse:
    def parse(value: str, _: Path) -> int:
        found = number_in(value)
        if found is None or not least <= found <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return found

    return parse


def one_of(*choices: str) -> Parse:
    def parse(value: str, _: Path) -> str:
        if value.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value.lower()

    return parse


def database_url(value: str, _: Path) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return value


def address(value: str, _: Path) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        # Its text would hold the value.
        raise ValueError("is not an address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
        raise ValueError("must be an address such as https://example.org/path, without a user or a query")
    return value.rstrip("/")


def networks(value: str, _: Path) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in value.split(",") if one.strip())
    except ValueError:
        raise ValueError("must be networks between commas, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8") from None


def secret_key(value: str, _: Path) -> str:
    if any(len(one.strip()) < KEY_LENGTH for one in value.split(",")):
        raise ValueError(f"must be {KEY_LENGTH} characters or more (several, the newest first, between commas)")
    return value


def smtp_url(value: str, _: Path) -> str:
    relay_of(value)
    return value
