"""The inbox of another environment before and after production's is copied there.

It becomes production's whole: rows keep production's numbers, so what stood there must go, and with it whoever was
forgotten in production since the last copy. Only of businesses that have an inbox in production.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from .db import Conn
from .environment import BE_THE_ROLE
from .environment_inbox_tables import INBOX
from .environment_rows import Plan

# Numbers below are production's; the other environment's own begin here, so that no number ever means two.
OWN_NUMBERS = 1_000_000_000
# Before what they hang on. What is missing here goes with a row that is named.
REPLACED = (
    "automation_causes", "automation_rules", "broadcasts", "appointments", "contact_consents", "merged_messages",
    "contact_merges", "message_reactions", "waiting_reports", "waiting_changes", "message_words_marks",
    "whatsapp_message", "whatsapp_conversation", "leads", "left_phones", "contact_identities", "contacts",
    "inbox_labels", "inbox_teams", "canned_answers", "lead_statuses", "inbox_templates",
)  # fmt: skip

WITH_AN_INBOX = "select business_id from contacts union select business_id from erasures order by 1"
# Nobody files there while it is emptied: a message would keep its thread. In the order in which filing takes them.
HOLD_OFF = "lock table {tables} in exclusive mode"
EMPTY = "delete from {table} where business_id = any(%(businesses)s::int[])"
MARKS = "delete from message_words_marks where business_id = any(%(businesses)s::int[])"
GREATEST = "select max(id) from {table}"
# Never backwards: somebody may take one at this moment.
NUMBER_ON = """
select setval(s.name, %(last)s::bigint)
from (select pg_get_serial_sequence(format('%%I.%%I', current_schema(), %(table)s::text), 'id') as name) s
where %(last)s::bigint > (select coalesce(q.last_value, 0) from pg_sequences q
    where format('%%I.%%I', q.schemaname, q.sequencename)::regclass = s.name::regclass)
"""


async def businesses(conn: Conn) -> list[int]:
    """The businesses that have, or had, an inbox in production."""
    return [row[0] for row in await (await conn.execute(WITH_AN_INBOX)).fetchall()]


async def greatest(conn: Conn, plans: Sequence[Plan]) -> dict[str, int]:
    """The greatest number of each of the inbox's tables in production."""
    found = {}
    for table in (plan.copied.table for plan in plans if plan.copied in INBOX and "id" in plan.kinds):
        row = await (await conn.execute(sql.SQL(GREATEST).format(table=sql.Identifier(table)))).fetchone()
        found[table] = int(row[0] or 0) if row else 0
    return found


async def number_on(conn: Conn, numbers: dict[str, int]) -> None:
    """Has what is made from now on numbered behind all that is copied. As the owner, before the first row is."""
    for table, number in numbers.items():
        await conn.execute(NUMBER_ON, {"table": table, "last": max(number, OWN_NUMBERS)})


async def empty(conn: Conn, role: str, of: Sequence[int]) -> None:
    """Takes the businesses' inbox away, as the environment's role. Whoever is filing there is waited for."""
    await conn.execute(sql.SQL(BE_THE_ROLE).format(role=sql.Identifier(role)))
    tables = sql.SQL(", ").join(sql.Identifier(table) for table in reversed(REPLACED))
    await conn.execute(sql.SQL(HOLD_OFF).format(tables=tables))
    for table in REPLACED:
        await conn.execute(sql.SQL(EMPTY).format(table=sql.Identifier(table)), {"businesses": list(of)})


async def read_anew(conn: Conn, of: Sequence[int]) -> None:
    """Has all messages read again for searches: one that was filed meanwhile may have moved the mark over them."""
    await conn.execute(MARKS, {"businesses": list(of)})
