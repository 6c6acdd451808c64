"""From what went wrong to the answer: the one place that knows statuses. JSON for programs, a page for people."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from prometheus_client import Counter

from tallybook.core import errors as core
from tallybook.core.marking import N_

from . import i18n, pages
from .answers import Fault, NotOk, wants_json

STATUS: dict[type[core.TallybookError], int] = {
    core.Invalid: 400,
    core.NotSignedIn: 401,
    core.NotAllowed: 403,
    core.NotFound: 404,
    core.Conflict: 409,
    core.TooLarge: 413,
    core.TooMany: 429,
    core.TimedOut: 504,
    core.Unavailable: 503,
    core.SourceUnreadable: 503,
    core.WrongSetup: 503,
}
CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
}
RETRY_AFTER = 5  # seconds, while the database is away
TOO_MANY, SERVER_ERROR, UNAVAILABLE = 429, 500, 503

unforeseen = Counter("tallybook_unforeseen_errors_total", "Requests that failed in a way nobody foresaw.", ["route"])
log = structlog.get_logger()


HEADINGS = {
    400: N_("That cannot be used as it is"),
    401: N_("Please log in"),
    403: N_("You may not do this"),
    404: N_("There is nothing here"),
    405: N_("That cannot be done here"),
    409: N_("Somebody was quicker"),
    413: N_("That is too large"),
    429: N_("Too many tries"),
    500: N_("Something went wrong on our side"),
    503: N_("The database is away"),
    504: N_("That takes longer than usual"),
}
MESSAGES = {
    400: N_("The request cannot be understood."),
    403: N_("This page is too old or came from elsewhere. Load it again, then repeat what you did."),
    404: N_("This address leads to nothing. What you look for may have been moved or removed."),
    405: N_("This address does not take that method."),
    413: N_("The request is larger than we take."),
    415: N_("The request's content type is not one that we take."),
    503: N_("Nothing that was received is lost. Please try again in a few seconds."),
}
WAIT = N_("Too many tries. Please wait {minutes} min and try again.")
UNFORESEEN = N_("Nothing was saved. If it happens again, tell whoever runs this the reference {reference}.")


def status_of(error: core.TallybookError) -> int:
    """The status of an error of ours, found by the nearest class in the table."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), SERVER_ERROR)


def answer(
    request: Request[Any, Any, Any], status: int, fault: Fault, headers: dict[str, str] | None = None
) -> Response[Any]:
    """An error as JSON or as a page."""
    headers = {"cache-control": "no-store"} | (headers or {})
    if wants_json(request):
        body = msgspec.json.encode(NotOk(fault), enc_hook=str)
        return Response(body, status_code=status, media_type=MediaType.JSON, headers=headers)
    words = i18n.words(pages.language_of(request))
    seconds = headers.get("retry-after") if status == TOO_MANY else None
    context = {
        "status": status,
        "code": fault.code,
        "heading": words.gettext(HEADINGS.get(status, HEADINGS[500])),
        "message": wait(request, int(seconds)) if seconds else words.gettext(fault.message),
        "details": fault.details,
    }
    text = request.app.state.pages.render(request, "error.html", context)
    return Response(text, status_code=status, media_type=MediaType.HTML, headers=headers)


def wait(request: Request[Any, Any, Any], seconds: int) -> str:
    """How long to wait, in the reader's language."""
    return i18n.words(pages.language_of(request)).gettext(WAIT).replace("{minutes}", str(-(-seconds // 60)))


def _ours(request: Request[Any, Any, Any], error: core.TallybookError) -> Response[Any]:
    status = status_of(error)
    headers = {}
    if isinstance(error, core.TooMany):
        headers["retry-after"] = str(error.retry_after)
    elif status == UNAVAILABLE:
        headers["retry-after"] = str(RETRY_AFTER)
    return answer(request, status, Fault(error.code, error.message, error.details), headers)


def _frameworks(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Litestar's own refusals. Their texts may repeat what was sent, so ours are shown instead."""
    status = error.status_code
    if status >= SERVER_ERROR:
        return _unforeseen(request, error)
    wrong = error.extra if isinstance(error.extra, list) else []
    fields = [part["key"] for part in wrong if isinstance(part, dict) and isinstance(part.get("key"), str)]
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    message = MESSAGES.get(status, MESSAGES[400])
    fault = Fault(CODES.get(status, "ERROR"), message, {"fields": fields} if fields else {})
    return answer(request, status, fault, headers)


def _database_away(request: Request[Any, Any, Any], error: psycopg.OperationalError) -> Response[Any]:
    if not request.app.state.app.db.is_away:
        log.warning(
            "The database cannot be used", kind=type(error).__name__, sqlstate=error.sqlstate, route=route(request)
        )
    return answer(request, 503, Fault("UNAVAILABLE", MESSAGES[503]), {"retry-after": str(RETRY_AFTER)})


def _unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Logged with where it happened but not with what was in it: an exception's text may hold what somebody wrote."""
    reference = secrets.token_hex(4)
    unforeseen.labels(route(request)).inc()
    log.error(
        "A request failed", reference=reference, route=route(request), kind=type(error).__name__, where=_where(error)
    )
    words = i18n.words(pages.language_of(request))
    message = words.gettext(UNFORESEEN).replace("{reference}", reference)
    return answer(request, 500, Fault("ERROR", message, {"reference": reference}))


def _where(error: BaseException) -> list[str]:
    """The last lines of code that the error passed through, without any value."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-6:]


def route(request: Request[Any, Any, Any]) -> str:
    """The path as its template, so that no number, name or phone in it is logged."""
    return str(request.scope.get("path_template") or "(none)")


HANDLERS: ExceptionHandlersMap = {
    core.TallybookError: _ours,
    HTTPException: _frameworks,
    psycopg.OperationalError: _database_away,
    Exception: _unforeseen,
}
