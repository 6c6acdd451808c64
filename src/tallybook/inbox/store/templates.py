"""SQL of templates: what WhatsApp lists, what it tells of one on its own, and when each account was last asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays, inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.template_types import Component, Listed, News, Template


class Sync(msgspec.Struct, frozen=True):
    """When a business account was last asked for its templates, and what came of it; ``reason`` where nothing did."""

    waba: str
    asked_at: datetime
    done_at: datetime | None
    templates: int
    accounts: list[str]
    reason: str


_COLUMNS = """t.id, t.waba, t.name, t.language, t.status, t.category, t.named, t.components, t.quality, t.reason,
    t.told_at, t.gone_at is not null"""
EVERY = f"""
select {_COLUMNS} from inbox_templates t
where t.business_id = %(business_id)s::int and (%(wabas)s::text[] is null or t.waba = any(%(wabas)s::text[]))
order by t.gone_at is not null, t.name, t.language, t.waba
"""
ONE = f"""
select {_COLUMNS} from inbox_templates t where t.business_id = %(business_id)s::int and t.id = %(id)s::bigint
"""
NAMED = f"""
select {_COLUMNS} from inbox_templates t where t.business_id = %(business_id)s::int and t.name = %(name)s::text
    and t.language = %(language)s::text and (%(wabas)s::text[] is null or t.waba = any(%(wabas)s::text[]))
order by t.gone_at is not null, t.waba limit 1
"""


async def every(conn: Conn, business_id: int, wabas: Sequence[str] | None = None) -> list[Template]:
    """The templates of a business, or of some of its accounts; those that are gone last."""
    asked = {"business_id": business_id, "wabas": list(wabas) if wabas is not None else None}
    return [_template(row) for row in await (await conn.execute(EVERY, asked)).fetchall()]


async def one(conn: Conn, business_id: int, template_id: int) -> Template | None:
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": template_id})).fetchone()
    return _template(row) if row else None


async def named(
    conn: Conn, business_id: int, name: str, language: str, wabas: Sequence[str] | None = None
) -> Template | None:
    """The template of this name and language, of one of the accounts."""
    asked = {
        "business_id": business_id, "name": name, "language": language,
        "wabas": list(wabas) if wabas is not None else None,
    }  # fmt: skip
    row = await (await conn.execute(NAMED, asked)).fetchone()
    return _template(row) if row else None


def _template(row: tuple[Any, ...]) -> Template:
    parts = msgspec.convert(row[7], list[Component], strict=False)
    return Template(*[*row[:7], parts, *row[8:]])


# What is told of a later moment holds, whichever comes first: the list, or the news of one.
TAKE = f"""
insert into inbox_templates as t (business_id, waba, name, language, external_id, status, category, named, components,
    quality, reason, told_at, listed_at)
select %(business_id)s::int, %(waba)s::text, u.*, %(at)s::timestamptz, %(at)s::timestamptz
from unnest(%(names)s::text[], %(languages)s::text[], %(ids)s::text[], %(statuses)s::text[], %(categories)s::text[],
    %(named)s::bool[], %(components)s::jsonb[], %(qualities)s::text[], %(reasons)s::text[]) as u
order by 3, 4
on conflict {inbox_keys.TEMPLATE.target} do update set
    external_id = excluded.external_id, category = excluded.category, named = excluded.named,
    components = excluded.components, listed_at = excluded.listed_at, gone_at = null,
    status = case when excluded.told_at >= t.told_at then excluded.status else t.status end,
    quality = case when excluded.told_at >= t.told_at then excluded.quality else t.quality end,
    reason = case when excluded.told_at >= t.told_at then excluded.reason else t.reason end,
    told_at = greatest(t.told_at, excluded.told_at)
where t.listed_at is null or excluded.listed_at >= t.listed_at
"""
GONE = """
update inbox_templates set gone_at = %(at)s::timestamptz
where business_id = %(business_id)s::int and waba = %(waba)s::text and gone_at is null
    and told_at < %(at)s::timestamptz and (listed_at is null or listed_at < %(at)s::timestamptz)
