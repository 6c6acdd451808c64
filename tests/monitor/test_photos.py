"""A drop's photos: listed, fetched from a bridge whose names collide, said by people to belong or not."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tallybook.channels.bridge.files import BridgeFiles
from tallybook.core import jobs
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Conflict, NotFound
from tallybook.core.kept_files import path_of
from tallybook.core.messages import Incoming, Media
from tallybook.monitor import photo_jobs
from tallybook.monitor.photos import How
from tallybook.monitor.service import photos, reviews
from tallybook.monitor.service.photos import Photo, Said
from tallybook.monitor.service.reviews import Locked, Reviewer
from tallybook.photo_link import _Files
from tests import world
from tests.channels.bridge.fake_downloads import FakeDownloads
from tests.monitor.desk import LAWLEY, file, open_for, said
from tests.monitor.test_reviews import posted, reviewer

JPEG = b"\xff\xd8\xff\xe0 a house"
OTHER = b"\xff\xd8\xff\xe0 a pole"
NAME = "image_20251202_080000.jpg"  # bridges name files by the second, so that two collide


def photo(content: bytes = JPEG, when: str = "2025-12-02 08:02", text: str = "", **more: Any) -> Incoming:
    media = Media("image", NAME, hashlib.sha256(content).digest(), len(content))
    return said(LAWLEY, text, when, media=more.pop("media", media), **more)


async def set_up(db: Database, business: Business, *messages: Incoming) -> tuple[UUID, Reviewer]:
    async def work(conn: Conn) -> tuple[UUID, Reviewer]:
        await open_for(conn, business)
        review_id = await posted(conn, business)
        await file(conn, business, messages)
        return review_id, await reviewer(conn, "ana")

    return await db.run("set up", work)


async def listed(db: Database, business: Business, review_id: UUID) -> list[Photo]:
    async def work(conn: Conn) -> list[Photo]:
        return await photos.listed(conn, business, await reviews.one(conn, business, review_id))

    return await db.run("list", work)


async def fetched(db: Database, fake: FakeDownloads, folder: Path) -> None:
    """Runs the jobs that wait, as the worker does, until none is left."""
    files = _Files(BridgeFiles(fake.api, fake.folder))
    stop = asyncio.Event()

    async def one(held: jobs.Held) -> None:
        await photo_jobs.fetch(files, folder, held)

    running = asyncio.create_task(jobs.run_jobs(db, {photos.FETCH: one}, stop, asyncio.Event()))
    for _ in range(200):
        async with db.transaction() as conn:
            row = await (await conn.execute("select count(*) from jobs where state = 'waiting'")).fetchone()
        if row == (0,):
            break
        await asyncio.sleep(0.05)  # what becomes of a row is told to nobody
    stop.set()
    await running


async def ask(db: Database, business: Business, review_id: UUID) -> int:
    wanted = await listed(db, business, review_id)
    return await db.run("ask", lambda conn: photos.ask_for_pictures(conn, business, wanted))


async def test_photos_of_the_same_sender_near_a_post_are_probable_and_one_that_names_the_drop_is_certain(
    db: Database, business: Business
) -> None:
    review_id, _ = await set_up(
        db, business, photo(), photo(OTHER, "2025-12-02 08:30", "DR1752104"), photo(OTHER, "2025-12-02 08:15")
    )
    assert [one.how for one in await listed(db, business, review_id)] == [How.PROBABLE, How.CAPTION]


async def test_a_photo_is_kept_by_the_hash_of_what_it_holds_and_fetched_once(
    db: Database, business: Business, tmp_path: Path
) -> None:
    one = photo()
    review_id, _ = await set_up(db, business, one)
    with FakeDownloads(tmp_path / "store", {(one.external_id, one.chat): (NAME, JPEG)}) as fake:
        assert [await ask(db, business, review_id) for _ in range(2)] == [1, 0]
        await fetched(db, fake, tmp_path / "media")
        assert fake.asked == 1
    [shown] = await listed(db, business, review_id)
    assert (shown.state, shown.type, shown.size) == ("kept", "image/jpeg", len(JPEG))
    path = path_of(tmp_path / "media", hashlib.sha256(JPEG).digest())
    assert path.read_bytes() == JPEG
    assert path.relative_to(tmp_path / "media").parts[0] == path.name[:2]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_another_file_of_the_same_name_is_never_shown_and_says_why_and_can_be_tried_again(
    db: Database, business: Business, tmp_path: Path
) -> None:
    first, second = photo(), photo(OTHER, "2025-12-02 08:03")
    review_id, _ = await set_up(db, business, first, second)
    names = {(first.external_id, first.chat): (NAME, JPEG), (second.external_id, second.chat): (NAME, OTHER)}
    with FakeDownloads(tmp_path / "store", names) as fake:
        await ask(db, business, review_id)
        await fetched(db, fake, tmp_path / "media")
        states = {one.state: one for one in await listed(db, business, review_id)}
        assert set(states) == {"kept", "failed"}
        failed = states["failed"]
        assert failed.reason == photo_jobs.ANOTHER
        with pytest.raises(NotFound):
            await db.run("kept", lambda conn: photos.kept(conn, business, review_id, failed.message_id))
        (tmp_path / "store" / LAWLEY.group / NAME).unlink()
        for _ in range(2):
            await db.run("again", lambda conn: photos.ask(conn, business, review_id, failed.message_id))
        await fetched(db, fake, tmp_path / "media")
    assert [one.state for one in await listed(db, business, review_id)] == ["kept", "kept"]
    assert fake.asked == 3


async def test_what_has_no_hash_or_is_too_large_or_gone_is_not_kept_and_says_why(
    db: Database, business: Business, tmp_path: Path
) -> None:
    unproved = photo(media=Media("image", NAME))
    large = photo(when="2025-12-02 08:03", media=Media("image", NAME, b"x" * 32, 2**30))
    gone = photo(when="2025-12-02 08:04")
    review_id, _ = await set_up(db, business, unproved, large, gone)
    with FakeDownloads(tmp_path / "store") as fake:
        await ask(db, business, review_id)
        await fetched(db, fake, tmp_path / "media")
    reasons = [one.reason or "" for one in await listed(db, business, review_id)]
    assert reasons[:2] == [photo_jobs.NO_HASH, photo_jobs.TOO_LARGE]
    assert reasons[2].startswith("The bridge could not download the file.")
    assert fake.asked == 1
    assert not (tmp_path / "media").exists()


async def test_what_a_person_says_of_a_photo_is_kept_and_recorded_and_may_be_changed(
    db: Database, business: Business
) -> None:
    review_id, ana = await set_up(db, business, photo())
    [one] = await listed(db, business, review_id)

    async def say(belongs: bool) -> How:
        said_of = Said(one.message_id, belongs)
        await db.run("say", lambda conn: photos.say(conn, business, review_id, ana, said_of))
        return (await listed(db, business, review_id))[0].how

    assert [await say(belongs) for belongs in (True, True, False, True)] == [
        How.CONFIRMED, How.CONFIRMED, How.REFUSED, How.CONFIRMED,
    ]  # fmt: skip
    async with db.transaction() as conn:
        _, changes = await reviews.history(conn, business, await reviews.one(conn, business, review_id))
    assert [(change.before or {})["photo"] for change in changes] == ["probable", "confirmed", "refused"]


async def test_a_photo_is_confirmed_for_one_drop_only_even_by_two_at_once(db: Database, business: Business) -> None:
    review_id, ana = await set_up(db, business)

    async def more(conn: Conn) -> UUID:
        await file(conn, business, [said(LAWLEY, "DR1752104 and DR1752105", "2025-12-02 08:01"), photo()])
        row = await (await conn.execute("select id from qa_photo_reviews where drop_number = 'DR1752105'")).fetchone()
        assert row is not None
        return UUID(str(row[0]))

    other_id = await db.run("more", more)
    [one] = await listed(db, business, review_id)
    assert [two.message_id for two in await listed(db, business, other_id)] == [one.message_id]

    async def confirm(which: UUID) -> None:
        said_of = Said(one.message_id, belongs=True)
        await db.run("say", lambda conn: photos.say(conn, business, which, ana, said_of))

    ends = await asyncio.gather(confirm(review_id), confirm(other_id), return_exceptions=True)
    assert sum(isinstance(end, Conflict | NotFound) for end in ends) == 1


async def test_another_s_lock_another_s_drop_and_another_business_are_respected(
    db: Database, business: Business
) -> None:
    review_id, ana = await set_up(db, business, photo(), photo(OTHER, "2025-12-02 12:00"))
    [one] = await listed(db, business, review_id)
    ben = await db.run("ben", lambda conn: reviewer(conn, "ben"))
    await db.run("lock", lambda conn: reviews.take_lock(conn, business, review_id, ben))
    with pytest.raises(Locked):
        await db.run("say", lambda conn: photos.say(conn, business, review_id, ana, Said(one.message_id, belongs=True)))
    for number in (one.message_id + 1, 10**9):
        with pytest.raises(NotFound):
            await db.run("ask", lambda conn, number=number: photos.ask(conn, business, review_id, number))
    other = await db.run("other", world.kinneret_tours)
    with pytest.raises(NotFound):
        await db.run("ask", lambda conn: photos.ask(conn, other, review_id, one.message_id))
