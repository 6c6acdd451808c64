"""What a customer is called, and what somebody meant who looks for one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tallybook.core import identity

# What stands where a name should: an address, or many digits, which are those of a LID or a phone.
_ADDRESS = re.compile(r"@(lid|hosted\.lid|s\.whatsapp\.net|c\.us|g\.us)$", re.IGNORECASE)
_NUMBER = re.compile(r"\+?[\d\s().\-/]{8,}")
_KEY = re.compile(r"(lead|phone|user_id|lid|chat):(\d+):(.*)", re.DOTALL)
_PHONE = re.compile(r"(tel:|whatsapp:)?[+\d\s().\-/]+(@(s\.whatsapp\.net|c\.us))?", re.IGNORECASE)
_PART = re.compile(r"\+?[\d\s().\-/]+", re.ASCII)
_NUMBERED = re.compile(r"[1-9][0-9]{0,18}")
FEW = 3  # digits; fewer are in every phone
LARGEST = 2**63


@dataclass(frozen=True)
class Names:
    """All that somebody is called: by the lead, by our people, by themselves; their phone, their user name."""

    lead: str | None = None
    given: str | None = None
    profile: str | None = None
    phone: str | None = None
    username: str | None = None


def shown(names: Names) -> str:
    """The first name that is one, else the phone; empty where nobody knows. Never a LID."""
    ours = next((name for name in (names.lead, names.given) if name and not _ADDRESS.search(name)), None)
    return ours or told(names.profile) or names.phone or names.username or ""


def told(profile: str | None) -> str | None:
    """A profile's name, unless it is an address or a number."""
    if not profile or _ADDRESS.search(profile) or _NUMBER.fullmatch(profile):
        return None
    return profile


def number(ref: str) -> int | None:
    """The number of a thread, where it is written as one; a phone may look the same, and is tried after it."""
    if not _NUMBERED.fullmatch(ref) or int(ref) >= LARGEST:
        return None
    return int(ref)


def phone(ref: str, business_id: int, region: str | None) -> str | None:
    """The phone that somebody named, in any format, in E.164; also by the key of a thread that has another key by now.

    None for what is no phone, and for the key of another business.
    """
    key = _KEY.fullmatch(ref)
    if key is not None:
        kind, business, value = key.groups()
        return value if kind == "phone" and business == str(business_id) else None
    if not _PHONE.fullmatch(ref):
        return None
    # A number that no table of numbers knows is one all the same where WhatsApp told it; it is kept with its plus.
    return identity.resolve(ref, {}, region).phone or "+" + _digits(ref)


def _digits(text: str) -> str:
    return "".join(one for one in text if one.isdecimal() and one.isascii())


def digits_of(search: str) -> str:
    """The digits of a part of a phone; empty where it is none. A local number's zeros are not in E.164."""
    digits = _digits(search) if _PART.fullmatch(search) else ""
    return (digits.lstrip("0") or digits) if len(digits) >= FEW else ""
