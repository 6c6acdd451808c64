"""One customer's data as a download: made whole first, then sent, and gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from litestar import get
from litestar.params import FromPath
from litestar.response import Stream

from tallybook import customer_files
from tallybook.app import App
from tallybook.core.callers import Right, require
from tallybook.core.table_files import chunks
from tallybook.inbox.service import exporting

from .inbox_view import PATH
from .needs import Asked, TheApp

TYPE = "application/zip"


@get(PATH + "/{conversation_id:int}/export", include_in_schema=False)
async def export_page(request: Asked, app: TheApp, conversation_id: FromPath[int]) -> Stream:
    """Everything that is known of the customer of a thread."""
    require(request.user, Right.LEAD)
    return await _sent(app, request, str(conversation_id))


@get("/api/inbox/threads/{thread_id:str}/export", tags=["Inbox"], media_type=TYPE)
async def export_api(request: Asked, app: TheApp, thread_id: FromPath[str]) -> Stream:
    """Everything that is known of the customer of a thread, as a ZIP of JSON and CSV with their files.

    The thread is named by its number, its canonical key, or a phone in any format. For who may lead. 404 outside the
    business.
    """
    require(request.user, Right.LEAD)
    return await _sent(app, request, thread_id)


async def _sent(app: App, request: Asked, ref: str) -> Stream:
    stack = AsyncExitStack()
    path = await stack.enter_async_context(
        exporting.exported(app.db, request.user, ref, customer_files.erased(app.settings))
    )

    async def pieces() -> AsyncIterator[bytes]:
        async with stack:
            async for piece in chunks(path):
                yield piece

    return Stream(
        pieces(),
        media_type=TYPE,
        headers={
            "content-disposition": 'attachment; filename="contact.zip"',
            "content-length": str(path.stat().st_size),
            "cache-control": "no-store",
        },
    )


HANDLERS = [export_page, export_api]
