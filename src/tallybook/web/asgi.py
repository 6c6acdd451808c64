"""The web application: thin routes in one frame of authentication, cross-site guard, headers, limits and errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from tallybook.app import App

from . import account, errors, login, pages, schema, status, switching
from .auth import Authentication
from .security import MAX_BODY, CrossSiteGuard, Guard, csrf_config

A_YEAR = 31_536_000  # seconds
# For static files alone: a page is compressed where it is made, and a stream must not wait for a full block.
COMPRESSION = CompressionConfig(backend="gzip", minimum_size=1000)

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def build(app: App, handlers: Sequence[ControllerRouterHandler] = (), lifespan: Sequence[Lifespan] = ()) -> Guard:
    """The ASGI application of an opened App; ``handlers`` are the modules' routes, ``lifespan`` what runs beside them.

    A handler asks for ``app: App`` and finds the Caller in ``request.user``. Without ``opt={"open": True}`` it is
    reached by known callers alone.
    """
    return guarded(app, litestar(app, handlers, lifespan))


def guarded(app: App, served: Litestar) -> Guard:
    """The framework's part behind what guards every answer and every body, by the App's settings."""
    settings = app.settings
    guard = Guard(served, https=settings.cookies_are_secure, trusted=settings.trusted_proxies)
    guard.max_file = (settings.inbox_upload_mb + 1) * 1024 * 1024
    return guard


def litestar(app: App, handlers: Sequence[ControllerRouterHandler] = (), lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """The framework's part of it."""
    secure = app.settings.cookies_are_secure
    guard = DefineMiddleware(CrossSiteGuard, config=csrf_config(app.secret_keys[0], secure=secure))
    return Litestar(
        route_handlers=[*own_handlers(), *handlers],
        middleware=[Authentication(), guard],
        exception_handlers=errors.HANDLERS,
        dependencies={"app": Provide(app_of, sync_to_thread=False)},
        state=State({"app": app, "pages": pages.Pages(app.settings.env)}),
        openapi_config=schema.config(),
        request_max_body_size=MAX_BODY,
        lifespan=list(lifespan),
        logging_config=None,
    )


def app_of(state: State) -> App:
    """The App that a handler asks for."""
    app: App = state.app
    return app


def own_handlers() -> list[ControllerRouterHandler]:
    handlers: list[ControllerRouterHandler] = [
        *login.HANDLERS, *account.HANDLERS, *switching.HANDLERS, status.alive, status.ready, status.metrics,
    ]  # fmt: skip
    if folders := pages.static_folders():
        handlers.append(
            create_static_files_router(
                path="/static",
                directories=list(folders),
                opt={"open": True, "exclude_from_csrf": True},
                middleware=[DefineMiddleware(CompressionMiddleware, config=COMPRESSION)],
                cache_control=CacheControlHeader(public=True, max_age=A_YEAR, immutable=True),
            )
        )
    return handlers
