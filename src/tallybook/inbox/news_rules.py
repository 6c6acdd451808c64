"""What channels tell besides messages: which of it nothing else reads, and what of it wants a person. Pure.

Of what stands in such news only the provider's own fixed words are shown: no name, number or sentence of anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from tallybook.core.messages import Stored

from .rules import REPORT, REPORTED, SAID

CHANNELS = ("whatsapp", "gateway")
# The kinds on which the inbox acts. Whatever is none of them is news: a kind that nobody thought of is seen, not lost.
HANDLED = (
    SAID | {"reaction", "edit", "revoke", "identity", "preference"} | {f"{REPORT}{one}" for one in sorted(REPORTED)}
)
UNREADABLE, CONNECTION, ERROR = "unreadable", "connection", "error"
UPDATE, ALERT, REVIEW, QUALITY, NAME, PIN = (
    f"account:{field}"
    for field in (
        "account_update", "account_alerts", "account_review_update", "phone_number_quality_update",
        "phone_number_name_update", "security",
    )
)  # fmt: skip
# A gateway's connection is no news at which somebody looks: it is wrong until it is back, see core/arrivals.py.
WEIGHED = (UPDATE, ALERT, REVIEW, QUALITY, NAME, PIN, ERROR)
WANTED = (*WEIGHED, UNREADABLE)  # the kinds at which a person looks

State = Literal["ok", "late", "wrong"]
DISABLED = "WhatsApp has disabled this account."
WILL_BE_DISABLED = "WhatsApp will disable this account."
RESTRICTED = "WhatsApp restricts what this account may send."
VIOLATION = "WhatsApp says that this account broke its rules."
DELETED = "This account was deleted at WhatsApp."
REMOVED = "This account was taken away from our app at WhatsApp."
REFUSED = "WhatsApp has refused this account."
WARNED = "WhatsApp warns of this account."
FLAGGED = "WhatsApp finds the quality of a number low."
DOWNGRADED = "WhatsApp lets a number write to fewer people than before."
NAME_REFUSED = "WhatsApp has refused the name of a number."
PIN_ASKED = "Somebody changed the PIN of a number at WhatsApp, or asked to."
TOLD_ERROR = "WhatsApp tells of an error that is about no message."

# Where the provider's fixed words stand; what stands there and is no such word is not shown.
PLACES = (
    ("event",), ("decision",), ("ban_info", "waba_ban_state"), ("violation_info", "violation_type"),
    ("restriction_info", "restriction_type"), ("alert_info", "alert_severity"), ("alert_severity",),
    ("alert_info", "alert_status"), ("alert_status",), ("alert_info", "alert_type"), ("alert_type",),
    ("current_limit",), ("code",),
)  # fmt: skip
FIXED = re.compile(r"[A-Z][A-Z0-9_]{1,60}|[0-9]{1,7}")
CONNECTIONS = frozenset({"open", "closed", "logged_out"})


class News(msgspec.Struct, frozen=True):
    """One thing that was told. ``at`` is when, by the provider's clock where it told one; ``told`` is its JSON."""

    id: int
    channel: str
    account: str
    kind: str
    at: datetime
    seen_at: datetime
    type: str = ""
    told: str | None = None


class Weighed(msgspec.Struct, frozen=True):
    """How grave something is. Of one ``subject`` of an account the newest holds, so that what is over is over."""

    subject: str
    state: State
    says: str = ""


class Standing(msgspec.Struct, frozen=True):
    """What holds of an account now: the gravest, and since when."""

    channel: str
    account: str
    state: State
    says: str
    since: datetime


def words_of(news: News) -> list[str]:
    """The provider's own fixed words in it, such as DISABLED_UPDATE and DISABLE."""
    if news.kind == CONNECTION:
        return [news.type] if news.type in CONNECTIONS else []
    told = _read(news.told)
    found = [_word(told, place) for place in PLACES]
    return list(dict.fromkeys(one for one in found if one))


def weighed(news: News) -> Weighed | None:
    """What it means for the account that it is about; None where it asks nothing of anybody."""
    told = _read(news.told)
    event, number = _word(told, ("event",)), _text(told.get("display_phone_number"))
    if news.kind == UPDATE:
        return _update(event, _word(told, ("ban_info", "waba_ban_state")))
    if news.kind == ALERT:
        return _alert(told)
    if news.kind == CONNECTION:
        return LINKS.get(news.type)
    if news.kind == QUALITY:
        return _of(QUALITIES.get(event), number)
    return _of(ALWAYS.get(news.kind) or DECISIONS.get((news.kind, _word(told, ("decision",)))), number)


