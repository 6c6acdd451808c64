"""What comes in by other ways than the usual post keeps the same promises."""

from __future__ import annotations

from typing import Any

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.messages import Identity
from tallybook.monitor.service import reviews, validity
from tallybook.monitor.service.validity import Entry
from tallybook.monitor.types import Filters
from tests.monitor.desk import LAWLEY, MARKETING, file, open_for, project, said

LID = "98765432109876"
STRANGER = Identity(LID, None, f"{LID}@lid")
# Every column in which a register says who posted.
SAID_BY = """
select user_name, submitted_by, sender_phone from qa_photo_reviews
union all select user_name, submitted_by, null from marketing_activations
union all select sender, null, null from invalid_drop_submissions
union all select sender_phone, null, null from qa_submissions
union all select sender_phone, null, null from marketing_posts
union all select sender_phone, null, null from held_posts
"""
WITHOUT_PROJECT = """
insert into qa_photo_reviews (drop_number, user_name, review_date, whatsapp_message_date)
values ('DR1752104', 'by hand', '2025-11-26', '2025-11-26 13:42+02')
"""


async def rows(conn: Conn, statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement.encode())).fetchall()


async def test_on_no_path_is_a_lid_stored_as_a_phone(conn: Conn, business: Business) -> None:
    """A first post, one posted again, a marketing post, one refused and one held, all by somebody known by a LID."""
    strict, unlisted = (project(name, space="fibre", validated=True) for name in ("Mamelodi", "Etwatwa"))
    at_desk = await open_for(conn, business, LAWLEY, MARKETING, strict, unlisted)
    await validity.add(conn, business, [Entry("DR1000001", "Mamelodi")])
    known = said(LAWLEY, "DR1752104", "2025-12-01 09:00")
    await file(conn, business, [known], at_desk)
    unknown = [said(group, text, sender=STRANGER) for group, text in (
        (LAWLEY, "DR1733787"), (LAWLEY, "DR1752104"), (MARKETING, "DR1752104"), (strict, "DR1733755"),
        (unlisted, "DR1733755"),
    )]  # fmt: skip
    filed = await file(conn, business, unknown, at_desk)
    assert (len(filed.created), len(filed.resubmitted), len(filed.activated), len(filed.invalid)) == (1, 1, 1, 1)
    said_by = await rows(conn, SAID_BY)
    assert len(said_by) == 9
    assert not [value for row in said_by for value in row if value and LID in value]


async def test_a_row_without_a_project_is_listed(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    await conn.execute(WITHOUT_PROJECT)
    listed = await reviews.listed(conn, business, Filters())
    assert [row.drop_number for row in listed] == ["DR1752104"]
    assert await reviews.count(conn, business, Filters()) == 1
