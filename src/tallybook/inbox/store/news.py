"""What channels told besides messages, in core's rows: listed by time, counted by kind."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tallybook.core import inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.news_rules import CHANNELS, HANDLED, UNREADABLE, WANTED, WEIGHED, News

_IN = ", ".join(f"'{one}'" for one in CHANNELS)
_NOT_IN = ", ".join(f"'{one}'" for one in sorted(HANDLED))
# As the index messages_news has it, to the letter: else it could not be used.
IS_NEWS = f"channel in ({_IN}) and kind not in ({_NOT_IN})"
# What cannot be read may be as large as a webhook: of such only the kind is shown.
LARGEST = 100_000  # bytes
_SEEN = """exists (select from inbox_news_seen s
    where s.business_id = m.business_id and s.message_id = m.id)"""
_COLUMNS = f"""id, channel, account, kind,
    case when said_at < '1970-01-02' then seen_at else least(said_at, seen_at) end, seen_at,
    coalesce(content->>'type', ''),
    case when kind <> '{UNREADABLE}' and pg_column_size(content) < {LARGEST} then (content->'as_sent')::text end"""


class Kind(msgspec.Struct, frozen=True):
    """How many of a kind there are, at how many of them somebody has still to look, and when the last came."""

    kind: str
    items: int
    new: int
    last_at: datetime


KINDS = f"""
select kind, count(*), count(*) filter (where kind = any(%(wanted)s::text[]) and not {_SEEN}), max(seen_at)
from messages m
where business_id = %(business_id)s::int and {IS_NEWS}
group by kind order by max(seen_at) desc, kind limit 200
"""


async def kinds(conn: Conn, business_id: int) -> list[Kind]:
    """The kinds of which something came, that of the newest first."""
    rows = await (await conn.execute(KINDS, {"business_id": business_id, "wanted": list(WANTED)})).fetchall()
    return [Kind(*row) for row in rows]


LATEST = f"""
select {_COLUMNS}, kind = any(%(wanted)s::text[]) and not {_SEEN} from messages m
where business_id = %(business_id)s::int and {IS_NEWS} and id < %(before)s::bigint
    and (%(kind)s::text is null or kind = %(kind)s::text)
order by id desc limit %(limit)s::int
"""


async def latest(conn: Conn, business_id: int, kind: str | None, before: int, limit: int) -> list[tuple[News, bool]]:
    """The newest before a row, of one kind or of all, each with whether somebody has still to look at it."""
    asked = {"business_id": business_id, "kind": kind, "before": before, "limit": limit, "wanted": list(WANTED)}
    return [(News(*row[:-1]), row[-1]) for row in await (await conn.execute(LATEST, asked)).fetchall()]


WHOLE = f"""
select content->'as_sent' from messages
where business_id = %(business_id)s::int and {IS_NEWS} and id = %(id)s::bigint
"""


async def whole(conn: Conn, business_id: int, news_id: int) -> tuple[object] | None:
    """One as it came; None where there is none."""
    return await (await conn.execute(WHOLE, {"business_id": business_id, "id": news_id})).fetchone()


WEIGHTY = f"""
select {_COLUMNS} from messages m
where business_id = %(business_id)s::int and {IS_NEWS} and kind = any(%(kinds)s::text[]) and not {_SEEN}
order by id desc limit %(limit)s::int
"""
UNREAD = f"""
select count(*), max(seen_at) from messages m
where business_id = %(business_id)s::int and {IS_NEWS} and kind = '{UNREADABLE}' and not {_SEEN}
"""


async def weighty(conn: Conn, business_id: int, limit: int) -> list[News]:
    """What may want a person and nobody has looked at, the newest first."""
    asked = {"business_id": business_id, "kinds": list(WEIGHED), "limit": limit}
    return [News(*row) for row in await (await conn.execute(WEIGHTY, asked)).fetchall()]


async def unread(conn: Conn, business_id: int) -> tuple[int, datetime | None]:
    """How many cannot be read and were not looked at, and when the last came."""
    row = await (await conn.execute(UNREAD, {"business_id": business_id})).fetchone()
    return (row[0], row[1]) if row else (0, None)


SEE = f"""
insert into inbox_news_seen (business_id, message_id)
select business_id, id from messages
where business_id = %(business_id)s::int and {IS_NEWS} and kind = any(%(wanted)s::text[]) and id <= %(upto)s::bigint
on conflict {inbox_keys.INBOX_NEWS_SEEN.target} do nothing
"""


async def see(conn: Conn, business_id: int, upto: int) -> int:
    """Says that somebody has looked at all up to a row; returns at how many nobody had."""
    asked = {"business_id": business_id, "upto": upto, "wanted": list(WANTED)}
    return (await conn.execute(SEE, asked)).rowcount
