"""Alarms, for people: what is wrong now, what was, who was told of it, and a button that tries it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.alerting import Alerting
from tallybook.app import App
from tallybook.core import alarm_store, health_words
from tallybook.core.alarm_letters import CHANNELS, MAIL, WEBHOOK, prefix, test_prefix
from tallybook.core.alarm_store import Episode, Told
from tallybook.core.alarms import Alarm
from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotAllowed

from . import i18n, pages, phrases
from .needs import Asked, TheApp
from .times import Clock

PAGE_SIZE = 50
N_ = phrases.N_
CHANNEL_NAMES = {MAIL: N_("E-mail"), WEBHOOK: N_("Webhook")}
STATE_NAMES = {
    "waiting": N_("Waiting"), "sending": N_("Being sent"), "sent": N_("Sent"), "delivered": N_("Sent"),
    "read": N_("Sent"), "captured": N_("Kept, not sent"), "unknown": N_("Sent or not?"), "parked": N_("Not sent"),
}  # fmt: skip
ICONS = {"sent": "ok", "delivered": "ok", "read": "ok", "parked": "wrong", "unknown": "late"}


class Line(msgspec.Struct, frozen=True):
    """An alarm, or an end of one, as the page shows it."""

    name: str
    says: str
    begun_at: datetime
    ended_at: datetime | None
    is_told: bool
    told: list[Told]


def lines(alarms: list[Alarm], told: list[Told], clock: Clock) -> list[Line]:
    """What is wrong now, what people were told of first."""
    open_ones = [alarm for alarm in alarms if alarm.seen_at is not None]
    shown = [
        Line(
            health_words.name_of(alarm.name, clock.words),
            health_words.told(alarm.says, clock.words),
            alarm.seen_at or clock.now,
            alarm.well_since,
            alarm.state == "told",
            _of(told, alarm.name, alarm.number) if alarm.state == "told" else [],
        )
        for alarm in open_ones
    ]
    return sorted(shown, key=lambda line: (not line.is_told, line.begun_at))


def past(episodes: list[Episode], told: list[Told], clock: Clock) -> list[Line]:
    """What was, the newest first."""
    return [
        Line(
            health_words.name_of(one.name, clock.words),
            health_words.told(one.says, clock.words),
            one.begun_at,
            one.ended_at,
            is_told=True,
            told=_of(told, one.name, one.number),
        )
        for one in episodes
    ]


def _of(told: list[Told], name: str, number: int) -> list[Told]:
    """Each recipient once, with what became of the last message."""
    last = {(one.channel, one.recipient): one for one in told if one.dedup_key.startswith(prefix(name, number))}
    return list(last.values())


@get("/alarms", include_in_schema=False)
async def alarms_page(request: Asked, app: TheApp) -> Response[str]:
    """What is wrong now, then what was; a page of the past begins below a moment."""
    require(request.user, Right.SEE)
    lang = pages.language_of(request)
    clock = Clock(datetime.now(UTC), request.user.business, lang, i18n.words(lang))
    asked = request.query_params
    below, test = _place(asked.get("below"), asked.get("name")), _number(asked.get("test"))
    alerting = Alerting(app)
    alerting.current()
    async with app.db.transaction() as conn:
        is_owner = await alerting.is_owner(conn, clock.business.id)
        context = await _context(conn, clock, below, test)
    if not is_owner:
        _hide_addresses(context)
    context |= {
        "clock": clock, "may_test": may(request.user, Right.ADMINISTER), "is_owner": is_owner,
        "targets": alerting.targets() if is_owner else [], "missing": _missing(app, alerting) if is_owner else [],
        "channel_names": CHANNEL_NAMES, "state_names": STATE_NAMES,
        "icons": ICONS, "terms": alerting.entry.terms,
    }  # fmt: skip
    return pages.page(request, "alarms_part.html" if "hx-request" in request.headers else "alarms.html", context)


async def _context(conn: Conn, clock: Clock, below: tuple[datetime, str] | None, test: UUID | None) -> dict[str, Any]:
    business_id = clock.business.id
    alarms = await alarm_store.alarms(conn, business_id)
    episodes = await alarm_store.history(conn, business_id, PAGE_SIZE + 1, below)
    keys = [prefix(one.name, one.number) for one in episodes] + [prefix(one.name, one.number) for one in alarms]
    told = await alarm_store.told(conn, business_id, keys, CHANNELS) if keys else []
    tested = await alarm_store.told(conn, business_id, [test_prefix(test)], CHANNELS) if test else []
    return {
        "now": lines(alarms, told, clock) if below is None else [],
        "past": past(episodes[:PAGE_SIZE], told, clock),
        "next": episodes[PAGE_SIZE - 1] if len(episodes) > PAGE_SIZE else None,
        "first": below is None,
        "tested": tested,
        "test": test,
        "busy": any(one.state in {"waiting", "sending"} for one in tested),
    }


def _hide_addresses(context: dict[str, Any]) -> None:
    """Of another business than the projects file's the same people are told; who they are is not its affair."""
    for part in ("now", "past"):
        context[part] = [msgspec.structs.replace(line, told=[]) for line in context[part]]
    context |= {"tested": [], "busy": False}


def _missing(app: App, alerting: Alerting) -> list[str]:
    """The settings without which some of these would not be told."""
    wanted = {
        "TALLYBOOK_SMTP_URL": bool(alerting.entry.mail) and not app.settings.smtp_url,
        "TALLYBOOK_ALERT_WEBHOOK_SECRET": bool(alerting.entry.webhook) and not app.settings.alert_webhook_secret,
    }
    return [name for name, is_missing in wanted.items() if is_missing]


@post("/alarms/test", include_in_schema=False)
async def try_alarms(request: Asked, app: TheApp) -> Redirect:
    """Tells everybody that this is a test; the page then shows what became of it.

    Raises NotAllowed for another business than the projects file's: it is not told who they are.
    """
    require(request.user, Right.ADMINISTER)
    alerting = Alerting(app)
    alerting.current()
    if not await app.db.run("find a business", lambda conn: alerting.is_owner(conn, request.user.business_id)):
        raise NotAllowed("Whoever runs this installation is told, and can try it.")
    number = await alerting.test(request.user.business, request.user.name, request.user.account_id)
    return Redirect(f"/alarms?test={number}", status_code=303)


def _place(text: str | None, name: str | None) -> tuple[datetime, str] | None:
    try:
        return (datetime.fromisoformat(text).astimezone(UTC), name or "") if text else None
    except (ValueError, OverflowError):
        raise Invalid("This place in the list is not one of ours. Start again without “after”.") from None


def _number(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


HANDLERS = [alarms_page, try_alarms]
