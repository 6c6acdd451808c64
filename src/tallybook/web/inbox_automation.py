"""The pages of automation: the rules, one of them as a sentence to be edited and tried, and what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from tallybook.app import App
from tallybook.core import channel_accounts
from tallybook.core.callers import Caller, Right, may, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.inbox import lead_rules, naming
from tallybook.inbox.automation_types import Draft, Outcome
from tallybook.inbox.hours import period
from tallybook.inbox.service import automation, labels, leads, teams, templates
from tallybook.inbox.store.automation import Sought

from . import errors, pages
from . import inbox_automation_form as forms
from . import inbox_automation_words as said
from .inbox_automation_form import Typed
from .inbox_automation_words import Names
from .inbox_view import PATH as INBOX
from .needs import Asked, TheApp

PATH = INBOX + "/automation"
PAGE_SIZE = 50


@dataclass(frozen=True)
class Choices:
    """What can be chosen in a rule's form."""

    names: Names
    accounts: Sequence[str]
    templates: Sequence[tuple[str, str]]


async def choices(conn: Conn, caller: Caller, say: Callable[[str], str]) -> Choices:
    """Labels, statuses, people, numbers and templates of the business; ``say`` has words in the reader's language."""
    known = await labels.names(conn, caller)
    people = await teams.members(conn, caller)
    statuses = await leads.statuses(conn, caller.business_id)
    accounts = await channel_accounts.listed(conn, caller.business_id)
    board = await templates.board(conn, caller)
    called = {one.status: one.name or say(lead_rules.FIRST_NAMES.get(one.status, one.status)) for one in statuses}
    names = Names({one.id: one.name for one in known}, called, {one.account_id: one.name for one in people})
    numbers = [one.account for one in accounts if ":" not in one.account]
    usable = sorted({(one.name, one.language) for one in board.templates if one.usable})
    return Choices(names, numbers, usable)


@get(PATH, include_in_schema=False)
async def rules_page(request: Asked, app: TheApp) -> Response[str]:
    """All rules, and three to begin with."""
    caller: Caller = request.user
    require(caller, Right.SEE)
    now = datetime.now(UTC)
    clock = pages.clock_of(request)

    async def read(conn: Conn) -> dict[str, Any]:
        opening = await automation.opening(conn, caller)
        names = (await choices(conn, caller, clock.words.gettext)).names
        rules = await automation.listed(conn, caller, now)
        return {
            "rules": [(rule, said.sentence(rule, names, clock.words, clock.locale)) for rule in rules],
            "opening": opening, "period": period(opening, caller.business.zone, now),
            "may_lead": may(caller, Right.LEAD),
        }  # fmt: skip

    context = await app.db.run("list rules", read)
    examples = automation.examples([clock.words.gettext(one) for one in said.EXAMPLES])
    context["examples"] = [
        (number, draft.name, said.sentence(draft, Names(), clock.words, clock.locale))
        for number, draft in enumerate(examples, 1)
    ]
    return pages.page(request, "inbox/automation.html", context)


@dataclass(frozen=True)
class Form:
    """A rule's form: what stands in it, whose rule it is, and what is to be said above it."""

    typed: Typed
    rule_id: int | None = None
    trouble: str = ""
    tried: automation.Tried | None = None


@get(PATH + "/new", include_in_schema=False)
async def new_page(request: Asked, app: TheApp) -> Response[str]:
    """An empty form, or one of the examples."""
    require(request.user, Right.LEAD)
    words = pages.clock_of(request).words
    number = naming.number(request.query_params.get("example", ""))
    examples = automation.examples([words.gettext(one) for one in said.EXAMPLES])
    typed = forms.typed_of(examples[number - 1]) if number and number <= len(examples) else Typed()
    return await _form(request, app, Form(typed))


@get(PATH + "/{rule_id:int}", include_in_schema=False)
async def rule_page(request: Asked, app: TheApp, rule_id: FromPath[int]) -> Response[str]:
    """One rule, to be edited."""
    now = datetime.now(UTC)
    rule = await app.db.run("show rule", lambda conn: automation.one(conn, request.user, _number(rule_id), now))
    return await _form(request, app, Form(forms.typed_of(rule), rule.id))


