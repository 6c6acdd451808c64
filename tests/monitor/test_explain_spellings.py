"""A drop's story finds its number in pieces, is hidden by no crowd, and tells nobody another's trouble."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.errors import Invalid
from tallybook.core.heartbeats import beat
from tallybook.monitor.reply_types import Manner, Rejected
from tallybook.monitor.rules import compile_pattern
from tallybook.monitor.service import explain
from tallybook.monitor.service.explain import Decision, drop_asked
from tallybook.monitor.service.replies import answer_rejected
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.types import Post
from tests.monitor.desk import LAWLEY, PROJECTS, file, open_for, said


@pytest.mark.parametrize("text", ["DR 175 2104 done", "DR-1752104", "DR.175-2104", "D R 1752104", "1752 104 dr"])
async def test_a_number_in_pieces_is_found_and_told_as_not_read(conn: Conn, business: Business, text: str) -> None:
    await open_for(conn, business)
    await file(conn, business, [said(LAWLEY, text)])
    found = await explain.explain(conn, business, "DR1752104")
    assert [(post.text, post.decision) for post in found.posts] == [(text, Decision.NOT_A_DROP)]


@pytest.mark.parametrize("asked", ["DR 175 2104", "DR175-2104", "175 2104"])
def test_a_number_that_is_asked_for_in_pieces_is_refused_in_a_sentence(asked: str) -> None:
    with pytest.raises(Invalid, match="in one piece"):
        drop_asked(asked, PROJECTS)


@pytest.mark.parametrize("crowd", ["call 2781752555 {}", "order 1752555 {}"])
async def test_no_crowd_of_other_messages_hides_the_post(conn: Conn, business: Business, crowd: str) -> None:
    await open_for(conn, business)
    others = [said(LAWLEY, crowd.format(f"n{number}"), "2025-11-01 08:00") for number in range(310)]
    await file(conn, business, [*others, said(LAWLEY, "DR1752555", "2025-12-02 10:00")])
    found = await explain.explain(conn, business, "DR1752555")
    assert Decision.CREATED in [post.decision for post in found.posts]
    assert len(found.reviews) == 1


async def test_the_bridge_s_trouble_is_told_plainly_and_to_its_own_business_alone(
    conn: Conn, business: Business
) -> None:
    secret = "/srv/secret/messages.db cannot be read: line 3"
    await beat(conn, "bridge", {"business_id": business.id + 1, "problem": secret})
    found = await explain.explain(conn, business, "DR9999999")
    assert found.absence is not None
    assert (found.absence.bridge_problem, found.absence.bridge_at) == (None, None)
    await beat(conn, "bridge", {"business_id": business.id, "problem": secret})
    found = await explain.explain(conn, business, "DR9999999")
    assert found.absence is not None
    assert found.absence.bridge_problem == "Something is wrong here. An admin sees what it is."


async def test_what_came_before_the_rules_of_now_is_told_so_and_not_as_missing(conn: Conn, business: Business) -> None:
    await open_for(conn, business)
    await file(conn, business, [said(LAWLEY, "house 1752104")])
    wide = msgspec.structs.replace(LAWLEY, pattern=compile_pattern("house [0-9]{7}"))
    await project_store.mirror(conn, business.id, [wide, *PROJECTS[1:]])
    await conn.execute("update messages set seen_at = seen_at - interval '1 hour'")
    found = await explain.explain(conn, business, "house 1752104")
    assert ([post.decision for post in found.posts], found.missing) == ([Decision.BEFORE_RULES], [])


async def test_what_the_group_was_told_of_the_drop_is_told_also_when_the_outbox_forgot_it(
    conn: Conn, business: Business
) -> None:
    await open_for(conn, business)
    await file(conn, business, [said(LAWLEY, "DR1752104")])
    await conn.execute("update monitor_projects set watched_since = now() - interval '1 year'")
    now = datetime.now(UTC)
    post = Post(7, False, "DR1752104", LAWLEY, now, None, "primary", LAWLEY.group)
    assert await answer_rejected(conn, business, [Rejected(post, ())], now, Manner()) == 1
    await conn.execute(
        "insert into review_feedback (business_id, review_id, number, text, posts, who, put_at, sent_at) "
        "select business_id, id, 1, 'DR1752104 well done', 1, 'Ana', now() + interval '1 second', now() "
        "from qa_photo_reviews"
    )
    found = (await explain.explain(conn, business, "DR1752104")).answers
    assert [(one.kind, one.who, one.state) for one in found] == [
        ("unknown_drop", None, "waiting"), ("feedback", "Ana", "sent"),
    ]  # fmt: skip
    assert "DR1752104" in found[0].text
    await conn.execute("delete from outbox")
    found = (await explain.explain(conn, business, "DR1752104")).answers
    assert [one.state for one in found] == [None, "sent"]
