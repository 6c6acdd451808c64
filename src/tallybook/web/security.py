"""What guards every answer and every body, whatever handler it comes from; and requests made by other sites."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Request
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import HttpMethod, ScopeType
from litestar.middleware.csrf import CSRFMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState
from prometheus_client import Histogram

from tallybook.core.errors import Conflict, NotAllowed, TooLarge

from .page_tokens import business_of, unmasked
from .proxies import Network, origin

MAX_BODY = 1_000_000  # bytes
LENGTH_DIGITS = 18  # of an announced length that is read at all: int() of a long text has a cost
MAX_UPLOAD = 5_100_000  # bytes: a spreadsheet and the form around it
MAX_FILE = 105_000_000  # bytes: the largest file that WhatsApp takes and the form around it
FORM = "multipart/form-data"
FILES = re.compile(r"/inbox/[0-9]{1,18}/file|/api/crm/threads/[^/]{1,300}/message")
UPLOADS = frozenset({
    "/wa-monitor/reconcile", "/wa-monitor/validation/imports", "/inbox/bot/answers/file",
    "/inbox/bot/answers/file/write", "/api/inbox/bot/answers/file", "/api/inbox/bot/answers/file/look",
})  # fmt: skip
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    "x-frame-options": "DENY",
}
HSTS = "max-age=31536000"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KNOWN_METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}

took = Histogram("tallybook_request_seconds", "Time to answer a request.", ["route", "method", "status"])
log = structlog.get_logger()


class Guard:
    """The outermost layer: headers on every answer, a limit on every body, a line in the log for every request."""

    max_file = MAX_UPLOAD  # bytes of a request with a file to a customer

    def __init__(self, app: ASGIApp, *, https: bool, trusted: Sequence[Network] = (), max_body: int = MAX_BODY) -> None:
        self.app = app
        self.headers = HEADERS | ({"strict-transport-security": HSTS} if https else {})
        self.trusted = trusted
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        began, answer = time.perf_counter(), Answer(send, self.headers)
        peer = scope["client"][0] if scope["client"] else ""
        if (https := origin(peer, scope["headers"], self.trusted).https) is not None:
            scope["scheme"] = "https" if https else "http"
        receive = limited(scope, receive, self._most(scope))
        method = str(scope["method"])
        if method == "HEAD":
            scope["method"] = HttpMethod.GET
            answer, receive = HeadAnswer(send, self.headers), answer_only(receive)
        try:
            await self.app(scope, receive, answer)
        finally:
            _note(str(scope.get("path_template") or "(none)"), method, answer.status, time.perf_counter() - began)

    def _most(self, scope: Scope) -> int:
        """How long a body may be."""
        path = scope["path"]
        if FILES.fullmatch(path) and _is_form(scope):
            return max(self.max_body, self.max_file)
        return max(self.max_body, MAX_UPLOAD) if path in UPLOADS else self.max_body


def _is_form(scope: Scope) -> bool:
    """Whether the body is one that can hold a file, whichever of its headers one believes."""
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return bool(kinds) and all(kind.startswith(FORM.encode()) for kind in kinds)


class Answer:
    """``send``, adding the headers that an answer does not bring itself."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self.send = send
        self.headers = headers
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableScopeHeaders.from_message(message)
            for name, value in self.headers.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await self.send(message)


class HeadAnswer(Answer):
    """The answer to a GET without its body, for HEAD."""

    ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await super().__call__(message)
        elif message["type"] == "http.response.body" and not self.ended:
            self.ended = True
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})


def answer_only(receive: Receive) -> Receive:
    """``receive`` for HEAD: an empty body, then the end of the connection, so that an endless answer ends."""
    asked = False

    async def receive_once() -> Any:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return await receive()

    return receive_once


def refuse_announced(scope: Scope, most: int) -> None:
    """Raises TooLarge where the body is announced as longer than ``most`` bytes; others are counted as they come."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and (len(announced) > LENGTH_DIGITS or int(announced) > most):
        raise too_large(most)


def too_large(most: int) -> TooLarge:
    """What is told of a body of more than ``most`` bytes."""
    return TooLarge(f"We take at most {most} bytes at once.", limit=most)


def part_in(message: Any) -> bytes:
    """What a message of the server brings of the body."""
    part: bytes = message.get("body", b"")
    return part


def limited(scope: Scope, receive: Receive, most: int) -> Receive:
    """``receive``, raising TooLarge as soon as the body is announced or found to be longer than ``most`` bytes."""
    so_far = 0

    async def limited_receive() -> Any:
        nonlocal so_far
        refuse_announced(scope, most)
        message = await receive()
        so_far += len(part_in(message))
        if so_far > most:
            raise too_large(most)
        return message

    return limited_receive


def _note(path: str, method: str, status: int, seconds: float) -> None:
    method = method if method in KNOWN_METHODS else "OTHER"
    took.labels(path, method, str(status)).observe(seconds)
    log.debug("Answered", route=path, method=method, status=status, ms=round(seconds * 1000, 1))


def csrf_config(key: bytes, *, secure: bool) -> CSRFConfig:
    """The double cookie. Scripts get the token from the page, so the cookie is closed to them."""
    return CSRFConfig(
        secret=key.hex(),
        cookie_name="__Host-csrf" if secure else "tallybook_csrf",
        cookie_secure=secure,
        cookie_httponly=True,
        cookie_samesite="lax",
        exclude_from_csrf_key="exclude_from_csrf",
    )


class CrossSiteGuard(CSRFMiddleware):
    """Refuses what another site makes a browser send. An API token cannot be sent that way, so it needs no proof.

    Must stand behind the authentication: only a request that was let in by its token is exempt.
    """

    def __init__(self, app: ASGIApp, config: CSRFConfig) -> None:
        super().__init__(app, config)
        self.guarded, self.app = app, self._in_its_business

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("auth") == "token":
            await self.guarded(scope, receive, send)
            return
        if str(scope.get("method")) not in SAFE_METHODS and _site(scope) not in {b"", b"same-origin", b"none"}:
            raise NotAllowed("This request came from another site.")
        self._forget_what_is_not_ours(scope)
        await super().__call__(scope, receive, send)

    def _forget_what_is_not_ours(self, scope: Scope) -> None:
        """A cookie signed with a key that is gone is replaced, or no form would ever be taken again."""
        cookies = Request[Any, Any, Any](scope).cookies
        cookie = cookies.get(self.config.cookie_name)
        if cookie is not None and self._decode_csrf_token(cookie) is None:
            del cookies[self.config.cookie_name]

    def _csrf_tokens_match(self, request_csrf_token: str, cookie_csrf_token: str) -> bool:
        return super()._csrf_tokens_match(unmasked(request_csrf_token), cookie_csrf_token)

    async def _in_its_business(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What was filled in for one business is not written into another, to which another tab has gone meanwhile."""
        caller, token = scope.get("user"), ScopeState.from_scope(scope).csrf_token
        shown_for = business_of(token) if isinstance(token, str) else None
        anywhere = scope["route_handler"].opt.get("any_business")
        if caller is not None and shown_for not in {None, caller.business_id} and not anywhere:
            raise Conflict("This page shows another business than the one you are in now. Load it again.")
        await self.guarded(scope, receive, send)


def _site(scope: Scope) -> bytes:
    """Where the browser says that the request comes from; nothing where it is too old to say."""
    return next((value for name, value in scope["headers"] if name == b"sec-fetch-site"), b"")
