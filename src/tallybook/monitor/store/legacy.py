"""SQL of the import from the old system: its tables as they are, and ours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString

import msgspec
from psycopg.types.json import Jsonb

from tallybook.core import arrays, keys, older_rows
from tallybook.core.db import Conn

# Whatever columns a table has: they differ from one old installation to the next.
READ: Mapping[str, LiteralString] = {
    "valid_drop_numbers": "select to_jsonb(t) from valid_drop_numbers t",
    "qa_photo_reviews": "select to_jsonb(t) from qa_photo_reviews t",
    "marketing_activations": "select to_jsonb(t) from marketing_activations t",
    "invalid_drop_submissions": "select to_jsonb(t) from invalid_drop_submissions t",
}


async def rows_of(url: str, schema: str) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The old tables' rows by table, and the names of tables beside them; core/older_rows.py says how."""
    return await older_rows.rows_of(url, schema, READ)


TAKE_TURNS = "select pg_advisory_xact_lock(hashtext('tallybook legacy'), %(business_id)s::int)"


async def take_turns(conn: Conn, business_id: int) -> None:
    """One import of a business at a time."""
    await conn.execute(TAKE_TURNS, {"business_id": business_id})


class Standing(msgspec.Struct, frozen=True):
    """A review of ours. ``columns`` are all that the table has."""

    id: str
    space: str
    drop_number: str
    review_date: date
    columns: dict[str, Any]


REVIEWS = """
select id::text, space, drop_number, review_date, to_jsonb(r) from qa_photo_reviews r
where business_id = %(business_id)s::int and drop_number = any(%(drops)s::text[])
union all
select id::text, space, drop_number, review_date, to_jsonb(r) from qa_photo_reviews r
where business_id = %(business_id)s::int and id = any(%(ids)s::uuid[]) and drop_number <> all(%(drops)s::text[])
"""


async def reviews(conn: Conn, business_id: int, drops: Collection[str], ids: Collection[str]) -> list[Standing]:
    """Our reviews of these drops or with these ids."""
    asked = {"business_id": business_id, "drops": sorted(drops), "ids": sorted(ids)}
    return [Standing(*row) for row in await (await conn.execute(REVIEWS, asked)).fetchall()]


