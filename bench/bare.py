"""The floor: the very rows that the product wrote, put back by bare ``insert … select unnest`` and nothing else.

The columns' arrays lie ready in memory as PostgreSQL spells them, so that the client does next to nothing; the tables
are the same, with the same indexes, and there are as many transactions. The rows come in the order of their messages.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import psycopg
from sample import Sample, empty

# What the product writes of each table; the rest has its default there too.
COLUMNS = {
    "messages": "business_id id channel account scope external_id kind chat sender_raw sender_phone sender_lid said_at "
    "text from_us deleted media_type media_filename media_sha256 media_size content_hash",
    "drops": "business_id space drop_number last_posted_at previous_posted_at",
    "qa_submissions": "business_id space drop_number message_id project sender_phone said_at effect",
    "qa_photo_reviews": "business_id id space drop_number project review_date user_name submitted_by sender_phone "
    "comment whatsapp_message_date bridge_source last_said_at",
    "marketing_activations": "business_id project drop_number whatsapp_message_date submitted_by user_name is_valid "
    "validation_message",
    "marketing_posts": "business_id project drop_number message_id sender_phone said_at",
}
# The message that made a row: rows go back in the order of their messages, as they came.
FIRST_POST = """
{table} join (select {scope}, drop_number, min(message_id) as made_by from {posts} group by 1, 2) as first
using ({scope}, drop_number)"""
FROM = {
    "messages": "(select *, id as made_by from messages) as t",
    "drops": FIRST_POST.format(table="drops", scope="space", posts="qa_submissions"),
    "qa_submissions": "(select *, message_id as made_by from qa_submissions) as t",
    "qa_photo_reviews": FIRST_POST.format(table="qa_photo_reviews", scope="space", posts="qa_submissions"),
    "marketing_activations": FIRST_POST.format(table="marketing_activations", scope="project", posts="marketing_posts"),
    "marketing_posts": "(select *, message_id as made_by from marketing_posts) as t",
}
TYPES = """
select column_name, udt_name from information_schema.columns where table_schema = 'public' and table_name = %s
"""


class Insert(NamedTuple):
    """A statement, and for each transaction its arrays."""

    statement: str
    parts: list[tuple[str, ...]]


class Floor(NamedTuple):
    rows: int
    seconds: float


def measure(sample: Sample, transactions: int) -> Floor:
    """Takes the rows out, empties the tables and puts the rows back against the clock."""
    with psycopg.connect(sample.superuser, autocommit=True) as conn:
        # Without statistics the rows' order would be worked out by a join that takes minutes.
        conn.execute("analyze")
        inserts = [_taken(conn, table, transactions) for table in COLUMNS]
        before = _counts(conn)
        empty(sample)
        with psycopg.connect(sample.settings.database_url or "") as ours:
            ours.prepare_threshold = None
            began = time.perf_counter()
            for part in range(transactions):
                for insert in inserts:
                    if part < len(insert.parts):
                        ours.execute(insert.statement.encode(), insert.parts[part])
                ours.commit()
            seconds = time.perf_counter() - began
        if _counts(conn) != before:
            raise AssertionError("the same rows must be there again")
        return Floor(sum(before), seconds)


def _taken(conn: psycopg.Connection, table: str, parts: int) -> Insert:
    names = COLUMNS[table].split()
    types = dict(conn.execute(TYPES, (table,)).fetchall())
    arrays = ", ".join(f"array_agg({name} order by made_by)::text" for name in names)
    listed = ", ".join(names)
    part = f"(made_by - 1) * {parts} / (select max(id) from messages)"
    rows = conn.execute(f"select {arrays} from {FROM[table]} group by {part} order by {part}".encode()).fetchall()
    casts = ", ".join(f"%s::{types[name]}[]" for name in names)
    return Insert(f"insert into {table} ({listed}) select * from unnest({casts})", rows)


def _counts(conn: psycopg.Connection) -> list[int]:
    return [int(conn.execute(f"select count(*) from {table}".encode()).fetchone()[0]) for table in COLUMNS]
