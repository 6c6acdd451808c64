"""SQL of an export of the list: the list's own statement, read through a cursor of the server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.types import Filters, ReviewRow

from .review_list import PAGE_OF_ANY_DAY, PAGE_OF_DAYS, has_days, page_parameters, row_of

BATCH = 1000

# A sub-select in the list of columns and no join, so that the rows stay in the list's order.
_COMMENT = "(select x.comment from qa_photo_reviews x where x.business_id = %(business_id)s and x.id = o.id)"
ROWS_OF_DAYS = f"select o.*, {_COMMENT} from ({PAGE_OF_DAYS}) o"
ROWS_OF_ANY_DAY = f"select o.*, {_COMMENT} from ({PAGE_OF_ANY_DAY}) o"


class ExportRow(msgspec.Struct, frozen=True):
    """A row of the list, with what a list has no room for."""

    row: ReviewRow
    comment: str


async def rows(conn: Conn, business: Business, filters: Filters, limit: int) -> AsyncGenerator[list[ExportRow], None]:
    """The filtered rows in the list's order, a thousand at a time, as they were when the first were read."""
    values = page_parameters(business, filters, None, limit)
    async with conn.cursor(name="export_reviews") as cursor:
        if has_days(filters):
            await cursor.execute(ROWS_OF_DAYS, values)
        else:
            await cursor.execute(ROWS_OF_ANY_DAY, values)
        while found := await cursor.fetchmany(BATCH):
            yield [ExportRow(row_of(row[:-1]), row[-1] or "") for row in found]