async def _form(request: Asked, app: App, form: Form, status: int = 200) -> Response[str]:
    caller: Caller = request.user
    clock = pages.clock_of(request)
    now = datetime.now(UTC)

    async def read(conn: Conn) -> dict[str, Any]:
        rule = await automation.one(conn, caller, form.rule_id, now) if form.rule_id is not None else None
        known = await choices(conn, caller, clock.words.gettext)
        return {"rule": rule, "choices": known, "opening": await automation.opening(conn, caller)}

    context = await app.db.run("show rule", read)
    trouble = clock.words.gettext(form.trouble) if form.trouble else ""
    context |= {
        "typed": form.typed, "tried": form.tried, "trouble": trouble, "starts": said.STARTS,
        "may_lead": may(caller, Right.LEAD),
        "days": [(one, said.weekdays([one], clock.locale)) for one in said.week(clock.locale)],
        "spans": [(one, said.span(one, clock.words)) for one in said.MINUTES], "next": forms.NEXT,
    }  # fmt: skip
    return pages.page(request, "inbox/rule.html", context, status)


async def typed_in(request: Asked) -> Mapping[str, Sequence[str]]:
    """A form with all values of each of its fields."""
    form = await request.form()
    return {name: [str(one) for one in form.getall(name, [])] for name in form}


@post(PATH, include_in_schema=False)
async def write_rule(request: Asked, app: TheApp) -> Response[Any]:
    """Keeps a rule, new or not, switches it on or tries it, as the button says that was pressed."""
    require(request.user, Right.LEAD)
    given = await typed_in(request)
    typed, pressed = forms.read(given), str(given.get("do", ["save"])[0])
    rule_id = naming.number(str(given.get("rule", [""])[0]))
    form = Form(typed, rule_id)
    now = datetime.now(UTC)
    try:
        draft = forms.draft(typed)
        if pressed == "try":
            tried = await app.db.run("try rule", lambda conn: automation.tried(conn, request.user, draft, now))
            return await _form(request, app, replace(form, tried=tried))
        await app.db.run("write rule", lambda conn: _kept(conn, request.user, rule_id, draft, on=pressed == "on"))
    except (Conflict, Invalid, NotFound) as error:
        return await _form(request, app, replace(form, trouble=error.message), errors.status_of(error))
    return Redirect(PATH, status_code=303)


async def _kept(conn: Conn, caller: Caller, rule_id: int | None, draft: Draft, *, on: bool) -> None:
    now = datetime.now(UTC)
    number = rule_id if rule_id is not None else await automation.add(conn, caller, draft)
    if rule_id is not None:
        await automation.change(conn, caller, rule_id, draft, now)
    if on:
        await automation.turn(conn, caller, number, now, on=True)


@post(PATH + "/{rule_id:int}/switch", include_in_schema=False)
async def switch_rule(request: Asked, app: TheApp, rule_id: FromPath[int]) -> Redirect:
    """On or off."""
    on = str((await request.form()).get("on", "")) == "true"
    now, number = datetime.now(UTC), _number(rule_id)
    await app.db.run("switch rule", lambda conn: automation.turn(conn, request.user, number, now, on=on))
    return Redirect(PATH, status_code=303)


@post(PATH + "/{rule_id:int}/remove", include_in_schema=False)
async def remove_rule(request: Asked, app: TheApp, rule_id: FromPath[int]) -> Redirect:
    """Takes it away."""
    now, number = datetime.now(UTC), _number(rule_id)
    await app.db.run("remove rule", lambda conn: automation.remove(conn, request.user, number, now))
    return Redirect(PATH, status_code=303)


@get(PATH + "/runs", include_in_schema=False)
async def runs_page(request: Asked, app: TheApp) -> Response[str]:
    """What rules did, the newest first."""
    asked = request.query_params
    outcome = asked.get("outcome", "")
    sought = Sought(
        naming.number(asked.get("rule", "")), Outcome(outcome) if outcome in set(Outcome) else None,
        naming.number(asked.get("below", "")), PAGE_SIZE + 1,
    )  # fmt: skip

    async def read(conn: Conn) -> dict[str, Any]:
        now = datetime.now(UTC)
        found = await automation.runs(conn, request.user, sought)
        return {"found": found, "rules": await automation.listed(conn, request.user, now)}

    context = await app.db.run("list runs", read)
    found = context.pop("found")
    context |= {
        "runs": found[:PAGE_SIZE], "below": found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None,
        "sought": sought, "outcomes": said.OUTCOMES, "marks": said.MARKS, "colours": said.COLOURS,
    }  # fmt: skip
    return pages.page(request, "inbox/automation_runs.html", context)


def _number(rule_id: int) -> int:
    number = naming.number(str(rule_id))
    if number is None:
        raise NotFound(automation.NO_RULE)
    return number


HANDLERS = [rules_page, new_page, runs_page, rule_page, write_rule, switch_rule, remove_rule]
