"""Businesses, people and tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from tallybook.core import api_tokens, businesses, login_limits, people
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Role, Scope
from tallybook.core.db import Conn
from tallybook.core.people import NewPerson

from .opening import Env, Json, opened, run, say

user = typer.Typer(no_args_is_help=True, help="People who may log in.")
token = typer.Typer(no_args_is_help=True, help="Tokens for programs.")
business = typer.Typer(no_args_is_help=True, help="The businesses of this installation.")

Named = Annotated[str | None, typer.Option("--business", help="Needed where there are several.")]


async def _at_the_desk(conn: Conn, name: str | None) -> tuple[Business, Caller]:
    found = await businesses.find(conn, name)
    return found, people.command_line(found.id)


@user.command("add")
def add_user(
    login: str,
    name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.REVIEWER,
    business: Named = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Add a person; prints a one-time password, which they change when they first log in."""

    async def work() -> str | None:
        async with opened(env) as app:

            async def add(conn: Conn) -> str | None:
                _, caller = await _at_the_desk(conn, business)
                return (await people.add_person(conn, app.passwords, caller, NewPerson(login, name or login, role)))[1]

            return await app.db.run("add person", add)

    password = run(work())
    known = "They log in with the password they have."
    say(
        {"login": login, "password": password},
        f"{login} may log in as {role}. " + (f"One-time password: {password}" if password else known),
        as_json=as_json,
    )


@user.command("let-in")
def let_in(login: str, env: Env = None, as_json: Json = False) -> None:
    """Forget the wrong passwords that were tried for a name, so that its owner need not wait."""

    async def work() -> int:
        async with opened(env) as app:
            return await app.db.run("let in", lambda conn: login_limits.forget(conn, app.limits, login))

    forgotten = run(work())
    said = f"{forgotten} wrong passwords for {login} are forgotten; whoever has the right one may log in now."
    if not forgotten:
        said = f"No wrong password was tried for {login} lately. Is the name spelled right?"
    say({"login": login, "forgotten": forgotten}, said, as_json=as_json)


@token.command("create")
def create_token(
    name: str,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be given several times.")] = None,
    business: Named = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Create a token for a program. It is shown this once and stored only as a hash."""

    async def work() -> str:
        async with opened(env) as app:

            async def create(conn: Conn) -> str:
                _, caller = await _at_the_desk(conn, business)
                return await api_tokens.create(conn, caller, name, frozenset(scope or [Scope.READ]))

            return await app.db.run("create token", create)

    secret = run(work())
    say({"name": name, "token": secret}, f"{secret}\nKeep it now: it is not shown again.", as_json=as_json)


@business.command("add")
def add_business(
    name: str,
    timezone: Annotated[str, typer.Option("--timezone", help="The zone of its dates, such as Africa/Johannesburg.")],
    locale: Annotated[str, typer.Option(help="Its language: en or he.")] = "en",
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Add a business."""

    async def work() -> Business:
        async with opened(env) as app:
            return await app.db.run("add business", lambda conn: businesses.add(conn, name, timezone, locale))

    added = run(work())
    say({"id": added.id, "name": added.name}, f"{added.name} is business {added.id}.", as_json=as_json)
