"""Automation for programs: rules, what they did and would have done, and when the business is open."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from tallybook.core.callers import Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotFound
from tallybook.inbox import naming
from tallybook.inbox.automation_types import Draft, Outcome, Rule, Run
from tallybook.inbox.hours import Hours
from tallybook.inbox.service import automation
from tallybook.inbox.service.automation import Tried
from tallybook.inbox.store.automation import Sought

from .answers import Ok, ok
from .inbox_api import TAGS
from .needs import Asked, TheApp

RULES = "/api/inbox/automation/rules"
RUNS = "/api/inbox/automation/runs"
HOURS = "/api/inbox/automation/hours"
PAGE_SIZE = 100


class Switch(msgspec.Struct, frozen=True):
    """Whether a rule is to fire."""

    on: bool


class RunsPage(msgspec.Struct, frozen=True):
    """What rules did, the newest first. ``below`` leads to what was before; it is null on the last page."""

    runs: list[Run]
    below: int | None


@get(RULES, tags=TAGS)
async def list_rules(request: Asked, app: TheApp) -> Ok[list[Rule]]:
    """All rules, those that are on first, with how often each fired within 30 days."""
    return ok(await app.db.run("list rules", lambda conn: automation.listed(conn, request.user, datetime.now(UTC))))


@post(RULES, tags=TAGS, status_code=201)
async def add_rule(request: Asked, app: TheApp, data: JSONBody[Draft]) -> Ok[Rule]:
    """Makes a rule, which is off. For who may lead. 400 for one that makes no sense."""

    async def work(conn: Conn) -> Rule:
        number = await automation.add(conn, request.user, data)
        return await automation.one(conn, request.user, number, datetime.now(UTC))

    return ok(await app.db.run("add rule", work))


@get(f"{RULES}/{{rule_id:int}}", tags=TAGS)
async def show_rule(request: Asked, app: TheApp, rule_id: FromPath[int]) -> Ok[Rule]:
    """One rule. 404 outside the business."""
    number, now = _number(rule_id), datetime.now(UTC)
    return ok(await app.db.run("show rule", lambda conn: automation.one(conn, request.user, number, now)))


@put(f"{RULES}/{{rule_id:int}}", tags=TAGS)
async def change_rule(request: Asked, app: TheApp, rule_id: FromPath[int], data: JSONBody[Draft]) -> Ok[Rule]:
    """Has a rule be another one; where it is on, it is so from now on. For who may lead. 404 outside the business."""
    number, now = _number(rule_id), datetime.now(UTC)

    async def work(conn: Conn) -> Rule:
        await automation.change(conn, request.user, number, data, now)
        return await automation.one(conn, request.user, number, now)

    return ok(await app.db.run("change rule", work))


@post(f"{RULES}/{{rule_id:int}}/switch", tags=TAGS, status_code=200)
async def switch_rule(request: Asked, app: TheApp, rule_id: FromPath[int], data: JSONBody[Switch]) -> Ok[Rule]:
    """Switches a rule on or off. A repeat changes nothing. For who may lead. 404 outside the business."""
    number, now = _number(rule_id), datetime.now(UTC)
    return ok(
        await app.db.run("switch rule", lambda conn: automation.turn(conn, request.user, number, now, on=data.on))
    )


@delete(f"{RULES}/{{rule_id:int}}", tags=TAGS, status_code=200)
async def remove_rule(request: Asked, app: TheApp, rule_id: FromPath[int]) -> Ok[None]:
    """Takes a rule away, with the list of what it did. For who may lead. 404 outside the business."""
    number, now = _number(rule_id), datetime.now(UTC)
    await app.db.run("remove rule", lambda conn: automation.remove(conn, request.user, number, now))
    return ok(None)


@post(f"{RULES}/try", tags=TAGS, status_code=200)
async def try_rule(request: Asked, app: TheApp, data: JSONBody[Draft]) -> Ok[Tried]:
    """What a rule would have done in the last seven days, by what is known today. Does nothing. For who may lead."""
    now = datetime.now(UTC)
    return ok(await app.db.run("try rule", lambda conn: automation.tried(conn, request.user, data, now)))


@get(RUNS, tags=TAGS)
async def list_runs(
    request: Asked,
    app: TheApp,
    rule: FromQuery[int | None] = None,
    outcome: FromQuery[str | None] = None,
    below: FromQuery[int | None] = None,
) -> Ok[RunsPage]:
    """What rules did, the newest first, a hundred at a time; give ``below`` to get those before.

    ``outcome`` is ``done``, ``skipped`` or ``failed``. 400 for what means nothing.
    """
    require(request.user, Right.SEE)
    if outcome and outcome not in set(Outcome):
        raise Invalid("There is no such outcome.", outcomes=list(Outcome))
    numbers = [None if one is None else _number(one) for one in (rule, below)]
    sought = Sought(numbers[0], Outcome(outcome) if outcome else None, numbers[1], PAGE_SIZE + 1)
    found = await app.db.run("list runs", lambda conn: automation.runs(conn, request.user, sought))
    return ok(RunsPage(found[:PAGE_SIZE], found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None))


@get(HOURS, tags=TAGS)
async def show_hours(request: Asked, app: TheApp) -> Ok[Hours]:
    """When the business is open; without a week, always."""
    return ok(await app.db.run("show hours", lambda conn: automation.opening(conn, request.user)))


@put(HOURS, tags=TAGS)
async def set_hours(request: Asked, app: TheApp, data: JSONBody[Hours]) -> Ok[Hours]:
    """Says when the business is open. For who may lead. 400 for hours that cannot be."""
    return ok(await app.db.run("set hours", lambda conn: automation.set_opening(conn, request.user, data)))


def _number(given: int) -> int:
    number = naming.number(str(given))
    if number is None:
        raise NotFound(automation.NO_RULE)
    return number


HANDLERS = [
    list_rules, add_rule, try_rule, show_rule, change_rule, switch_rule, remove_rule, list_runs, show_hours, set_hours,
]  # fmt: skip
