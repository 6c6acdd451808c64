"""The predecessors' way: poll, and for each drop two selects, an insert and a commit, row by row.

Their published program opens a connection to the database for each drop, and closes it again. So it is measured twice:
as they do it, and over one connection that is kept, which is what they could have had for a line.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

import psycopg
from sample import Sample

from tallybook.demo.day import LAWLEY

MOST_KEPT = 5_000
MOST = 1_000
DROP = re.compile(r"\bDR\s?(\d{6,8})\b", re.IGNORECASE)
# Their tables and their keys: no business, no space, no history.
TABLES = """
drop schema if exists predecessor cascade;
create schema predecessor;
set search_path to predecessor, public;
create table predecessor.qa_photo_reviews (like public.qa_photo_reviews including defaults);
alter table predecessor.qa_photo_reviews drop column business_id, drop column space, drop column locked_by_account,
    drop column bridge_source, drop column last_said_at, drop column assigned_account,
    add primary key (id), add unique (drop_number, review_date);
create index on predecessor.qa_photo_reviews (review_date);
create index on predecessor.qa_photo_reviews (drop_number);
create index on predecessor.qa_photo_reviews (user_name);
create table predecessor.valid_drop_numbers (drop_number varchar(20) primary key, project varchar(50) not null);
insert into predecessor.valid_drop_numbers select drop_number, min(project) from public.valid_drop_numbers group by 1;
analyze predecessor.valid_drop_numbers;
grant usage on schema predecessor to public;
grant all on all tables in schema predecessor to public;
checkpoint;
"""
SEARCH = "-c search_path=predecessor"
POLL = """
select id, sender, content, timestamp from messages
where chat_jid = ? and timestamp > ? and content != '' order by timestamp
"""
VALID = "select 1 from valid_drop_numbers where drop_number = %s and project = %s"
EXISTS = "select id from qa_photo_reviews where drop_number = %s and project = %s"
INSERT = """
insert into qa_photo_reviews (drop_number, review_date, user_name, submitted_by, project, comment,
    whatsapp_message_date) values (%s, %s, %s, %s, %s, %s, %s)
"""
UPDATE = "update qa_photo_reviews set resubmitted = true, incomplete = false, feedback_sent = null where id = %s"


class Took(NamedTuple):
    """Seconds for the poll of one group's rows, and seconds for each drop: as they do it, and over one connection."""

    poll: float
    each: float
    each_kept: float


def measure(sample: Sample) -> Took:
    """One group is polled and its first drops are filed. Not all of them: it would take minutes."""
    began = time.perf_counter()
    with closing(sqlite3.connect(sample.file)) as bridge:
        rows = bridge.execute(POLL, (LAWLEY.chat, "2025-01-01")).fetchall()
    poll = time.perf_counter() - began
    url = sample.settings.database_url or ""
    _begin(sample)
    posts = _posts(rows)
    began = time.perf_counter()
    for post in posts[:MOST]:
        with psycopg.connect(url, options=SEARCH) as conn:
            _file(conn, *post)
    each = (time.perf_counter() - began) / len(posts[:MOST])
    _begin(sample)
    with psycopg.connect(url, options=SEARCH) as conn:
        began = time.perf_counter()
        for post in posts:
            _file(conn, *post)
        return Took(poll, each, (time.perf_counter() - began) / len(posts))


def _begin(sample: Sample) -> None:
    with psycopg.connect(sample.superuser, autocommit=True) as conn:
        conn.execute(TABLES)


def _posts(rows: list[tuple[str, str, str, str]]) -> list[tuple[str, str, datetime]]:
    """The first drops, each with its sender and its time."""
    found = (
        (f"DR{digits}", sender, datetime.fromisoformat(timestamp))
        for _, sender, content, timestamp in rows
        for digits in DROP.findall(content)
    )
    return list(itertools.islice(found, MOST_KEPT))


def _file(conn: psycopg.Connection, drop: str, sender: str, said_at: datetime) -> None:
    if conn.execute(VALID, (drop, LAWLEY.name)).fetchone() is None:
        raise AssertionError("every drop of the sample is in the list")
    if known := conn.execute(EXISTS, (drop, LAWLEY.name)).fetchone():
        conn.execute(UPDATE, known)
    else:
        comment = f"Auto-created from WhatsApp on {said_at:%Y-%m-%d %H:%M:%S} SAST"
        conn.execute(INSERT, (drop, said_at.date(), sender, sender, LAWLEY.name, comment, said_at))
    conn.commit()
