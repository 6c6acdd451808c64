"""The whole web application before a test's own App, without the second of work that building it takes each time.

What is kept from test to test is what is the same in each: routes, the signatures of their handlers, compiled
templates. Whatever a test may change hangs on the App or on the framework's state, which are new each time.
"""

from __future__ import annotations

from litestar.datastructures import State

from tallybook.app import App
from tallybook.web import asgi, server
from tallybook.web.security import Guard

_built: dict[tuple[str, bool, bytes], Guard] = {}


def application(app: App) -> Guard:
    """As ``server.application`` makes it. The one before of the same kind serves this App from now on."""
    kind = (app.settings.env, app.settings.cookies_are_secure, app.secret_keys[0])
    if kind not in _built:
        _built[kind] = server.application(app)
    served = _built[kind].app
    served.state = State({"app": app, "pages": served.state.pages})
    return asgi.guarded(app, served)
