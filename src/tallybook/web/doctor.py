"""The doctor, for people and programs: what is wrong with the schema, what was, and what the database refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.alerting import Alerting
from tallybook.app import App
from tallybook.core import doctor_runs, violations_shown
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.doctor_runs import ASKED
from tallybook.core.errors import Invalid, NotAllowed, NotFound
from tallybook.core.health_words import told
from tallybook.core.numbers import number_in
from tallybook.core.violations import Kind

from . import doctor_view, doctor_words, i18n, pages
from .answers import Ok, is_partial, ok
from .doctor_view import Doctor
from .needs import Asked, TheApp
from .times import Clock

RUNS, REFUSALS = 20, 30
NOT_YOURS = "Whoever runs this installation sees what the doctor found."


@get("/doctor", include_in_schema=False)
async def doctor_page(request: Asked, app: TheApp) -> Response[str]:
    """The last run or the one that is asked for, the history, and what the database refused."""
    caller: Caller = request.user
    require(caller, Right.ADMINISTER)
    lang = pages.language_of(request)
    clock = Clock(datetime.now(UTC), caller.business, lang, i18n.words(lang))
    asked = request.query_params
    number, kind = _number(asked.get("run")), _kind(asked.get("kind"))
    below, refused_below = _number(asked.get("below")), _number(asked.get("refused_below"))
    context: dict[str, Any] = {"clock": clock, "words": doctor_words, "told": told}
    async with app.db.transaction() as conn:
        context["is_owner"] = await _is_owner(app, conn, caller)
        if context["is_owner"]:
            context |= await _context(conn, caller.business_id, number, below)
            context |= await _refusals(conn, caller.business_id, kind, refused_below)
    return pages.page(request, "doctor/doctor_part.html" if is_partial(request) else "doctor/doctor.html", context)


async def _context(conn: Conn, business_id: int, number: int | None, below: int | None) -> dict[str, Any]:
    place = await doctor_runs.one(conn, below) if below else None
    runs = await doctor_runs.newest(conn, RUNS + 1, (place.at, place.id) if place else None)
    newest = runs[0] if runs and place is None else next(iter(await doctor_runs.newest(conn, 1)), None)
    run = await doctor_runs.one(conn, number) if number else newest
    if number and run is None:
        raise NotFound("There is no such examination; it may have been too old to keep.")
    return {
        "run": doctor_view.own(run, business_id) if run else None, "is_newest": run == newest,
        "is_running": await doctor_runs.is_running(conn),
        "history": doctor_view.steps(runs, RUNS, business_id),
        "next_run": runs[RUNS - 1].id if len(runs) > RUNS else None, "below": below,
    }  # fmt: skip


async def _refusals(conn: Conn, business_id: int, kind: Kind | None, below: int | None) -> dict[str, Any]:
    groups = await violations_shown.groups(conn, business_id, REFUSALS + 1, kind=kind, below=below)
    return {
        "kind": kind.value if kind else "", "refusals": [doctor_view.refusal(one) for one in groups[:REFUSALS]],
        "next_refusal": groups[REFUSALS - 1].last_id if len(groups) > REFUSALS else None, "refused_below": below,
    }  # fmt: skip


@post("/doctor/examine", include_in_schema=False)
async def examine_now(request: Asked, app: TheApp) -> Redirect:
    """Asks for an examination; who asks again within the minute asks for the same one."""
    caller: Caller = request.user
    require(caller, Right.ADMINISTER)

    async def work(conn: Conn) -> None:
        if not await _is_owner(app, conn, caller):
            raise NotAllowed(NOT_YOURS)
        if not await doctor_runs.is_running(conn):
            await doctor_runs.ask(conn, ASKED, f"{ASKED} {datetime.now(UTC):%Y-%m-%dT%H:%M}")

    await app.db.run("ask for an examination", work)
    return Redirect("/doctor", status_code=303)


@get("/api/doctor", tags=["Doctor"])
async def doctor_api(request: Asked, app: TheApp) -> Ok[Doctor]:
    """What the doctor last found in the schema, its history, and what the database refused, by constraint.

    For admins of the business whose installation it is. Values that are not known to be harmless stand by their length.
    """
    caller: Caller = request.user
    require(caller, Right.ADMINISTER)
    async with app.db.transaction() as conn:
        if not await _is_owner(app, conn, caller):
            raise NotAllowed(NOT_YOURS)
        runs = await doctor_runs.newest(conn, RUNS + 1)
        groups = await violations_shown.groups(conn, caller.business_id, REFUSALS)
        is_running = await doctor_runs.is_running(conn)
    return ok(
        Doctor(
            doctor_view.own(runs[0], caller.business_id) if runs else None,
            is_running,
            doctor_view.steps(runs, RUNS, caller.business_id),
            [doctor_view.refusal(one) for one in groups],
        )
    )


async def _is_owner(app: App, conn: Conn, caller: Caller) -> bool:
    """Whether it is the business that the projects file speaks of: whoever runs the installation."""
    alerting = Alerting(app)
    alerting.current()
    return await alerting.is_owner(conn, caller.business_id)


def _number(text: str | None) -> int | None:
    if not text:
        return None
    number = number_in(text)
    if number is None:
        raise Invalid("This place in the list is not one of ours. Open the page anew.")
    return number


def _kind(text: str | None) -> Kind | None:
    return Kind(text) if text in {kind.value for kind in Kind} else None


HANDLERS = [doctor_page, examine_now, doctor_api]
