"""The predecessors' way: poll, select, and for each drop two selects, an insert and a commit, row by row."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

import psycopg
from sample import Sample

from tallybook.demo.day import LAWLEY

MOST = 5_000
DROP = re.compile(r"\bDR\s?(\d{6,8})\b", re.IGNORECASE)
# Their tables and their keys: no business, no space, no history.
TABLES = """
drop schema if exists predecessor cascade;
create schema predecessor;
set search_path to predecessor, public;
create table predecessor.qa_photo_reviews (like public.qa_photo_reviews including defaults);
alter table predecessor.qa_photo_reviews drop column business_id, drop column space, drop column locked_by_account,
    drop column bridge_source, add primary key (id), add unique (drop_number, review_date);
create index on predecessor.qa_photo_reviews (review_date);
create index on predecessor.qa_photo_reviews (drop_number);
create index on predecessor.qa_photo_reviews (user_name);
create table predecessor.valid_drop_numbers (drop_number varchar(20) primary key, project varchar(50) not null);
insert into predecessor.valid_drop_numbers select drop_number, min(project) from public.valid_drop_numbers group by 1;
analyze predecessor.valid_drop_numbers;
checkpoint;
"""
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
    """Seconds for the poll of one group's rows, and seconds for each drop, measured on so many."""

    poll: float
    each: float
    drops: int


def measure(sample: Sample) -> Took:
    """One group is polled and its first drops are filed. Not all of them: it would take minutes."""
    with psycopg.connect(sample.superuser, autocommit=True) as conn:
        conn.execute(TABLES)
    began = time.perf_counter()
    with closing(sqlite3.connect(sample.file)) as bridge:
        rows = bridge.execute(POLL, (LAWLEY.chat, "2025-01-01")).fetchall()
    poll = time.perf_counter() - began
    with psycopg.connect(sample.superuser, options="-c search_path=predecessor") as conn:
        began = time.perf_counter()
        done = 0
        for _, sender, content, timestamp in rows:
            for digits in DROP.findall(content):
                _file(conn, f"DR{digits}", sender, datetime.fromisoformat(timestamp))
                done += 1
            if done >= MOST:
                break
        return Took(poll, (time.perf_counter() - began) / done, done)


def _file(conn: psycopg.Connection, drop: str, sender: str, said_at: datetime) -> None:
    if conn.execute(VALID, (drop, LAWLEY.name)).fetchone() is None:
        raise AssertionError("every drop of the sample is in the list")
    if known := conn.execute(EXISTS, (drop, LAWLEY.name)).fetchone():
        conn.execute(UPDATE, known)
    else:
        comment = f"Auto-created from WhatsApp on {said_at:%Y-%m-%d %H:%M:%S} SAST"
        conn.execute(INSERT, (drop, said_at.date(), sender, sender, LAWLEY.name, comment, said_at))
    conn.commit()
