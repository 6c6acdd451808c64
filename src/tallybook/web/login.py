"""Logging in and out, and the language and theme, which even somebody unknown may choose.

``login.html`` has ``form``: a LoginPage.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tallybook.core import accounts, sessions
from tallybook.core.accounts import Login
from tallybook.core.businesses import LOCALES
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid, NotSignedIn, TooMany

from . import auth
from .errors import wait
from .needs import Asked, TheApp
from .pages import LANGUAGE_COOKIE, page

YEAR = 365 * 86400  # seconds


class LoginForm(msgspec.Struct):
    login: str = ""
    password: str = ""
    next: str = ""

    def __repr__(self) -> str:
        return "LoginForm(…)"


class LoginPage(msgspec.Struct, frozen=True):
    """What the page shows: the name is kept on a failure, the password never."""

    next: str
    login: str = ""
    error: str | None = None


class LanguageForm(msgspec.Struct):
    locale: str
    next: str = ""


class ThemeForm(msgspec.Struct):
    theme: str
    next: str = ""


@get("/", include_in_schema=False)
async def home() -> Redirect:
    return Redirect(auth.HOME, status_code=303)


@get(auth.LOGIN, opt={"open": "known"}, include_in_schema=False)
async def login_page(request: Asked) -> Response[Any]:
    target = auth.safe_next(request.query_params.get("next"))
    if request.user is not None:
        return Redirect(target, status_code=303)
    return page(request, "login.html", {"form": LoginPage(target)})


@post(auth.LOGIN, opt={"open": True}, include_in_schema=False)
async def log_in(request: Asked, app: TheApp, data: URLEncodedBody[LoginForm]) -> Response[Any]:
    """Starts a new session, whatever cookie came along, and ends the one of that cookie."""
    target = auth.safe_next(data.next)
    tried = Login(data.login, data.password, auth.client_address(request))
    try:
        token = await accounts.log_in(app.db, app.passwords, app.limits, tried)
    except (NotSignedIn, TooMany) as error:
        if isinstance(error, NotSignedIn):
            shown = LoginPage(target, data.login[:100], error.message)
            return page(request, "login.html", {"form": shown}, 401)
        shown = LoginPage(target, data.login[:100], wait(request, error.retry_after))
        answer = page(request, "login.html", {"form": shown}, 429)
        answer.headers["retry-after"] = str(error.retry_after)
        return answer
    await _end_session_of_cookie(request, app)
    return Redirect(target, status_code=303, cookies=[auth.session_cookie(app, token)])


@post("/logout", opt={"open": True}, include_in_schema=False)
async def log_out(request: Asked, app: TheApp) -> Response[Any]:
    await _end_session_of_cookie(request, app)
    return Redirect(auth.LOGIN, status_code=303, cookies=[auth.session_cookie(app, None)])


async def _end_session_of_cookie(request: Asked, app: TheApp) -> None:
    token = auth.session_token(app, request)
    if token is None:
        return

    async def end(conn: Conn) -> None:
        await sessions.end_token(conn, token)

    await app.db.run("end session", end)


@post("/language", opt={"open": "known", "any_business": True}, include_in_schema=False)
async def set_language(request: Asked, app: TheApp, data: URLEncodedBody[LanguageForm]) -> Response[Any]:
    """The reader's language: in a cookie for anybody, in the account for who has one."""
    if data.locale not in LOCALES:
        raise Invalid("There is no such language.")
    caller = request.user
    if caller is not None and caller.account_id is not None:
        await app.db.run("set language", lambda c: accounts.set_preferences(c, caller, data.locale, caller.theme))
    cookie = Cookie(
        key=LANGUAGE_COOKIE, value=data.locale, path="/", max_age=YEAR, httponly=True, samesite="lax",
        secure=app.settings.cookies_are_secure,
    )  # fmt: skip
    return Redirect(auth.safe_next(data.next), status_code=303, cookies=[cookie])


@post("/theme", opt={"any_business": True}, include_in_schema=False)
async def set_theme(request: Asked, app: TheApp, data: URLEncodedBody[ThemeForm]) -> Response[Any]:
    caller = request.user
    await app.db.run("set theme", lambda conn: accounts.set_preferences(conn, caller, caller.locale, data.theme))
    return Redirect(auth.safe_next(data.next), status_code=303)


HANDLERS = [home, login_page, log_in, log_out, set_language, set_theme]
