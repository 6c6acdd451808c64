"""For machines that watch: is the process alive, is it ready, what does it count."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from litestar import MediaType, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tallybook.core import doctor_figures, doctor_runs
from tallybook.core.callers import Right, require
from tallybook.core.errors import NotSignedIn, Unavailable, WrongSetup
from tallybook.core.health import DATABASE_WAIT
from tallybook.core.revisions import check_current

from . import auth
from .needs import Asked, TheApp


@get("/healthz", opt={"open": True}, include_in_schema=False, media_type=MediaType.TEXT)
async def alive() -> str:
    """The process lives. Says nothing about anything else; see ``/readyz`` and ``/health``."""
    return "ok"


@get("/readyz", opt={"open": True}, include_in_schema=False, media_type=MediaType.TEXT)
async def ready(app: TheApp) -> str:
    """The database can be reached and has the schema of this release; else 503."""
    try:
        async with app.db.transaction(DATABASE_WAIT) as conn:
            await check_current(conn)
    except WrongSetup as error:
        raise Unavailable(error.message) from error
    except psycopg.Error as error:
        raise Unavailable("The database cannot be reached.") from error
    return "ok"


@get("/metrics", opt={"open": True}, include_in_schema=False)
async def metrics(request: Asked, app: TheApp) -> Response[bytes]:
    """Prometheus. Open to this machine; anybody else needs a token or a session of an admin."""
    if not auth.is_local(request):
        caller, _ = await auth.identify(app, request)
        if caller is None:
            raise NotSignedIn("Metrics need an API token with the scope admin.")
        require(caller, Right.ADMINISTER)
    with suppress(psycopg.Error):  # while the database is away they say what they last said
        async with app.db.transaction(DATABASE_WAIT) as conn:
            runs = await doctor_runs.newest(conn, 1)
        doctor_figures.show(runs[0] if runs else None)
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})
