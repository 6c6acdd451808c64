"""From one of one's businesses to another, in the same session."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Response, post
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tallybook.core import sessions

from . import auth
from .needs import Asked, TheApp


class SwitchForm(msgspec.Struct):
    business: int
    next: str = ""


@post("/business", opt={"any_business": True}, include_in_schema=False)
async def switch_business(request: Asked, app: TheApp, data: URLEncodedBody[SwitchForm]) -> Response[Any]:
    """Leads to the same place in the other business: to the list and not to a row, which is the first business's."""
    await app.db.run("switch business", lambda conn: sessions.switch(conn, request.user, data.business))
    place = urlsplit(auth.safe_next(data.next)).path.split("/")[1]
    return Redirect(f"/{place}", status_code=303)


HANDLERS = [switch_business]
