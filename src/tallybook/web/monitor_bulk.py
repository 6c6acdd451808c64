"""One thing done to many reviews: a page that shows the numbers, and one that tells what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.marking import N_
from tallybook.core.numbers import INT_DIGITS
from tallybook.core.wakeups import wake_up
from tallybook.monitor.jobs import TOPIC
from tallybook.monitor.service import assignment, bulk
from tallybook.monitor.service.bulk import Act, Became, Order, Outcome, Preview, Row

from . import monitor, pages
from .monitor import Look
from .monitor_view import NOT_OURS, read_number
from .needs import Asked, TheApp

PATH = "/wa-monitor/bulk"
TITLES = {
    Act.LOOKED_AT: N_("Mark as looked at"),
    Act.ASSIGN: N_("Assign"),
    Act.UNLOCK: N_("Give my locks back"),
}
BECAME = {
    Became.DONE: (N_("Done"), "ok"),
    Became.AS_IT_WAS: (N_("Was so already"), "dash"),
    Became.LEFT: (N_("Left as it was"), "late"),
}
WOULD_BECOME = {
    Became.DONE: (N_("Would be changed"), "ok"),
    Became.AS_IT_WAS: (N_("Needs nothing"), "dash"),
    Became.LEFT: (N_("Would be left alone"), "late"),
}


@get(PATH, include_in_schema=False)
async def bulk_page(request: Asked) -> Redirect:
    """Whoever comes here without having chosen anything."""
    return Redirect(monitor.look(request).query.link(), status_code=303)


@post(PATH, include_in_schema=False, status_code=200)
async def bulk_do(request: Asked, app: TheApp) -> Response[Any]:
    """Shows what would be done; with ``sure``, does it to just the rows that were shown."""
    asked = monitor.look(request)
    who = asked.who
    require(request.user, Right.REVIEW)
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    order = read_order(form, who.account_id)
    sure = form.get("sure") == "1"

    async def work(conn: Conn) -> dict[str, Any]:
        judges = await assignment.judges(conn, asked.business)
        context: dict[str, Any] = {"order": order, "judges": judges, "done": sure}
        if not sure:
            ids = await bulk.all_that_fit(conn, asked.business, asked.query.filters) if form.get("all") else _ids(form)
            return context | {"preview": await bulk.preview(conn, asked.business, who, order, ids)}
        outcomes = await bulk.run(conn, asked.business, who, order, read_rows(form.get("rows", "")))
        await wake_up(conn, TOPIC, asked.business.id)
        return context | {"preview": Preview([], outcomes)}

    context = await app.db.run("bulk", work)
    return _page(request, app, asked, context)


def _page(request: Asked, _app: App, asked: Look, context: dict[str, Any]) -> Response[str]:
    preview: Preview = context["preview"]
    say = asked.clock.words.gettext
    names = BECAME if context["done"] else WOULD_BECOME
    lines = [
        (one, say(names[one.became][0]), names[one.became][1], one.why and say(one.why)) for one in _sorted(preview)
    ]
    more = {
        "clock": asked.clock, "filters": asked.query, "title": say(TITLES[context["order"].act]), "lines": lines,
        "rows": write_rows(preview.rows), "counts": {became: preview.count(became) for became in Became},
        "selected": len(preview.outcomes),
    }  # fmt: skip
    return pages.page(request, "monitor/bulk.html", context | more)


def _sorted(preview: Preview) -> list[Outcome]:
    """What was left first: that is what somebody must know."""
    order = [Became.LEFT, Became.DONE, Became.AS_IT_WAS]
    return sorted(preview.outcomes, key=lambda one: order.index(one.became))


def read_order(form: dict[str, str], me: int) -> Order:
    """What a form asks for; assigning is to oneself unless it says to whom. Raises Invalid."""
    try:
        act = Act(form.get("act", ""))
    except ValueError:
        raise Invalid(NOT_OURS) from None
    to = form.get("to", str(me))
    if act is not Act.ASSIGN:
        return Order(act)
    return Order(act, read_number(to, INT_DIGITS) if to else None)


def _ids(form: dict[str, str]) -> list[UUID]:
    if form.get("rows"):
        return [row.id for row in read_rows(form["rows"])]
    try:
        return [UUID(text) for text in form.get("ids", "").split()[: bulk.MOST + 1]]
    except ValueError:
        raise Invalid(NOT_OURS) from None


def write_rows(rows: Sequence[Row]) -> str:
    """The rows as a form carries them, as they were shown."""
    return " ".join(f"{row.id}:{row.posts}:{row.assigned or ''}" for row in rows)


def read_rows(text: str) -> list[Row]:
    """The rows that write_rows() wrote. Raises Invalid for anything else."""
    try:
        parts = [part.split(":") for part in text.split()[: bulk.MOST + 1]]
        return [Row(UUID(row_id), int(posts), int(was) if was else None) for row_id, posts, was in parts]
    except ValueError:
        raise Invalid(NOT_OURS) from None


HANDLERS = [bulk_page, bulk_do]
