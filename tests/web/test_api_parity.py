"""Whatever a page's form changes a program with a token can change too, through the very same function.

What a function calls is read from its source: the functions and statements that it names, and what those name.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from tallybook.app import App
from tallybook.inbox.service import closing, customers
from tallybook.web import inbox_states, inbox_states_api
from tests.web.built_once import application

OURS, WEB = "tallybook.", "tallybook.web"
WRITES = re.compile(r"\s*(with\s.*)?\b(insert\s+into|update|delete\s+from)\s", re.DOTALL)


@cache
def named(function: Callable[..., Any]) -> tuple[frozenset[Callable[..., Any]], bool]:
    """The functions of ours that a function's source names, and whether it names a statement that writes."""
    known = vars(inspect.getmodule(function))
    functions, writes = set(), False
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        value = _value(node, known)
        if inspect.isfunction(value) and value.__module__.startswith(OURS):
            functions.add(inspect.unwrap(value))
        writes = writes or (isinstance(value, str) and WRITES.match(value) is not None)
    return frozenset(functions - {function}), writes


def _value(node: ast.AST, known: dict[str, Any]) -> Any:
    """What a name stands for in its module, or in a module that it names."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        module = known.get(node.value.id)
        return getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
    return None


def reached(function: Callable[..., Any], seen: set[Callable[..., Any]]) -> set[Callable[..., Any]]:
    """The function, and all that it names, and those."""
    if function not in seen:
        seen.add(function)
        for one in named(function)[0]:
            reached(one, seen)
    return seen


def services(function: Callable[..., Any], seen: set[Callable[..., Any]]) -> Iterator[Callable[..., Any]]:
    """The functions outside the web at which a handler arrives first."""
    for one in named(function)[0]:
        if not one.__module__.startswith(WEB):
            yield one
        elif one not in seen:
            seen.add(one)
            yield from services(one, seen)


@cache
def changes(function: Callable[..., Any]) -> bool:
    """Whether it writes anything, itself or by what it calls."""
    return inspect.iscoroutinefunction(function) and any(named(one)[1] for one in reached(function, set()))


def name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__.removeprefix(OURS)}.{function.__name__}"


def handlers(app: App) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in application(app).app.routes:
        if isinstance(route, HTTPRoute):
            yield from ((route.path, one) for one in route.route_handlers)


# What no program does, and why.
PERSONS = "It is about the person who is logged in, and their own log-in; a token has neither."
ACCOUNTS = "Who may log in, and which tokens there are, a person decides; a stolen token must not make others."
LOOKS = "It comes of looking at a page, beside the act, which programs have."
JUDGED = "The monitor's registers are put right by a person who has looked at what it would do."
GATES = "What goes out to customers or to SharePoint at once is let go or thrown away by a person who has looked at it."
WITHOUT = {
    "core.accounts.change_password": PERSONS, "core.accounts.log_in": PERSONS, "core.sessions.end_token": PERSONS,
    "core.accounts.set_preferences": PERSONS, "core.sessions.end": PERSONS, "core.sessions.switch": PERSONS,
    "core.people.add_person": ACCOUNTS, "core.people.set_active": ACCOUNTS, "core.people.remove_person": ACCOUNTS,
    "core.people.reset_password": ACCOUNTS, "core.people.set_role": ACCOUNTS, "core.api_tokens.create": ACCOUNTS,
    "core.api_tokens.revoke": ACCOUNTS,
    "core.doctor_runs.ask": "Programs run `tallybook doctor`, which answers with what it found.",
    "inbox.service.files.shown": LOOKS, "inbox.service.notes.see": LOOKS, "inbox.service.templates.offered": LOOKS,
    "monitor.service.photos.ask_for_pictures": LOOKS,
    "monitor.service.photos.ask": "A picture is fetched for the person who is to look at it.",
    "inbox.service.leads.remove_status": "Programs give its leads another status, and keep the statuses without it.",
    "monitor.service.bulk.run": JUDGED, "monitor.service.refiling.file_again": JUDGED,
    "monitor.service.refiling.leave": JUDGED, "monitor.service.reconcile.keep": JUDGED,
    "monitor.service.reconcile.add_missing": JUDGED, "monitor.service.offers.accept": JUDGED,
    "monitor.service.offers.accept_all": JUDGED, "monitor.service.offers.dismiss": JUDGED,
    "monitor.service.importing.give": JUDGED, "monitor.service.importing.run": JUDGED,
    "monitor.service.reply_board.drop": GATES, "monitor.service.reply_board.release": GATES,
    "monitor.service.reply_board.stop": GATES, "monitor.service.reply_board.send_again": GATES,
    "monitor.service.sharepoint_board.ask": GATES, "monitor.service.sharepoint_board.decide": GATES,
}  # fmt: skip

# Of these nothing is written through a function of a service.
TELL = {
    "/alarms/test": "Whoever runs the installation tries its alarms with `tallybook alerts test`.",
    "/inbox/{conversation_id:int}/here": "Programs say it through the same function of the web.",
}


def acts(handler: HTTPRouteHandler) -> set[Callable[..., Any]]:
    """What a form does: whatever of it writes; of one that only looks or tells, all that it asks."""
    asked = {one for one in services(handler.fn, set()) if inspect.iscoroutinefunction(one)}
    return {one for one in asked if changes(one)} or asked


def test_each_act_of_a_page_has_an_api_that_does_it_by_the_same_function(app: App) -> None:
    by_programs: set[Callable[..., Any]] = set()
    by_pages: dict[str, set[str]] = {}
    silent: set[str] = set()
    for path, handler in handlers(app):
        if path.startswith("/api/"):
            reached(handler.fn, by_programs)
    for path, handler in handlers(app):
        if "POST" in handler.http_methods and not path.startswith("/api/"):
            done_there = acts(handler)
            silent |= set() if done_there else {path}
            for one in done_there:
                by_pages.setdefault(name_of(one), set()).add(path)
    assert len({path for paths in by_pages.values() for path in paths}) > 100
    done = {name_of(one) for one in by_programs}
    assert {name: paths for name, paths in by_pages.items() if name not in done and name not in WITHOUT} == {}
    assert set(WITHOUT) <= set(by_pages)
    assert silent == set(TELL)


def test_what_an_act_calls_is_seen_through_the_functions_between() -> None:
    assert changes(inbox_states.put)
    assert closing.close in reached(inbox_states_api.close.fn, set())
    assert not changes(customers.pair)