def standing(some: Iterable[News]) -> list[Standing]:
    """What holds of each account by all that was told of it, in the accounts' order, those in order left out."""
    newest: dict[tuple[str, str, str], tuple[News, Weighed]] = {}
    for news in sorted(some, key=lambda one: (one.at, one.id)):
        weight = weighed(news)
        if weight is not None:
            newest[news.channel, news.account, weight.subject] = (news, weight)
    found: dict[tuple[str, str], Standing] = {}
    for (channel, account, _), (news, weight) in newest.items():
        before = found.get((channel, account))
        if weight.state != "ok" and (before is None or _graver(weight, before)):
            found[channel, account] = Standing(channel, account, weight.state, weight.says, news.at)
    return [found[key] for key in sorted(found)]


def counted(stored: Iterable[Stored]) -> dict[tuple[str, str], int]:
    """How many are news, by channel and kind; what nobody knows yet under one name, since there is no end to it."""
    found: dict[tuple[str, str], int] = {}
    for one in stored:
        kind = one.incoming.kind
        if one.fresh and kind not in HANDLED:
            key = (one.incoming.channel, kind if kind.startswith("account:") else kind.partition(":")[0])
            found[key] = found.get(key, 0) + 1
    return found


def _graver(weight: Weighed, before: Standing) -> bool:
    return weight.state == "wrong" and before.state != "wrong"


BAN = "ban"
BANS: dict[str, Weighed] = {
    "REINSTATE": Weighed(BAN, "ok"),
    "SCHEDULE_FOR_DISABLE": Weighed(BAN, "wrong", WILL_BE_DISABLED),
}
UPDATES: dict[str, Weighed] = {
    "ACCOUNT_RESTRICTION": Weighed("restriction", "wrong", RESTRICTED),
    "ACCOUNT_VIOLATION": Weighed("violation", "late", VIOLATION),
    "ACCOUNT_DELETED": Weighed("deleted", "wrong", DELETED),
    "PARTNER_REMOVED": Weighed("partner", "wrong", REMOVED),
    "PARTNER_APP_UNINSTALLED": Weighed("partner", "wrong", REMOVED),
    "PARTNER_ADDED": Weighed("partner", "ok"),
    "PARTNER_APP_INSTALLED": Weighed("partner", "ok"),
}
QUALITIES: dict[str, Weighed] = {
    "FLAGGED": Weighed("quality", "late", FLAGGED),
    "UNFLAGGED": Weighed("quality", "ok"),
    "DOWNGRADE": Weighed("limit", "late", DOWNGRADED),
    "UPGRADE": Weighed("limit", "ok"),
}
DECISIONS: dict[tuple[str, str], Weighed] = {
    (REVIEW, "REJECTED"): Weighed("review", "wrong", REFUSED),
    (REVIEW, "APPROVED"): Weighed("review", "ok"),
    (NAME, "REJECTED"): Weighed("name", "late", NAME_REFUSED),
    (NAME, "APPROVED"): Weighed("name", "ok"),
}
ALWAYS: dict[str, Weighed] = {PIN: Weighed("pin", "late", PIN_ASKED), ERROR: Weighed("error", "late", TOLD_ERROR)}
LINKS: dict[str, Weighed] = {
    "open": Weighed("link", "ok"),
    "closed": Weighed("link", "late"),
    "logged_out": Weighed("link", "wrong"),
}
SEVERITIES: dict[str, State] = {"CRITICAL": "wrong", "WARNING": "late"}


def _update(event: str, ban: str) -> Weighed | None:
    if event == "DISABLED_UPDATE" or ban:
        return BANS.get(ban, Weighed(BAN, "wrong", DISABLED))
    return UPDATES.get(event)


def _alert(told: dict[str, Any]) -> Weighed | None:
    info = told.get("alert_info")
    told = info if isinstance(info, dict) else told
    subject = f"alert {_word(told, ('alert_type',))}"
    if _word(told, ("alert_status",)) in {"NONE", "RESOLVED"}:
        return Weighed(subject, "ok")
    state = SEVERITIES.get(_word(told, ("alert_severity",)))
    return Weighed(subject, state, WARNED) if state else None


def _of(weight: Weighed | None, number: str) -> Weighed | None:
    """Of one account's numbers each is a subject of its own."""
    return msgspec.structs.replace(weight, subject=f"{weight.subject} {number}") if weight else None


def _read(told: str | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(told) if told else {}
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _word(told: Any, place: Sequence[str]) -> str:
    """What stands there, where it is one of the provider's fixed words; of a list its first."""
    for name in place:
        told = told[0] if isinstance(told, list) and told else told
        told = told.get(name) if isinstance(told, dict) else None
    told = told[0] if isinstance(told, list) and told else told
    text = _text(told)
    return text if FIXED.fullmatch(text) else ""


def _text(told: Any) -> str:
    return str(told) if isinstance(told, str | int) and not isinstance(told, bool) else ""
