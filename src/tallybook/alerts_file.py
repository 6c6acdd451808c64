"""The part of the projects file that says who is told of alarms; every mistake is told with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .core.alarms import Terms
from .toml_tables import Check, Tables, yes_or_no

ALERTS, MAIL, WEBHOOK = "alerts", "alerts.mail", "alerts.webhook"
LONGEST = timedelta(days=1)
LONGEST_URL = 2000
_LABEL = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")
LONGEST_HOST = 253
_NAME = re.compile(r"[\w .-]{1,50}")


class MailEntry(msgspec.Struct, frozen=True):
    """Who is told by e-mail, and in whose name."""

    to: tuple[str, ...]
    sender: str


class WebhookEntry(msgspec.Struct, frozen=True):
    """A web address that is told. It must be a public one, unless the owner says otherwise."""

    name: str
    url: str
    allow_internal: bool = False


class AlertsEntry(msgspec.Struct, frozen=True):
    """Who is told of alarms, and how patiently. Without ``mail`` and ``webhook`` they stand on their page alone."""

    terms: Terms = Terms()
    mail: tuple[MailEntry, ...] = ()
    webhook: tuple[WebhookEntry, ...] = ()


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def address(value: Any) -> str:
    """An e-mail address that a mail server takes."""
    text = _text(value)
    try:
        parsed = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        parsed = Address()
    if not parsed.username or "." not in parsed.domain.strip(".") or not text.isascii():
        raise ValueError('must be an e-mail address, such as "ana@example.org"')
    return text


def addresses(value: Any) -> tuple[str, ...]:
    """One e-mail address or several, each once."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not found:
        raise ValueError('must be a list of e-mail addresses, such as ["ana@example.org"]')
    return tuple(dict.fromkeys(address(one) for one in found))


def _is_host(name: str) -> bool:
    if ":" in name:
        return "%" not in name
    labels = name.removesuffix(".").split(".")
    return len(name) <= LONGEST_HOST and all(_LABEL.fullmatch(label) for label in labels)


def _url(value: Any) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"https", "http"} and parts.hostname and parts.port != 0 and not parts.username
    except ValueError:
        known = False
    # What the client would refuse while it sends, when nobody is there to mend it.
    if len(text) > LONGEST_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"must be of at most {LONGEST_URL} plain ASCII characters; write a host such as xn--… for others"
        )
    if not known or not _is_host(parts.hostname or ""):
        raise ValueError('must be an address such as "https://example.org/hook", without a user')
    return text


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("must be a name of at most 50 letters and digits")
    return value


def _duration(value: Any) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST.total_seconds():
        raise ValueError("must be a number of seconds from 0 to 86400")
    return timedelta(seconds=value)


_ALERTS: Mapping[str, Check] = {
    "patience_seconds": _duration, "quiet_seconds": _duration, "mail": lambda value: value,
    "webhook": lambda value: value,
}  # fmt: skip
_MAIL: Mapping[str, Check] = {"to": addresses, "from": address}
_WEBHOOK: Mapping[str, Check] = {"name": _name, "url": _url, "allow_internal": yes_or_no}


def alerts(reader: Tables, parts: dict[str, Any]) -> AlertsEntry:
    """What the file says of alarms; its mistakes are gathered in ``reader``."""
    table = reader.table(parts, ALERTS, _ALERTS)
    mails = _tables(reader, table.get("mail", []), MAIL, _MAIL)
    hooks = _tables(reader, table.get("webhook", []), WEBHOOK, _WEBHOOK)
    _refuse(reader, hooks)
    if reader.mistakes:
        return AlertsEntry()
    return AlertsEntry(
        Terms(table.get("patience_seconds", Terms().patience), table.get("quiet_seconds", Terms().quiet)),
        tuple(MailEntry(one["to"], one["from"]) for one in mails),
        tuple(WebhookEntry(**one) for one in hooks),
    )


def _tables(reader: Tables, tables: Any, name: str, checks: Mapping[str, Check]) -> list[dict[str, Any]]:
    own = name.rpartition(".")[2]
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        reader.mistake(f"{own} must be written as [[{name}]].", (ALERTS, 0, own))
        return []
    found = []
    for number, table in enumerate(tables):
        found.append(reader.checked(table, checks, name, number))
        for key in ("to", "from") if name == MAIL else ("name", "url"):
            if key not in table:
                reader.missing(key, name, number)
    return found


def _refuse(reader: Tables, hooks: list[dict[str, Any]]) -> None:
    names: dict[str, int] = {}
    for number, hook in enumerate(hooks):
        if hook.get("url", "").startswith("http://") and not hook.get("allow_internal"):
            reader.mistake("url must begin with https://, or allow_internal be true.", (WEBHOOK, number, "url"))
        if "name" in hook and names.setdefault(hook["name"], number) != number:
            what = f'name "{hook["name"]}" is also that of the webhook in line LINE.'
            reader.mistake(what, (WEBHOOK, number, "name"), (WEBHOOK, names[hook["name"]], "name"))