"""


async def take(conn: Conn, business_id: int, waba: str, listed: Sequence[Listed], at: datetime) -> None:
    """Has the templates of an account be those that were listed at that moment, and no others."""
    whole = list({(one.name, one.language): one for one in listed}.values())
    values = {
        "business_id": business_id, "waba": waba, "at": at,
        "names": arrays.texts([one.name for one in whole]),
        "languages": arrays.texts([one.language for one in whole]),
        "ids": arrays.texts([one.id for one in whole]),
        "statuses": arrays.texts([one.status.lower() for one in whole]),
        "categories": arrays.texts([one.category.lower() for one in whole]),
        "named": arrays.truths(one.parameter_format.upper() == "NAMED" for one in whole),
        "components": [Jsonb(one.components) for one in whole],
        "qualities": arrays.texts([str((one.quality_score or {}).get("score", "")).lower()[:20] for one in whole]),
        "reasons": arrays.texts([_reason(one) for one in whole]),
    }  # fmt: skip
    if whole:
        await conn.execute(TAKE, values)
    await conn.execute(GONE, values)


def _reason(listed: Listed) -> str:
    return "" if listed.rejected_reason in {None, "NONE"} else str(listed.rejected_reason)[:300]


HEAR = f"""
insert into inbox_templates as t (business_id, waba, name, language, status, category, quality, reason, told_at)
values (%(business_id)s::int, %(waba)s::text, %(name)s::text, %(language)s::text,
    coalesce(nullif(%(status)s::text, ''), 'unknown'), %(category)s::text, %(quality)s::text, %(reason)s::text,
    %(at)s::timestamptz)
on conflict {inbox_keys.TEMPLATE.target} do update set
    status = case when %(status)s::text = '' then t.status else excluded.status end,
    reason = case when %(status)s::text = '' then t.reason else excluded.reason end,
    category = coalesce(nullif(excluded.category, ''), t.category),
    quality = coalesce(nullif(excluded.quality, ''), t.quality),
    told_at = case when %(status)s::text = '' then t.told_at else excluded.told_at end
where excluded.told_at >= t.told_at
"""


async def hear(conn: Conn, business_id: int, news: News) -> None:
    """Has a template be as it is told, unless something later was told of it."""
    await conn.execute(HEAR, msgspec.structs.asdict(news) | {"business_id": business_id})


ASKED = f"""
insert into template_syncs as s (business_id, waba, asked_at)
values (%(business_id)s::int, %(waba)s::text, %(at)s::timestamptz)
on conflict {inbox_keys.TEMPLATE_SYNC.target} do update set asked_at = greatest(s.asked_at, excluded.asked_at)
"""
DONE = """
update template_syncs set done_at = %(at)s::timestamptz, templates = %(templates)s::int,
    accounts = %(accounts)s::text[], reason = ''
where business_id = %(business_id)s::int and waba = %(waba)s::text
    and coalesce(done_at, '-infinity') <= %(at)s::timestamptz
"""
FAILED = """
update template_syncs set reason = %(reason)s::text
where business_id = %(business_id)s::int and waba = %(waba)s::text and asked_at <= %(at)s::timestamptz
"""
SYNCS = """
select waba, asked_at, done_at, templates, accounts, reason from template_syncs
where business_id = %(business_id)s::int order by waba
"""


async def asked(conn: Conn, business_id: int, waba: str, at: datetime) -> None:
    await conn.execute(ASKED, {"business_id": business_id, "waba": waba, "at": at})


async def done(conn: Conn, business_id: int, sync: Sync) -> None:
    """Writes down that an account was read at ``asked_at``."""
    values = msgspec.structs.asdict(sync) | {"business_id": business_id, "at": sync.asked_at}
    await conn.execute(DONE, values)


async def failed(conn: Conn, business_id: int, waba: str, at: datetime, reason: str) -> None:
    await conn.execute(FAILED, {"business_id": business_id, "waba": waba, "at": at, "reason": reason[:300]})


async def syncs(conn: Conn, business_id: int) -> list[Sync]:
    rows = await (await conn.execute(SYNCS, {"business_id": business_id})).fetchall()
    return [Sync(*row) for row in rows]
