"""A review's record: every write of the product is in it, and what somebody's own SQL changed is seen as such."""

from __future__ import annotations

from uuid import UUID

import pytest

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.history import ByHand, by_hand
from tallybook.monitor.service import assignment, reviews
from tallybook.monitor.service.assignment import Wanted
from tallybook.monitor.service.reviews import Reviewer
from tallybook.monitor.types import STEP_COLUMNS, Changes
from tallybook.web import i18n, review_words
from tests import world
from tests.monitor.desk import LAWLEY, file, said
from tests.monitor.test_reviews import BY_HAND, at, posted

TICK = "update qa_photo_reviews set step_01_house_photo = true, completed = true"
GIVE = "update qa_photo_reviews set assigned_agent = 'Somebody'"


@pytest.fixture
async def ana(conn: Conn, business: Business) -> Reviewer:
    someone = await world.ana(conn, business)
    return Reviewer(someone.account_id, someone.name)


async def found(conn: Conn, business: Business, review_id: UUID) -> list[ByHand]:
    review = await reviews.one(conn, business, review_id)
    return by_hand(review, *await reviews.history(conn, business, review))


async def test_what_the_product_writes_is_never_taken_for_somebody_s_own_sql(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await posted(conn, business)
    assert await found(conn, business, review_id) == []
    everything = Changes(dict.fromkeys(STEP_COLUMNS, True), posts=1)
    await reviews.save(conn, business, review_id, ana, everything)
    await reviews.save(conn, business, review_id, ana, Changes(reasons={STEP_COLUMNS[3]: "Blurry: twice"}, comment="x"))
    await assignment.assign(conn, business, review_id, ana, Wanted(ana.account_id))
    await file(conn, business, [said(LAWLEY, "DR1752104", "2025-12-02 09:00")])
    await reviews.look(conn, business, review_id, ana, 2)
    assert await found(conn, business, review_id) == []


async def test_what_somebody_s_own_sql_changed_is_named_with_what_the_record_says(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await posted(conn, business)
    await reviews.save(conn, business, review_id, ana, Changes({"step_11_green_lights": True}))
    for statement in (TICK, GIVE):
        await conn.execute(statement.encode())
    changed = await found(conn, business, review_id)
    assert changed == [
        ByHand("step_01_house_photo", "missing", "right"), ByHand("completed", False, True),
        ByHand("assigned_agent", None, "Somebody"),
    ]  # fmt: skip
    view = review_words.by_hand_view(changed, i18n.words("en"))
    assert view is not None
    assert view.lines == [
        "Changed outside Tallybook", "Property Photo: Missing → Right", "Complete: no → yes",
        "Assigned: nobody → Somebody",
    ]  # fmt: skip
    hebrew = review_words.by_hand_view(changed, i18n.words("he"))
    assert hebrew is not None
    assert "←" in hebrew.lines[1]


async def test_of_a_review_that_was_written_by_hand_only_what_was_changed_since_is_judged(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    await conn.execute(BY_HAND, {"business_id": business.id, "created_at": at("2025-12-02 08:00")})
    row = await (await conn.execute("select id from qa_photo_reviews")).fetchone()
    assert row is not None
    await conn.execute(TICK.encode())
    assert await found(conn, business, row[0]) == []
    await reviews.save(conn, business, row[0], ana, Changes({"step_01_house_photo": False}))
    await conn.execute(TICK.encode())
    assert [one.field for one in await found(conn, business, row[0])] == ["step_01_house_photo", "completed"]


async def test_the_record_reads_in_the_user_s_words_with_what_was_and_what_is(
    conn: Conn, business: Business, ana: Reviewer
) -> None:
    review_id = await posted(conn, business)
    ticks = {"step_01_house_photo": True, "step_08_ont_barcode": True}
    await reviews.save(conn, business, review_id, ana, Changes(ticks, comment="Fine"))
    await reviews.save(conn, business, review_id, ana, Changes(reasons={"step_08_ont_barcode": "Blurry"}))
    _, changes = await reviews.history(conn, business, await reviews.one(conn, business, review_id))
    lines = [review_words.change_view(change, i18n.words("en")).lines for change in changes]
    assert lines[0][0] == "Property Photo, ONT Barcode: Missing → Right"
    assert lines[0][1].endswith("→ “Fine”")
    assert lines[1] == ["ONT Barcode: Right → Wrong (Blurry)"]
