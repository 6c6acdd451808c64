"""Held against the stored messages: every post stands in every register where it belongs.

What each register must hold is worked out anew from the messages by the rules as they are now, and compared set by
set: what a project was told since its rules are so, and what it kept of before. A post that the rules of now do not
read, or read for another register, is not looked for. A drop that stands in one register because it was posted to one
group alone is as it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.health import Check
from tallybook.core.messages import Stored
from tallybook.monitor.store import projects as project_store
from tallybook.monitor.store import registers as store
from tallybook.monitor.store import standings
from tallybook.monitor.store.registers import Behind, Gap, Run
from tallybook.monitor.store.standings import Looked, Standing
from tallybook.monitor.types import Kind, Post, Project

from .desks import SILENT, project_of
from .filing import Desk
from .own_words import by_others

BATCH = 5000
WINDOW = timedelta(days=30)
WHOLE_EVERY = timedelta(days=6, hours=12)  # so that a nightly run becomes a whole one once a week
LATE = timedelta(hours=50)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Watched:
    """What posts are looked for in: the desk that decides, every space and marketing project ever filed in."""

    business: Business
    desk: Desk
    looked: Looked
    marketing: list[str]

    @property
    def spaces(self) -> list[str]:
        return list(self.looked.spaces)


async def watched(conn: Conn, business: Business) -> Watched:
    """The desk of the projects that are read now, and where their posts may stand."""
    rows = await project_store.every(conn, business.id)
    active = [project_of(row) for row in rows if row.active]
    return Watched(
        business,
        Desk({project.group: project for project in active}, business.zone, SILENT),
        Looked(
            await store.spaces(conn, business.id),
            [row.name for row in rows],
            {row.name: row.rules_since for row in rows},
        ),
        [row.name for row in rows if row.kind is Kind.MARKETING],
    )


async def posts_of(conn: Conn, held: Watched, stored: Sequence[Stored]) -> list[Post]:
    """The posts that these messages make by the rules, our own words left out."""
    return await by_others(conn, held.business.id, held.desk.read(stored))


async def missing(conn: Conn, held: Watched, posts: Sequence[Post]) -> list[Gap]:
    """Which of these posts are not in the register where they belong."""
    qa = [post for post in posts if post.project.kind is Kind.QA]
    marketing = [post for post in posts if post.project.kind is Kind.MARKETING]
    gaps: list[Gap] = []
    if qa:
        found = await standings.stand_in_qa(conn, held.business.id, qa, held.looked)
        gaps += judged(qa, found, ("qa_photo_reviews", "qa_submissions"))
    if marketing:
        found = await standings.stand_in_marketing(conn, held.business.id, marketing, held.looked)
        gaps += judged(marketing, found, ("marketing_activations", "marketing_posts"))
    return gaps


def judged(posts: Sequence[Post], found: Sequence[Standing], registers: tuple[str, str]) -> list[Gap]:
    """A gap for each post whose drop has no row where the post is kept, or that ought to be kept and is not. Pure.

    A refused post belongs nowhere else, and nothing is expected of one that was seen before the rules of now.

    ``registers`` names the register of drops, then that of posts.
    """
    gaps = []
    for post, stands in zip(posts, found, strict=True):
        if stands.held if stands.kept else (stands.decided or not stands.expected):
            continue
        register = registers[1] if stands.held else registers[0]
        gaps.append(Gap(register, post.drop_number, post.message_id, post.project.name))
    return gaps


@dataclass
class Tally:
    """What a run that began at ``began`` has seen so far."""

    began: datetime
    messages: int = 0
    posts: int = 0
    drops: dict[Kind, set[str]] = field(default_factory=lambda: {kind: set() for kind in Kind})

    @property
    def both(self) -> int:
        """Drops that were posted for review and to marketing."""
        return len(self.drops[Kind.QA] & self.drops[Kind.MARKETING])


async def check(db: Database, business: Business, run: str, *, whole: bool | None = None) -> Run:
    """Holds the registers against the messages of the last 30 days, or against all; keeps what is missing.

    ``run`` names the run: one of the same name is kept once. ``whole`` None means: if the last whole run is a week old.
    Each batch is a transaction of its own, so that nobody waits and nothing is held for long.
    """
    tally = Tally(datetime.now(UTC))
    held = await db.run("begin register check", lambda conn: watched(conn, business))
    if whole is None:
        last = await db.run("last whole check", lambda conn: store.last_run(conn, business.id, whole=True))
        whole = last is None or tally.began - last.ended_at > WHOLE_EVERY
    since = None if whole else tally.began - WINDOW
    for project in held.desk.projects.values():
        await _check_group(db, held, project, since or BEGINNING, tally)

    async def end(conn: Conn) -> Run:
        await look_again(conn, held, tally.began)
        count, _, _ = await store.count_open(conn, business.id)
        ended = datetime.now(UTC)
        kept = Run(run, whole, since, tally.began, ended, tally.messages, tally.posts, tally.both, count)
        await store.keep_run(conn, business.id, kept)
        return kept

    return await db.run("end register check", end)


async def _check_group(db: Database, held: Watched, project: Project, since: datetime, tally: Tally) -> None:
    after: Behind | None = Behind(since)
    while after is not None:

        async def look(conn: Conn, after: Behind = after) -> tuple[list[Stored], list[Post]]:
            stored = await store.group_batch(conn, held.business.id, project.group, after, BATCH)
            posts = await posts_of(conn, held, stored)
            gaps = await missing(conn, held, posts)
            if gaps:
                await store.keep_gaps(conn, held.business.id, gaps, tally.began)
            return stored, posts

        stored, posts = await db.run("check registers", look)
        tally.messages += len(stored)
        tally.posts += len(posts)
        tally.drops[project.kind].update(post.drop_number for post in posts)
        after = Behind(stored[-1].incoming.said_at, stored[-1].id) if len(stored) == BATCH else None


async def look_again(conn: Conn, held: Watched, now: datetime, drop_number: str | None = None) -> None:
    """Looks at the messages of known gaps, of one drop or of all, and ends those that are no longer any."""
    known = [gap for gap, _ in await store.open_gaps(conn, held.business.id, drop_number, 100_000, with_left=True)]
    for at in range(0, len(known), BATCH):
        ids = [gap.message_id for gap in known[at : at + BATCH]]
        posts = await posts_of(conn, held, await store.messages(conn, held.business.id, ids))
        gaps = await missing(conn, held, posts)
        await store.keep_gaps(conn, held.business.id, gaps, now)
        await store.end_gaps(conn, held.business.id, ids, now)


async def open_gaps(conn: Conn, business: Business, limit: int = 1000) -> list[tuple[Gap, datetime]]:
    """What is missing and was not left out on purpose, with when it was found; the newest first."""
    return await store.open_gaps(conn, business.id, None, limit)


async def checks(conn: Conn, business: Business, now: datetime) -> list[Check]:
    """The one line of the health page: whether every post stands where it belongs, and when that was last proved."""
    last = await store.last_run(conn, business.id)
    count, since, drop = await store.count_open(conn, business.id)
    return [judge(last, count, since, drop, now)]


def judge(last: Run | None, count: int, since: datetime | None, drop: str | None, now: datetime) -> Check:
    """Wrong while a post is missing from a register, late if nobody looked for two nights. Pure."""
    if last is None:
        return Check("registers", "ok", "Not yet held against the messages: that is done every night.")
    facts: dict[str, str | int | float] = {"posts_held_against": last.posts, "in_both_registers": last.both_registers}
    if count:
        facts["such_as"] = drop or ""
        says = "1 drop is missing from a register." if count == 1 else f"{count} drops are missing from a register."
        return Check("registers", "wrong", says, since, facts)
    if now - last.ended_at > LATE:
        return Check("registers", "late", "Not held against the messages for two nights.", last.ended_at, facts)
    return Check("registers", "ok", "Every post is in every register where it belongs.", last.ended_at, facts)