ADD_REVIEWS = f"""
insert into qa_photo_reviews (business_id, id, space, drop_number, review_date, user_name, project, submitted_by,
    sender_phone, assigned_agent, step_01_house_photo, step_02_cable_from_pole, step_03_cable_entry_outside,
    step_04_cable_entry_inside, step_05_wall_for_installation, step_06_ont_back_after_install,
    step_07_power_meter_reading, step_08_ont_barcode, step_09_ups_serial, step_10_final_installation,
    step_11_green_lights, step_12_customer_signature, completed_photos, outstanding_photos,
    outstanding_photos_loaded_to_1map, completed, incomplete, resubmitted, feedback_sent, comment,
    whatsapp_message_date, locked_by, locked_at, incorrect_steps, incorrect_comments, bridge_source, created_at,
    updated_at)
select %(business_id)s::int, u.id, u.space, u.drop_number, u.review_date, u.user_name,
    u.project, u.submitted_by, u.sender_phone, u.assigned_agent, u.step_01_house_photo, u.step_02_cable_from_pole,
    u.step_03_cable_entry_outside, u.step_04_cable_entry_inside, u.step_05_wall_for_installation,
    u.step_06_ont_back_after_install, u.step_07_power_meter_reading, u.step_08_ont_barcode, u.step_09_ups_serial,
    u.step_10_final_installation, u.step_11_green_lights, u.step_12_customer_signature, u.completed_photos,
    u.outstanding_photos, u.outstanding_photos_loaded_to_1map, u.completed, u.incomplete, u.resubmitted,
    u.feedback_sent, u.comment, u.whatsapp_message_date, u.locked_by, u.locked_at, u.incorrect_steps,
    u.incorrect_comments, u.bridge_source, u.created_at, u.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as u (id uuid, space text, drop_number text, review_date date, user_name text,
    project text, submitted_by text, sender_phone text, assigned_agent text, step_01_house_photo bool,
    step_02_cable_from_pole bool, step_03_cable_entry_outside bool, step_04_cable_entry_inside bool,
    step_05_wall_for_installation bool, step_06_ont_back_after_install bool, step_07_power_meter_reading bool,
    step_08_ont_barcode bool, step_09_ups_serial bool, step_10_final_installation bool, step_11_green_lights bool,
    step_12_customer_signature bool, completed_photos int, outstanding_photos int,
    outstanding_photos_loaded_to_1map bool, completed bool, incomplete bool, resubmitted bool,
    feedback_sent timestamptz, comment text, whatsapp_message_date timestamptz, locked_by text, locked_at timestamptz,
    incorrect_steps text[], incorrect_comments jsonb, bridge_source text, created_at timestamptz,
    updated_at timestamptz)
on conflict {keys.REVIEW.target} do nothing
returning id::text
"""
# What people put into a review; who posted it and when is ours already.
LAY_OVER = """
update qa_photo_reviews r set
    step_01_house_photo = u.step_01_house_photo, step_02_cable_from_pole = u.step_02_cable_from_pole,
    step_03_cable_entry_outside = u.step_03_cable_entry_outside,
    step_04_cable_entry_inside = u.step_04_cable_entry_inside,
    step_05_wall_for_installation = u.step_05_wall_for_installation,
    step_06_ont_back_after_install = u.step_06_ont_back_after_install,
    step_07_power_meter_reading = u.step_07_power_meter_reading, step_08_ont_barcode = u.step_08_ont_barcode,
    step_09_ups_serial = u.step_09_ups_serial, step_10_final_installation = u.step_10_final_installation,
    step_11_green_lights = u.step_11_green_lights, step_12_customer_signature = u.step_12_customer_signature,
    completed_photos = u.completed_photos, outstanding_photos = u.outstanding_photos,
    outstanding_photos_loaded_to_1map = u.outstanding_photos_loaded_to_1map, completed = u.completed,
    incomplete = u.incomplete, feedback_sent = u.feedback_sent, comment = coalesce(u.comment, r.comment),
    assigned_agent = coalesce(u.assigned_agent, r.assigned_agent), incorrect_steps = u.incorrect_steps,
    incorrect_comments = u.incorrect_comments, updated_at = now()
from jsonb_to_recordset(%(rows)s::jsonb) as u (ours uuid, assigned_agent text, step_01_house_photo bool,
    step_02_cable_from_pole bool, step_03_cable_entry_outside bool, step_04_cable_entry_inside bool,
    step_05_wall_for_installation bool, step_06_ont_back_after_install bool, step_07_power_meter_reading bool,
    step_08_ont_barcode bool, step_09_ups_serial bool, step_10_final_installation bool, step_11_green_lights bool,
    step_12_customer_signature bool, completed_photos int, outstanding_photos int,
    outstanding_photos_loaded_to_1map bool, completed bool, incomplete bool, feedback_sent timestamptz, comment text,
    incorrect_steps text[], incorrect_comments jsonb)
where r.business_id = %(business_id)s::int and r.id = u.ours
"""
ADD_SUBMISSIONS = f"""
insert into qa_submissions (business_id, space, drop_number, message_id, project, sender_phone, said_at, effect)
select %(business_id)s::int, u.* from unnest(%(space)s::text[], %(drop_number)s::text[], %(message_id)s::bigint[],
    %(project)s::text[], %(phone)s::text[], %(said_at)s::timestamptz[], %(effect)s::text[]) as u
on conflict {keys.SUBMISSION.target} do nothing
"""


