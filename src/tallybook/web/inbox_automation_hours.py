"""The page on which a business says when it is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date, get_day_names
from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, may
from tallybook.core.errors import Invalid
from tallybook.inbox import hours
from tallybook.inbox.hours import Hours, period
from tallybook.inbox.service import automation

from . import errors, pages
from . import inbox_automation_form as forms
from .inbox_automation import PATH as AUTOMATION
from .inbox_automation import typed_in
from .inbox_automation_words import week
from .needs import Asked, TheApp
from .times import Clock

PATH = AUTOMATION + "/hours"
SOON = timedelta(days=120)  # in which holidays are named
SHOWN = 8


@get(PATH, include_in_schema=False)
async def hours_page(request: Asked, app: TheApp) -> Response[str]:
    """The week, the country's holidays, and days of its own."""
    told = await app.db.run("show hours", lambda conn: automation.opening(conn, request.user))
    lines, dates = forms.hours_lines(told)
    return _page(request, told, {"week": lines, "dates": dates, "country": told.country, "kept": told.told})


@post(PATH, include_in_schema=False)
async def set_hours(request: Asked, app: TheApp) -> Response[Any]:
    """Keeps them; what cannot be is shown as it was typed."""
    given = await typed_in(request)
    try:
        told = forms.read_hours(given)
        await app.db.run("set hours", lambda conn: automation.set_opening(conn, request.user, told))
    except Invalid as error:
        return await _refused(request, app, given, error)
    return Redirect(AUTOMATION, status_code=303)


async def _refused(request: Asked, app: App, given: Any, error: Invalid) -> Response[str]:
    told = await app.db.run("show hours", lambda conn: automation.opening(conn, request.user))
    typed = {
        "week": [given.get(f"day{number}", [""])[0] for number in range(7)], "dates": given.get("dates", [""])[0],
        "country": given.get("country", [""])[0], "kept": given.get("kept", [""])[0] == "yes",
        "trouble": pages.clock_of(request).words.gettext(error.message),
    }  # fmt: skip
    return _page(request, told, typed, errors.status_of(error))


def _page(request: Asked, told: Hours, typed: dict[str, Any], status: int = 200) -> Response[str]:
    clock = pages.clock_of(request)
    names = get_day_names("wide", locale=clock.locale)
    context = {
        "days": [(one, names[one]) for one in week(clock.locale)], "countries": countries(clock.locale), "trouble": "",
        "period": period(told, clock.business.zone, datetime.now(UTC)), "told": told, "coming": coming(told, clock),
        "may_lead": may(request.user, Right.LEAD),
    }  # fmt: skip
    return pages.page(request, "inbox/automation_hours.html", context | typed, status)


@lru_cache(maxsize=8)
def countries(locale: str) -> Sequence[tuple[str, str]]:
    """The countries whose holidays are known, by what they are called in a language."""
    called = Locale.parse(locale).territories
    return sorted(((one, str(called.get(one, one))) for one in hours.countries()), key=lambda pair: pair[1])


def coming(told: Hours, clock: Clock) -> list[tuple[str, str]]:
    """The next public holidays that are kept, by day."""
    found: list[tuple[date, str]] = []
    for year in (clock.today.year, clock.today.year + 1):
        found += hours.public(told.country, year).items() if told.told else ()
    near = [one for one in sorted(found) if clock.today <= one[0] <= clock.today + SOON][:SHOWN]
    return [(format_date(on, "EEE d MMM", clock.locale), name) for on, name in near]


HANDLERS = [hours_page, set_hours]
