"""One's own account, and for admins the people and API tokens of the business.

``account.html`` has ``account``: an AccountPage.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from tallybook.core import accounts, api_tokens, people, sessions
from tallybook.core.accounts import PasswordChange
from tallybook.core.api_tokens import ApiToken
from tallybook.core.callers import Caller, Right, Role, Scope, may
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, TallybookError
from tallybook.core.people import NewPerson, Person
from tallybook.core.sessions import LiveSession

from . import auth
from .errors import status_of
from .needs import Asked, TheApp
from .pages import page


class AccountPage(msgspec.Struct, frozen=True):
    """What the page shows.

    ``people`` and ``tokens`` are None for who may not administer. ``new_token`` and ``one_time`` are shown this once.
    ``problem`` belongs to the form named ``form`` (password, token, person), whose ``typed`` values are kept.
    """

    must_change: bool
    sessions: list[LiveSession]
    this_session: str | None
    people: list[Person] | None = None
    tokens: list[ApiToken] | None = None
    roles: tuple[Role, ...] = tuple(Role)
    scopes: tuple[Scope, ...] = tuple(Scope)
    new_token: str | None = None
    one_time: str | None = None
    one_time_for: str | None = None
    saved: str | None = None
    form: str | None = None
    problem: str | None = None
    typed: dict[str, Any] = {}


class PasswordForm(msgspec.Struct):
    old: str = ""
    new: str = ""

    def __repr__(self) -> str:
        return "PasswordForm(…)"


class SessionForm(msgspec.Struct):
    handle: str


class TokenForm(msgspec.Struct):
    name: str = ""
    # One ticked box arrives as a value, several as a list.
    scopes: Scope | list[Scope] = []

    @property
    def asked(self) -> frozenset[Scope]:
        return frozenset([self.scopes] if isinstance(self.scopes, Scope) else self.scopes)


class PersonForm(msgspec.Struct):
    login: str = ""
    name: str = ""
    role: Role = Role.REVIEWER


class RoleForm(msgspec.Struct):
    role: Role


class ActiveForm(msgspec.Struct):
    active: bool


async def show(request: Asked, app: TheApp, changes: dict[str, Any] | None = None, status: int = 200) -> Response[Any]:
    """The page as it stands now, with what a form just did or why it did not."""
    caller: Caller = request.user

    async def read(conn: Conn) -> AccountPage:
        seen = AccountPage(
            must_change=caller.must_change,
            sessions=await sessions.live(conn, caller.account_id) if caller.account_id is not None else [],
            this_session=caller.session,
        )
        if not may(caller, Right.ADMINISTER):
            return seen
        return msgspec.structs.replace(
            seen,
            people=await people.people(conn, caller.business_id),
            tokens=await api_tokens.listed(conn, caller.business_id),
        )

    seen = msgspec.structs.replace(await app.db.run("read account", read), **(changes or {}))
    return page(request, "account.html", {"account": seen}, status)


async def refused(
    request: Asked, app: TheApp, form: str, error: TallybookError, typed: dict[str, Any] | None = None
) -> Response[Any]:
    """The page with the form as it was sent and what is wrong with it."""
    return await show(request, app, {"form": form, "problem": error.message, "typed": typed or {}}, status_of(error))


def back() -> Redirect:
    return Redirect(auth.ACCOUNT, status_code=303)


@get(auth.ACCOUNT, include_in_schema=False)
async def account_page(request: Asked, app: TheApp) -> Response[Any]:
    return await show(request, app)


@post("/account/password", include_in_schema=False)
async def change_password(request: Asked, app: TheApp, data: URLEncodedBody[PasswordForm]) -> Response[Any]:
    """All other sessions of the account end with the old password."""
    change = PasswordChange(data.old, data.new, auth.client_address(request))
    try:
        await accounts.change_password(app.db, app.passwords, app.limits, request.user, change)
    except (Invalid, Conflict) as error:
        return await refused(request, app, "password", error)
    if request.user.must_change:
        return Redirect(auth.HOME, status_code=303)
    return await show(request, app, {"saved": "password"})


@post("/account/sessions/end", include_in_schema=False)
async def end_session(request: Asked, app: TheApp, data: URLEncodedBody[SessionForm]) -> Response[Any]:
    await app.db.run("end session", lambda conn: sessions.end(conn, request.user, data.handle))
    return back()


@post("/account/tokens", include_in_schema=False)
async def create_token(request: Asked, app: TheApp, data: URLEncodedBody[TokenForm]) -> Response[Any]:
    """Answers with the token in the page, for the only time."""
    work = api_tokens.create
    try:
        made = await app.db.run("create token", lambda conn: work(conn, request.user, data.name, data.asked))
    except Invalid as error:
        return await refused(request, app, "token", error, {"name": data.name, "scopes": sorted(data.asked)})
    return await show(request, app, {"new_token": made})


@post("/account/tokens/{token_id:int}/revoke", include_in_schema=False)
async def revoke_token(request: Asked, app: TheApp, token_id: FromPath[int]) -> Response[Any]:
    await app.db.run("revoke token", lambda conn: api_tokens.revoke(conn, request.user, token_id))
    return back()


@post("/account/people", include_in_schema=False)
async def add_person(request: Asked, app: TheApp, data: URLEncodedBody[PersonForm]) -> Response[Any]:
    """Answers with the one-time password in the page, for the only time."""
    new = NewPerson(data.login, data.name, data.role)
    try:
        _, once = await app.db.run("add person", lambda c: people.add_person(c, app.passwords, request.user, new))
    except (Invalid, Conflict) as error:
        return await refused(request, app, "person", error, msgspec.structs.asdict(data))
    return await show(request, app, {"one_time": once, "one_time_for": data.name.strip()})


@post("/account/people/{account_id:int}/role", include_in_schema=False)
async def set_role(
    request: Asked, app: TheApp, account_id: FromPath[int], data: URLEncodedBody[RoleForm]
) -> Response[Any]:
    await app.db.run("set role", lambda conn: people.set_role(conn, request.user, account_id, data.role))
    return back()


@post("/account/people/{account_id:int}/remove", include_in_schema=False)
async def remove_person(request: Asked, app: TheApp, account_id: FromPath[int]) -> Response[Any]:
    await app.db.run("remove person", lambda conn: people.remove_person(conn, request.user, account_id))
    return back()


@post("/account/people/{account_id:int}/active", include_in_schema=False)
async def set_active(
    request: Asked, app: TheApp, account_id: FromPath[int], data: URLEncodedBody[ActiveForm]
) -> Response[Any]:
    work = people.set_active
    await app.db.run("set active", lambda conn: work(conn, request.user, account_id, active=data.active))
    return back()


@post("/account/people/{account_id:int}/reset", include_in_schema=False)
async def reset_password(request: Asked, app: TheApp, account_id: FromPath[int]) -> Response[Any]:
    """Answers with the one-time password in the page, for the only time."""
    work = people.reset_password
    once = await app.db.run("reset password", lambda conn: work(conn, app.passwords, request.user, account_id))
    return await show(request, app, {"one_time": once})


HANDLERS = [
    account_page, change_password, end_session, create_token, revoke_token, add_person, set_role, remove_person,
    set_active, reset_password,
]  # fmt: skip