async def add_reviews(conn: Conn, business_id: int, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Adds reviews; returns the ids of those that were. The caller holds the drops' locks."""
    values = {"business_id": business_id, "rows": Jsonb(list(rows))}
    return {row[0] for row in await (await conn.execute(ADD_REVIEWS, values)).fetchall()}


async def lay_over(conn: Conn, business_id: int, rows: Sequence[dict[str, Any]]) -> None:
    """Puts ticks, reasons and words into our reviews, each named by its ``ours``. The caller holds the drops' locks."""
    await conn.execute(LAY_OVER, {"business_id": business_id, "rows": Jsonb(list(rows))})


async def add_submissions(conn: Conn, business_id: int, posts: Sequence[Sequence[Any]]) -> None:
    """Adds posts, as (space, drop, message id, project, phone, said at, effect)."""
    space, drop, number, project, phone, said, effect = zip(*posts, strict=True)
    await conn.execute(
        ADD_SUBMISSIONS,
        {
            "business_id": business_id, "space": arrays.texts(space), "drop_number": arrays.texts(drop),
            "message_id": arrays.numbers(number), "project": arrays.texts(project), "phone": arrays.texts(phone),
            "said_at": arrays.times(said), "effect": arrays.texts(effect),
        },
    )  # fmt: skip


VALID = "select drop_number, project from valid_drop_numbers where business_id = %(business_id)s::int"
ACTIVATIONS = """
select project, drop_number, whatsapp_message_date from marketing_activations where business_id = %(business_id)s::int
"""
MARKETING_POSTS = (
    "select project, drop_number, message_id from marketing_posts where business_id = %(business_id)s::int"
)
REFUSED = """
select project, drop_number, date_trunc('second', submitted_at) from invalid_drop_submissions
where business_id = %(business_id)s::int
"""


async def valid_drops(conn: Conn, business_id: int) -> set[tuple[str, str]]:
    """Our lists, as (drop number, project)."""
    return set(await (await conn.execute(VALID, {"business_id": business_id})).fetchall())


async def activations(conn: Conn, business_id: int) -> dict[tuple[str, str], datetime]:
    """When each (project, drop number) was activated."""
    rows = await (await conn.execute(ACTIVATIONS, {"business_id": business_id})).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


async def marketing_posts(conn: Conn, business_id: int) -> set[tuple[str, str, int]]:
    """Our marketing posts, as (project, drop number, message id)."""
    return set(await (await conn.execute(MARKETING_POSTS, {"business_id": business_id})).fetchall())


async def refused_posts(conn: Conn, business_id: int) -> set[tuple[str, str, datetime]]:
    """What was refused, as (project, drop number, when to the second), whoever refused it."""
    return set(await (await conn.execute(REFUSED, {"business_id": business_id})).fetchall())


ADD_VALID = f"""
insert into valid_drop_numbers (business_id, drop_number, project, sync_source)
select %(business_id)s::int, u.*, 'import-legacy' from unnest(%(drops)s::text[], %(projects)s::text[]) as u
on conflict {keys.VALID_DROP.target} do nothing
"""
ADD_ACTIVATIONS = f"""
insert into marketing_activations (business_id, project, drop_number, whatsapp_message_date, submitted_by, user_name,
    is_valid, validation_message)
select %(business_id)s::int, u.project, u.drop_number, u.said_at, u.phone, u.user_name, u.is_valid,
    u.validation_message
from jsonb_to_recordset(%(rows)s::jsonb) as u (project text, drop_number text, said_at timestamptz, phone text,
    user_name text, is_valid bool, validation_message text)
on conflict {keys.ACTIVATION.target} do nothing
"""
ADD_MARKETING_POSTS = f"""
insert into marketing_posts (business_id, project, drop_number, message_id, sender_phone, said_at)
select %(business_id)s::int, u.project, u.drop_number, u.message_id, u.phone, u.said_at
from jsonb_to_recordset(%(rows)s::jsonb) as u (project text, drop_number text, message_id bigint, phone text,
    said_at timestamptz)
on conflict {keys.MARKETING_POST.target} do nothing
"""
ADD_REFUSED = """
insert into invalid_drop_submissions (business_id, drop_number, project, sender, group_jid, submitted_at, reason)
select %(business_id)s::int, u.drop_number, u.project, u.phone, u.group_jid, u.said_at, u.reason
from jsonb_to_recordset(%(rows)s::jsonb) as u (drop_number text, project text, phone text, group_jid text,
    said_at timestamptz, reason text)
"""


async def add_valid(conn: Conn, business_id: int, entries: Sequence[tuple[str, str]]) -> None:
    drops, projects = arrays.texts([drop for drop, _ in entries]), arrays.texts([project for _, project in entries])
    await conn.execute(ADD_VALID, {"business_id": business_id, "drops": drops, "projects": projects})


async def add_activations(conn: Conn, business_id: int, rows: Sequence[dict[str, Any]]) -> None:
    await conn.execute(ADD_ACTIVATIONS, {"business_id": business_id, "rows": Jsonb(list(rows))})


async def add_marketing_posts(conn: Conn, business_id: int, rows: Sequence[dict[str, Any]]) -> None:
    await conn.execute(ADD_MARKETING_POSTS, {"business_id": business_id, "rows": Jsonb(list(rows))})


async def add_refused(conn: Conn, business_id: int, rows: Sequence[dict[str, Any]]) -> None:
    await conn.execute(ADD_REFUSED, {"business_id": business_id, "rows": Jsonb(list(rows))})
