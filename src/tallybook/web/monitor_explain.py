"""Why is my drop missing? One drop's whole story, and what is missing from a register put back or left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromQuery
from litestar.response import Redirect

from tallybook.core.callers import Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, TallybookError
from tallybook.monitor.service import explain as service
from tallybook.monitor.service import refiling, registers
from tallybook.monitor.service.explain import Decision, Story
from tallybook.monitor.store.explain import Changed
from tallybook.monitor.types import Change

from . import errors, pages, register_words, reply_words, review_words
from .answers import Ok, ok
from .monitor import clock_of
from .monitor_reconcile import person
from .needs import Asked, TheApp
from .times import Clock

PATH = "/wa-monitor/explain"
MAX_GAPS = 200
# How each decision looks: as it should be, wants a look, or wrong.
LOOKS = dict.fromkeys(Decision, "late") | {
    Decision.CREATED: "ok", Decision.RESUBMITTED: "ok", Decision.HISTORY: "ok", Decision.ACTIVATED: "ok",
    Decision.ACTIVATED_BEFORE: "ok", Decision.MISSING: "wrong", Decision.PARKED: "wrong",
}  # fmt: skip


@dataclass(frozen=True)
class ChangeLine:
    """A change in the reader's words."""

    at: Any
    who: str
    what: str
    reason: str


def change_line(change: Changed, clock: Clock) -> ChangeLine:
    say = clock.words.gettext
    if change.action in review_words.ACTIONS:
        seen = review_words.change_view(
            Change(change.at, change.who, change.action, change.before, change.after), clock.words
        )
        return ChangeLine(change.at, change.who, "; ".join(seen.lines), "")
    what = say(register_words.ACTIONS.get(change.action, change.action))
    return ChangeLine(change.at, change.who, what, str((change.after or {}).get("reason", "")))


def first_line(story: Story, clock: Clock) -> str:
    """The story in one sentence, in the reader's words."""
    say = clock.words.gettext
    text, values = register_words.sentence(story)
    if "registers" in values:
        named = story.missing or story.left_out
        values["registers"] = ", ".join(say(register_words.REGISTERS[name]) for name in named)
    return say(text).format_map(values)


@get(PATH, include_in_schema=False)
async def explain_page(request: Asked, app: TheApp) -> Response[str]:
    """The story of the drop that is asked for; without one, what is missing from a register now."""
    return await _show(request, app, request.query_params.get("drop", ""), None)


async def _show(request: Asked, app: TheApp, asked: str, error: TallybookError | None) -> Response[str]:
    require(request.user, Right.SEE)
    business = request.user.business
    story: Story | None = None

    async def read(conn: Conn) -> tuple[Story | None, list[Any]]:
        if asked.strip():
            return await service.explain(conn, business, asked), []
        return None, await registers.open_gaps(conn, business, MAX_GAPS)

    gaps: list[Any] = []
    try:
        story, gaps = await app.db.run("explain drop", read)
    except Invalid as refused:
        error = refused
    clock = clock_of(request)
    say = clock.words.gettext
    context: dict[str, Any] = {
        "clock": clock, "asked": asked, "story": story, "words": register_words, "looks": LOOKS,
        "states": reply_words.STATES,
        "gaps": list(dict.fromkeys((gap.drop_number, gap.register, gap.project, found) for gap, found in gaps)),
        "first_line": first_line(story, clock) if story else "",
        "changes": [change_line(change, clock) for change in story.changes] if story else [],
        "trouble": say(error.message) if error else None, "may_mend": may(request.user, Right.REVIEW),
    }  # fmt: skip
    return pages.page(request, "monitor/explain.html", context, errors.status_of(error) if error else 200)


@post(f"{PATH}/file-again", include_in_schema=False)
async def file_again(request: Asked, app: TheApp) -> Redirect:
    """Puts a drop's posts back where they belong; harmless to repeat."""
    who = person(request)
    drop = str((await request.form()).get("drop", ""))[: service.MAX_ASKED]
    await app.db.run("file again", lambda conn: refiling.file_again(conn, request.user.business, drop, who))
    return Redirect(f"{PATH}?{urlencode({'drop': drop})}", status_code=303)


@post(f"{PATH}/leave", include_in_schema=False)
async def leave(request: Asked, app: TheApp) -> Response[Any]:
    """Says that a drop was taken out on purpose."""
    who = person(request)
    form = await request.form()
    drop, reason = (str(form.get(name, ""))[:1000] for name in ("drop", "reason"))
    business = request.user.business
    try:
        await app.db.run("leave out", lambda conn: refiling.leave(conn, business, drop, who, reason))
    except Invalid as error:
        return await _show(request, app, drop, error)
    return Redirect(f"{PATH}?{urlencode({'drop': drop})}", status_code=303)


@get("/api/wa-monitor-explain", tags=["Monitor"])
async def explain_api(request: Asked, app: TheApp, drop: FromQuery[str]) -> Ok[Story]:
    """One drop's whole story. ``drop`` may be spelled in any way; 400 where it is no one drop number."""
    require(request.user, Right.SEE)
    return ok(await app.db.run("explain drop", lambda conn: service.explain(conn, request.user.business, drop)))


HANDLERS = [explain_page, file_again, leave, explain_api]
