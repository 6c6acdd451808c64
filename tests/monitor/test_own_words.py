"""What people post is never taken for our own words, and what we really said is named where it is recognised."""

from __future__ import annotations

from typing import Any

import pytest

from tallybook.core import people
from tallybook.core.db import Conn
from tallybook.monitor import feedback as texts
from tallybook.monitor.service import explain, feedback, registers, reply_board
from tallybook.monitor.service.explain import Decision
from tallybook.monitor.service.feedback import Asked
from tests.monitor.test_reviews import reviewer
from tests.monitor.works import LAWLEY, Works

EFFECTS = "select sender_phone, effect from qa_submissions order by said_at, message_id"


async def press(works: Works, text: str, name: str = "ana") -> None:
    """A reviewer's feedback on the only review."""
    ((review_id,),) = await works.rows("select id from qa_photo_reviews")

    async def work(conn: Conn) -> Any:
        return await feedback.send(conn, works.business, review_id, await reviewer(conn, name), Asked(text, 1, 1))

    await works.db.run("press", work)


@pytest.mark.parametrize("text", ["DR1000001 done", "dr1000001 done", "DR1000001", "DR1000001\nGood", "done"])
@pytest.mark.parametrize("dropped", [False, True], ids=["sent", "never sent"])
async def test_a_post_that_says_what_a_reviewer_wrote_is_a_post(works: Works, text: str, *, dropped: bool) -> None:
    works.post("DR1000001 done")
    await works.read()
    await press(works, text)
    if dropped:
        lead = people.command_line(works.business.id)
        await works.db.run("stop", lambda conn: reply_board.stop(conn, lead))
        await works.db.run("drop", lambda conn: reply_board.drop(conn, lead))
    else:
        await works.send()
        await works.read()
    works.post(text if "DR" in text.upper() else "DR1000001\ndone", sender="27820000009")
    await works.read()
    assert await works.rows(EFFECTS) == [("+27820000001", "created"), ("+27820000009", "resubmitted")]
    assert await works.states() == ["dropped" if dropped else "delivered"]
    story = await works.db.run("explain", lambda conn: explain.explain(conn, works.business, "DR1000001"))
    decisions = sorted(one.decision for one in story.posts)
    assert decisions == [Decision.CREATED, *([] if dropped else [Decision.OURS]), Decision.RESUBMITTED]
    run = await registers.check(works.db, works.business, "a night")
    assert run.posts == 2
    assert run.missing == 0


async def test_where_our_words_are_recognised_the_message_that_said_them_is_named(works: Works) -> None:
    works.post("DR9999999")
    await works.read()
    await works.send()
    await works.read()
    works.post(works.fake.shown[0].text, sender="27820000098")
    await works.read()
    assert await works.rows("select count(*) from outbox") == [(1,)], "a second number of ours is not answered"
    story = await works.db.run("explain", lambda conn: explain.explain(conn, works.business, "DR9999999"))
    ((number,),) = await works.rows("select id from outbox")
    ours = [one.detail for one in story.posts if one.decision is Decision.OURS]
    assert ours == [f"#{number}"] * 2


async def test_the_words_of_a_reply_that_never_left_are_anybodys(works: Works) -> None:
    works.post("DR9999999")
    await works.read()
    ((words,),) = await works.rows("select body ->> 'text' from outbox")
    works.post(words, sender="27820000008")
    await works.read()
    assert await works.rows("select count(*) from invalid_drop_submissions") == [(2,)]


async def test_our_words_a_week_later_are_somebodys_own(works: Works) -> None:
    works.post("DR9999999")
    await works.read()
    await works.send()
    await works.rows(
        "update outbox set created_at = created_at - interval '7 days', done_at = done_at - interval '7 days',"
        " tried_at = tried_at - interval '7 days'"
    )
    works.post(works.fake.shown[0].text, LAWLEY, sender="27820000008")
    await works.read()
    assert await works.rows("select count(*) from invalid_drop_submissions") == [(2,)]


@pytest.mark.parametrize("locale", ["en", "he", "fr"])
def test_every_feedback_has_a_line_that_only_we_write_and_is_not_changed_again(locale: str) -> None:
    written = texts.as_sent("DR1 done", "DR1", locale)
    assert written.splitlines()[0] == "DR1"
    assert written.splitlines()[1] in texts.LINES
    assert written.endswith("\nDR1 done")
    assert texts.as_sent(written, "DR1", locale) == written
    proposed = texts.text_of("DR1", {}, {}, locale)
    assert texts.as_sent(proposed, "DR1", locale) == proposed
