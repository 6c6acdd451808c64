"""Who is asking: a session's cookie or an API token becomes a Caller, with one query. Nobody else gets in."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.middleware import ASGIMiddleware
from litestar.response import Redirect, Response
from litestar.types import ASGIApp, Receive, Scope, Send

from tallybook.app import App
from tallybook.core import api_tokens, sessions
from tallybook.core.callers import Caller
from tallybook.core.db import Database
from tallybook.core.errors import NotAllowed, NotSignedIn

from .answers import is_partial, wants_json
from .proxies import Origin, origin

HOME = "/wa-monitor"
LOGIN = "/login"
ACCOUNT = "/account"
SESSION_DAYS = sessions.LONGEST_DAYS
MAX_NEXT = 2000  # characters
# Where somebody may go whose password waits to be changed.
BEFORE_CHANGE = ("/account", "/account/password", "/logout", "/language", "/theme")


class PasswordMustChange(NotAllowed):
    """The one-time password has not been changed yet."""

    code = "PASSWORD_MUST_CHANGE"


def cookie_name(*, secure: bool) -> str:
    """A cookie of a secure site can be set by that site alone."""
    return "__Host-session" if secure else "tallybook_session"


def session_cookie(app: App, token: str | None) -> Cookie:
    """The cookie that holds a session, or the one that takes it away."""
    secure = app.settings.cookies_are_secure
    return Cookie(
        key=cookie_name(secure=secure),
        value=token or "",
        path="/",
        max_age=SESSION_DAYS * 86400 if token else 0,
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def session_token(app: App, connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    return connection.cookies.get(cookie_name(secure=app.settings.cookies_are_secure)) or None


async def identify(
    app: App, connection: ASGIConnection[Any, Any, Any, Any], db: Database | None = None
) -> tuple[Caller | None, str | None]:
    """Who asks, and by what: ``token`` or ``session``. A request with an Authorization header stands on that alone.

    Both are None for nobody known: only a token that holds may switch the cross-site guard off. Not tried again when
    the database is away: the pool has waited for it already, and a person waits too. ``db`` is the application's own,
    or that which does not wait.
    """
    db = db or app.db
    given = connection.headers.get("authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            return None, None
        async with db.transaction() as conn:
            holder = await api_tokens.resolve(conn, token.strip())
        return holder, "token" if holder else None
    cookie = session_token(app, connection)
    if cookie is None:
        return None, None

    async with db.transaction() as conn:
        caller = await sessions.resolve(conn, cookie)
    return caller, "session" if caller else None


class Authentication(ASGIMiddleware):
    """Puts the Caller into ``request.user``, or turns the request away. Routes with ``open`` in their ``opt`` pass.

    An open route that wants to know the caller all the same says ``open="known"``. One that has an answer while the
    database is away has a function in ``away``, which must find out by itself whether the asker may have it.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        connection: Request[Any, Any, Any] = Request(scope)
        app: App = connection.app.state.app
        scope["user"], scope["auth"] = None, None
        openness = scope["route_handler"].opt.get("open")
        if openness is not True and connection.method != "OPTIONS":
            try:
                db = app.db.at_once if scope["route_handler"].opt.get("away") else app.db
                scope["user"], scope["auth"] = await identify(app, connection, db)
            except psycopg.OperationalError:
                answered = await _while_away(connection)
                if answered is None:
                    raise
                await answered.to_asgi_response(app=None, request=connection)(scope, receive, send)
                return
            if openness is None and (elsewhere := _turned_away(connection, scope["user"])) is not None:
                await elsewhere.to_asgi_response(app=None, request=connection)(scope, receive, send)
                return
        await next_app(scope, receive, send)


async def _while_away(connection: Request[Any, Any, Any]) -> Response[Any] | None:
    """What a route answers while nobody can be asked who somebody is, where it has an answer for that."""
    answers = connection.scope["route_handler"].opt.get("away")
    found: Response[Any] | None = await answers(connection) if answers is not None else None
    return found


def _turned_away(connection: Request[Any, Any, Any], caller: Caller | None) -> Response[Any] | None:
    """The way to the login, or to the change of the password. Raises for programs; None for who may go on."""
    if caller is None:
        if wants_json(connection):
            raise NotSignedIn("Please log in, or send an API token as “Authorization: Bearer tb_…”.")
        return _go(connection, login_address(connection))
    if caller.must_change and connection.scope.get("path_template") not in BEFORE_CHANGE:
        if wants_json(connection):
            raise PasswordMustChange("Change the one-time password first.")
        return _go(connection, ACCOUNT)
    return None


def login_address(connection: Request[Any, Any, Any]) -> str:
    """The login page, coming back here afterwards: to the page that was open, when a part or a form was sent."""
    if connection.method == "GET" and not is_partial(connection):
        query = connection.scope["query_string"].decode("latin-1")
        target = connection.scope["path"] + (f"?{query}" if query else "")
    else:
        shown = urlsplit(connection.headers.get("hx-current-url") or connection.headers.get("referer") or "")
        target = shown.path + (f"?{shown.query}" if shown.query else "")
    return f"{LOGIN}?next={quote(safe_next(target), safe='/')}"


def safe_next(target: str | None) -> str:
    """A path of our own to go to, whatever was asked for. Pure.

    Browsers read a backslash as a slash, ``//`` as another host, and skip control characters and tabs.
    """
    if (
        not target
        or len(target) > MAX_NEXT
        or not target.startswith("/")
        or target.startswith("//")
        or "\\" in target
        or not target.isprintable()
        or " " in target
    ):
        return HOME
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path in {LOGIN, "/logout"}:
        return HOME
    return quote(target, safe="/?&=%:@!$'()*+,;~-._[]")


def _go(connection: Request[Any, Any, Any], path: str) -> Response[Any]:
    """A redirect; for a part of a page one that moves the whole page."""
    headers = {"cache-control": "no-store", "vary": "cookie, hx-request"}
    if is_partial(connection):
        return Response(b"", status_code=401, headers=headers | {"hx-redirect": path})
    return Redirect(path, status_code=303, headers=headers)


def origin_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Origin:
    """From where the request comes, as far as it can be believed."""
    app: App = connection.app.state.app
    peer = connection.client.host if connection.client else ""
    return origin(peer, connection.scope["headers"], app.settings.trusted_proxies)


def client_address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The address by which tries to log in are counted."""
    return origin_of(connection).address


def is_local(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether a program on this machine asks for itself, and not for somebody elsewhere."""
    return origin_of(connection).local
