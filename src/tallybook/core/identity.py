"""Who is it? The one place where a phone, a JID or a LID in any spelling becomes an Identity. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import phonenumbers

from .messages import Identity

# WhatsApp spells one account as user, user.agent and user.agent:device; only the user part says who it is.
_DEVICE = re.compile(r"^([0-9]+)(?:\.[0-9]+)?(?::[0-9]+)?$")
_DIGITS = re.compile(r"[0-9]+")
_SCHEMES = ("tel:", "whatsapp:")
_PHONE_SERVERS = frozenset({"s.whatsapp.net", "c.us", "hosted"})
_LID_SERVERS = frozenset({"lid", "hosted.lid"})


def resolve(raw: str, lids: Mapping[str, str], region: str | None = None) -> Identity:
    """Decide who ``raw`` is.

    ``raw`` is a phone in any format, a JID (``…@s.whatsapp.net``, with or without ``:device``), a LID (``…@lid``) or
    bare digits. ``lids`` maps a LID's digits to a phone's digits, as ``whatsmeow_lid_map`` does. Bare digits are always
    looked up there first, since nothing in them tells a LID from a phone. ``region`` (``"ZA"``) gives local spellings
    such as ``082 000 0001`` their country; without it they stay unresolved.

    Never raises. What cannot be resolved has no phone: bare digits are then kept as ``digits@lid``.
    """
    address = _without_scheme(raw.strip())
    user, at, server = address.partition("@")
    device = _DEVICE.match(user)
    if at:
        return _from_jid(raw, device.group(1) if device else "", server.lower(), lids)
    if device:
        return _from_digits(raw, device.group(1), lids, region)
    return Identity(raw=raw, phone=e164(address, region))


def vouched(wa_id: str | None, user_id: str | None = None) -> Identity:
    """Decide who somebody is whom WhatsApp's own API names by a phone's digits, by an opaque user id, or by both.

    WhatsApp vouches for the phone and gives it without a trunk prefix, so its digits are its only spelling; to prove it
    again would take a tenth of a millisecond for everybody who writes. Either may be missing or empty. Never raises.
    """
    digits = _DIGITS.fullmatch((wa_id or "").strip().removeprefix("+"))
    if digits is None:
        return Identity(raw=user_id or wa_id or "")
    return Identity(raw=digits.group(), phone=f"+{digits.group()}")


@lru_cache(maxsize=65_536)
def e164(text: str, region: str | None = None) -> str | None:
    """Return ``text`` as ``+`` and digits, or None where it is no valid number; ``region`` is for local spellings."""
    spelled = "+" + text[2:] if text.startswith("00") else text
    try:
        number = phonenumbers.parse(spelled, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _without_scheme(address: str) -> str:
    for scheme in _SCHEMES:
        if address[: len(scheme)].lower() == scheme:
            return address[len(scheme) :].strip()
    return address


def _from_jid(raw: str, digits: str, server: str, lids: Mapping[str, str]) -> Identity:
    if not digits:
        return Identity(raw=raw)
    if server in _LID_SERVERS:
        return Identity(raw=raw, phone=_mapped(digits, lids), lid=f"{digits}@lid")
    if server not in _PHONE_SERVERS:
        return Identity(raw=raw)
    if phone := e164(f"+{digits}"):
        return Identity(raw=raw, phone=phone)
    # Some bridges glue the phone server onto a LID's digits. The map knows; a guess would make a phone of a LID.
    return _from_digits(raw, digits, lids, None)


def _from_digits(raw: str, digits: str, lids: Mapping[str, str], region: str | None) -> Identity:
    lid = f"{digits}@lid"
    if phone := _mapped(digits, lids):
        return Identity(raw=raw, phone=phone, lid=lid)
    if phone := e164(f"+{digits}") or e164(digits, region):
        return Identity(raw=raw, phone=phone)
    if digits in lids.values():
        return Identity(raw=raw, phone=f"+{digits}")
    return Identity(raw=raw, lid=lid)


def _mapped(digits: str, lids: Mapping[str, str]) -> str | None:
    """Give the phone that the map holds for a LID. WhatsApp itself vouches for it, so it is not checked further."""
    phone = _DIGITS.match(lids.get(digits, ""))
    return f"+{phone.group()}" if phone else None
