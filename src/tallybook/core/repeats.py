"""Which of a batch's messages were there already, so that whoever files them can say that they came again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from . import arrays
from .db import Conn
from .messages import Stored


class Repeat(msgspec.Struct, frozen=True, gc=False):
    """A message that came once more: the number of its row, its channel, and its kind."""

    id: int
    channel: str
    kind: str


# The sub-select hides the business from the planner, to which one newer than the statistics would look empty.
FIND = """
select m.id, m.channel, m.kind
from unnest(%(channel)s::text[], %(scope)s::text[], %(external_id)s::text[], %(kind)s::text[])
    as u (channel, scope, external_id, kind)
join messages m on m.business_id = (select %(business_id)s::int) and m.channel = u.channel and m.scope = u.scope
    and m.external_id = u.external_id and m.kind = u.kind
where m.id <> all(%(told)s::bigint[])
order by m.id
"""


async def of(conn: Conn, business_id: int, columns: Mapping[str, str], told: Iterable[Stored]) -> list[Repeat]:
    """Those of a batch, given by its ``columns``, that have a row and are none of those that are new or edited."""
    asked = {"business_id": business_id, "told": arrays.numbers(one.id for one in told), **columns}
    return [Repeat(*row) for row in await (await conn.execute(FIND, asked)).fetchall()]
