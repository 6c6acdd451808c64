"""SQL of the import from an older inbox: its tables as they are, and what of them is laid over ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString

import msgspec

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.inbox.types import Place

# Whatever columns a table has: they differ from one old installation to the next.
READ: Mapping[str, LiteralString] = {
    "leads": "select to_jsonb(t) from leads t",
    "contact_identities": "select to_jsonb(t) from contact_identities t",
    "whatsapp_conversation": "select to_jsonb(t) from whatsapp_conversation t",
    "whatsapp_message": "select to_jsonb(t) from whatsapp_message t",
}
SIGN = "contact_id"  # a column that none of the old tables has

KNOWN = """
select count(*) from deliveries where channel = %(channel)s::text and body_sha256 = any(%(hashes)s::bytea[])
"""


async def known(conn: Conn, channel: str, hashes: Sequence[bytes]) -> int:
    """How many of these bodies were received already."""
    row = await (await conn.execute(KNOWN, {"channel": channel, "hashes": arrays.hexes(hashes)})).fetchone()
    return int(row[0]) if row else 0


class Came(msgspec.Struct, frozen=True):
    """How far an imported message came, and when."""

    place: Place
    status: str
    delivered_at: datetime | None
    read_at: datetime | None
    media_url: str | None
    reason: str | None


CAME = """
update whatsapp_message m set status = u.status, delivered_at = u.delivered_at, read_at = u.read_at,
    media_url = coalesce(m.media_url, u.media_url), failed_reason = u.reason
from unnest(%(channels)s::text[], %(accounts)s::text[], %(external)s::text[], %(statuses)s::text[],
    %(delivered)s::timestamptz[], %(read)s::timestamptz[], %(urls)s::text[], %(reasons)s::text[])
    as u (channel, account, external, status, delivered_at, read_at, media_url, reason)
where m.business_id = (select %(business_id)s::int) and m.channel = u.channel and m.account = u.account
    and m.provider_message_id = u.external
"""


async def came(conn: Conn, business_id: int, some: Sequence[Came]) -> None:
    """Has messages that were just imported say how far they came."""
    values = {
        "business_id": business_id,
        "channels": arrays.texts([one.place[0] for one in some]),
        "accounts": arrays.texts([one.place[1] for one in some]),
        "external": arrays.texts([one.place[2] for one in some]),
        "statuses": arrays.texts([one.status for one in some]),
        "delivered": [one.delivered_at for one in some],
        "read": [one.read_at for one in some],
        "urls": arrays.texts([one.media_url for one in some]),
        "reasons": arrays.texts([one.reason for one in some]),
    }
    await conn.execute(CAME, values)


class OldThread(msgspec.Struct, frozen=True):
    """What an older inbox knew of a customer's thread."""

    started_at: datetime | None
    is_open: bool
    summary: str | None
    last_read_at: datetime | None


THREAD = """
update whatsapp_conversation set started_at = coalesce(%(started_at)s::timestamptz, started_at),
    is_open = %(is_open)s::bool, summary = %(summary)s::text, summary_created = %(summary)s::text is not null,
    last_read_at = %(last_read_at)s::timestamptz
where business_id = %(business_id)s::int and contact_id = %(contact_id)s::bigint
"""


async def thread(conn: Conn, business_id: int, contact_id: int, old: OldThread) -> None:
    """Has a contact's thread, which was just made, say what the older one said."""
    await conn.execute(THREAD, msgspec.structs.asdict(old) | {"business_id": business_id, "contact_id": contact_id})


class OldLead(msgspec.Struct, frozen=True):
    """What an older inbox knew of a lead."""

    name: str
    status: str
    email: str | None
    notes: str
    created_at: datetime | None


LEAD = """
update leads set status = coalesce(nullif(%(status)s::text, ''), status), email = %(email)s::text,
    notes = %(notes)s::text, source = 'import', created_at = coalesce(%(created_at)s::timestamptz, created_at),
    status_entered_at = coalesce(%(created_at)s::timestamptz, status_entered_at)
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def lead(conn: Conn, business_id: int, lead_id: int, old: OldLead) -> None:
    """Has a lead that was just made say what the older one said."""
    values = msgspec.structs.asdict(old) | {"business_id": business_id, "id": lead_id}
    del values["name"]
    await conn.execute(LEAD, values)


HERE = """
select count(*) from whatsapp_conversation
where business_id = %(business_id)s::int and contact_id = %(contact_id)s::bigint
"""


async def has_thread(conn: Conn, business_id: int, contact_id: int) -> bool:
    """Whether a contact has a thread already."""
    row = await (await conn.execute(HERE, {"business_id": business_id, "contact_id": contact_id})).fetchone()
    return bool(row and row[0])
