"""The pages of webhooks: who is told of what, and what became of each thing that they were told. For admins."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid
from tallybook.inbox import naming
from tallybook.inbox.hook_events import Kind
from tallybook.inbox.service import hook_list
from tallybook.inbox.service.hook_list import Made, New, Shown

from . import errors, pages
from .needs import Asked, TheApp
from .phrases import N_

PATH = "/inbox/hooks"
PAGE_SIZE = 50
FILTERS: dict[str, tuple[str, ...] | None] = {
    "all": None, "waiting": ("waiting", "sending"), "failed": ("parked",), "arrived": ("delivered", "captured"),
}  # fmt: skip
STATES = {
    "waiting": N_("Waits"), "sending": N_("Being told"), "delivered": N_("Arrived"), "parked": N_("Given up"),
    "captured": N_("Kept, not sent"),
}  # fmt: skip
EVENTS = {
    Kind.MESSAGE_RECEIVED: N_("A customer wrote"), Kind.MESSAGE_SENT: N_("We wrote"),
    Kind.MESSAGE_STATUS: N_("How far a message of ours came"), Kind.CONVERSATION_CREATED: N_("A new conversation"),
    Kind.CONVERSATION_ASSIGNED: N_("A conversation was assigned"),
    Kind.CONVERSATION_CLOSED: N_("A conversation was closed"),
    Kind.CONVERSATION_REOPENED: N_("A conversation was opened again"),
    Kind.HANDED_OVER: N_("The bot left a customer to a person"),
    Kind.CONTACT_CHANGED: N_("A contact changed"), Kind.LEAD_STATUS: N_("A lead has another status"),
    Kind.AUTOMATION_FIRED: N_("An automation did something"), Kind.TEST: N_("A test"),
}  # fmt: skip
# What may stand on the page beside what was typed.
MISTAKES = (
    N_("A webhook needs a name of at most 100 characters."), N_("Choose at least one of the events that there are."),
    N_("The address is not one of the web."), N_("The address must begin with https:// and name a host."),
    N_("The address must hold no password. The signature says who calls."),
    N_("There is a webhook of this name already."), N_("There are 50 webhooks already. Take one away first."),
    N_("There is no such webhook."), N_("This webhook is switched off. Switch it on first."),
    N_("The secret cannot be opened."), N_("No answer in time."),
)  # fmt: skip


@get(PATH, include_in_schema=False)
async def hooks_page(request: Asked, app: TheApp) -> Response[str]:
    """Everybody who is told, and a form for one more."""
    return await _listed(request, app, {})


@post(PATH, include_in_schema=False)
async def add_hook(request: Asked, app: TheApp) -> Response[str]:
    """Adds one, and shows its secret for the only time."""
    form = await request.form()
    new = New(str(form.get("name", "")), str(form.get("url", "")), [str(one) for one in form.getall("events", [])])
    try:
        made = await app.db.run("add webhook", lambda conn: hook_list.add(conn, request.user, app.seal, new))
    except (Invalid, Conflict) as error:
        return await _listed(request, app, {"typed": new, "problem": error.message}, errors.status_of(error))
    return await _shown(request, app, made.id, {"secret": made.secret})


async def _listed(request: Asked, app: App, more: dict[str, Any], status: int = 200) -> Response[str]:
    found = await app.db.run("list webhooks", lambda conn: hook_list.listed(conn, request.user))
    context = {"hooks": found, "events": EVENTS, "offered": hook_list.OFFERED, "typed": None, "problem": ""}
    return pages.page(request, "inbox/hooks.html", context | more, status)


@get(PATH + "/{hook_id:int}", include_in_schema=False)
async def hook_page(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Response[str]:
    """One webhook, with what it was told."""
    return await _shown(request, app, hook_id, {})


async def _shown(request: Asked, app: App, hook_id: int, more: dict[str, Any], status: int = 200) -> Response[str]:
    asked = request.query_params
    shown = asked.get("show", "all") if asked.get("show", "all") in FILTERS else "all"
    before = naming.number(asked.get("before", ""))

    async def read(conn: Conn) -> Shown:
        return await hook_list.shown(conn, request.user, hook_id, FILTERS[shown], before, PAGE_SIZE)

    found = await app.db.run("show webhook", read)
    context = {
        "hook": found.hook, "rows": found.events, "before": found.before, "show": shown, "events": EVENTS,
        "states": STATES, "secret": "", "problem": "", "path": f"{PATH}/{hook_id}",
    }  # fmt: skip
    part = "hx-request" in request.headers
    return pages.page(request, f"inbox/hook{'_part' if part else ''}.html", context | more, status)


@post(PATH + "/{hook_id:int}/rotate", include_in_schema=False)
async def rotate_hook(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Response[str]:
    """Another secret, shown for the only time; the one before is valid for a day."""

    async def work(conn: Conn) -> Made:
        return await hook_list.rotate(conn, request.user, app.seal, hook_id)

    made = await app.db.run("rotate webhook", work)
    return await _shown(request, app, hook_id, {"secret": made.secret})


@post(PATH + "/{hook_id:int}/switch", include_in_schema=False)
async def switch_hook(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Redirect:
    """On or off."""
    on = str((await request.form()).get("on", "")) == "true"
    await app.db.run("switch webhook", lambda conn: hook_list.switch(conn, request.user, hook_id, on=on))
    return Redirect(f"{PATH}/{hook_id}", status_code=303)


@post(PATH + "/{hook_id:int}/test", include_in_schema=False)
async def test_hook(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Response[Any]:
    """Tells it that this is a test; the page shows what becomes of it."""
    try:
        await app.db.run("test webhook", lambda conn: hook_list.test(conn, request.user, hook_id))
    except Conflict as error:
        return await _shown(request, app, hook_id, {"problem": error.message}, errors.status_of(error))
    return Redirect(f"{PATH}/{hook_id}", status_code=303)


@post(PATH + "/{hook_id:int}/again", include_in_schema=False)
async def tell_again(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Redirect:
    """Tells one event again, or all that were given up."""
    event = naming.number(str((await request.form()).get("event", "")))
    await app.db.run("tell again", lambda conn: hook_list.again(conn, request.user, hook_id, event))
    return Redirect(f"{PATH}/{hook_id}", status_code=303)


@post(PATH + "/{hook_id:int}/remove", include_in_schema=False)
async def remove_hook(request: Asked, app: TheApp, hook_id: FromPath[int]) -> Redirect:
    """Takes it away, with all that it was told."""
    await app.db.run("remove webhook", lambda conn: hook_list.remove(conn, request.user, hook_id))
    return Redirect(PATH, status_code=303)


HANDLERS = [
    hooks_page, add_hook, hook_page, rotate_hook, switch_hook, test_hook, tell_again, remove_hook,
]  # fmt: skip
