"""Filing: a group's messages become submissions, reviews and activations, exactly once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.messages import Stored
from tallybook.monitor import rules
from tallybook.monitor.reply_types import Manner, Rejected
from tallybook.monitor.store import drops as drop_store
from tallybook.monitor.store import filing as store
from tallybook.monitor.store import held as held_store
from tallybook.monitor.store import marketing
from tallybook.monitor.store import reconcile as list_store
from tallybook.monitor.store import refused as refused_store
from tallybook.monitor.store.drops import SpacedDrop
from tallybook.monitor.store.filing import Listed
from tallybook.monitor.types import Effect, Filed, Kind, Post, Project

from .own_words import by_others
from .replies import ANSWERING, answer_rejected

Decided = list[tuple[Post, Effect]]
NO_LIST = "No list has been imported"
TOLD_ONE_BY_ONE = 100  # posts of a batch: a catch-up of a million would log nothing but how each was judged


@dataclass(frozen=True)
class Judged:
    """A batch's posts by what becomes of them, each in the order they were said."""

    listed: Listed = field(default_factory=lambda: Listed(set()))
    reviews: list[Post] = field(default_factory=list)
    refused: list[Post] = field(default_factory=list)
    held: list[tuple[Post, str]] = field(default_factory=list)
    activations: list[Post] = field(default_factory=list)

    def named(self, *, validated: bool) -> list[tuple[str, str]]:
        """The posts for review that were found in their list, or that needed none; of a large batch nobody is told."""
        if len(self.reviews) > TOLD_ONE_BY_ONE:
            return []
        return [(post.drop_number, post.project.name) for post in self.reviews if post.project.validated == validated]


class Said(NamedTuple):
    """What messages say: their posts, in the order they were said, and the messages that may be what we sent."""

    posts: list[Post]
    maybe_ours: list[int]


@dataclass(frozen=True)
class Desk:
    """The projects that one environment reads, the zone of their dates, and how it answers."""

    projects: Mapping[str, Project]  # by group
    zone: ZoneInfo
    manner: Manner = ANSWERING

    def read(self, stored: Sequence[Stored]) -> Said:
        """The drops that these messages name. Pure."""
        posts: list[Post] = []
        maybe_ours: list[int] = []
        for message in stored:
            said = message.incoming
            project = self.projects.get(said.chat)
            if project is None or not said.text:
                continue
            is_read = rules.is_read(project, from_us=said.from_us, deleted=said.deleted)
            drops = rules.drops_in(said.text, project.pattern) if is_read else []
            # Also somebody else's: a number of ours of which nobody told us would be answered for ever.
            if drops or said.from_us:
                maybe_ours.append(message.id)
            for drop in drops:
                who = said.sender.phone
                posts.append(Post(message.id, message.fresh, drop, project, said.said_at, who, said.account, said.chat))
        posts.sort(key=_when)
        return Said(posts, maybe_ours)

    async def file(self, conn: Conn, business: Business, said: Said) -> list[Filed]:
        """Files what was read, in the caller's transaction. A message filed before does nothing again."""
        posts = await by_others(conn, business.id, said, proving=True)
        if not posts:
            return []
        judged = await self._judge(conn, business.id, posts)
        decided = await self._file_reviews(conn, business.id, judged.reviews) if judged.reviews else []
        return [
            Filed(
                created=_told(decided, Effect.CREATED),
                resubmitted=_told(decided, Effect.RESUBMITTED),
                history=_told(decided, Effect.HISTORY),
                invalid=await self._reject(conn, business, judged.refused, judged.listed) if judged.refused else [],
                activated=await self._activate(conn, business.id, judged) if judged.activations else [],
                held=await self._hold(conn, business.id, judged.held) if judged.held else [],
                validated=judged.named(validated=True),
                unchecked=judged.named(validated=False),
            )
        ]

    async def _judge(self, conn: Conn, business_id: int, posts: list[Post]) -> Judged:
        """Which posts make reviews, activations or nothing, and which cannot be judged now."""
        sought = [post for post in posts if _needs_list(post)]
        if not sought:
            return Judged(reviews=posts)
        drops = {post.drop_number for post in sought}
        listed = await store.listed(conn, business_id, drops, {p.project.name for p in sought if p.project.validated})
        judged = Judged(listed=listed)
        for post in posts:
            name = post.project.name
            if post.project.kind is Kind.MARKETING:
                judged.activations.append(post)
            elif name in listed.withdrawing:
                judged.held.append((post, "import_running"))
            elif not post.project.validated or (post.drop_number, name) in listed.valid:
                judged.reviews.append(post)
            elif name in listed.importing:
                judged.held.append((post, "import_running"))
            elif name in listed.empty:
                judged.held.append((post, "list_empty"))
            else:
                judged.refused.append(post)
        return judged

    async def _hold(self, conn: Conn, business_id: int, held: list[tuple[Post, str]]) -> list[tuple[str, str]]:
        """Keeps what cannot be judged now; an edited message's post that was filed before waits for nothing."""
        old = [post for post, _ in held if not post.fresh]
        known = await store.known_submissions(conn, business_id, old) if old else set()
        waiting = [(post, why) for post, why in held if (*_spaced(post), post.message_id) not in known]
        return await held_store.hold(conn, business_id, waiting) if waiting else []

    async def _reject(
        self, conn: Conn, business: Business, refused: list[Post], listed: Listed
    ) -> list[tuple[str, str]]:
        """Keeps what is in no list of its project, and has its group told."""
        known = {project.name for project in self.projects.values() if project.kind is Kind.QA}
        elsewhere: dict[str, list[str]] = defaultdict(list)
        for drop, project in sorted(listed.valid):
            if project in known:
                elsewhere[drop].append(project)
        rejected = [Rejected(post, tuple(elsewhere.get(post.drop_number, ()))) for post in refused]
        await answer_rejected(conn, business, rejected, datetime.now(UTC), self.manner)
        return await refused_store.add(conn, business.id, refused)

    async def _file_reviews(self, conn: Conn, business_id: int, posts: list[Post]) -> Decided:
        """Steps, in this order: lock the drops; see what is there; decide; keep every post; write the reviews."""
        by_drop: dict[SpacedDrop, list[Post]] = defaultdict(list)
        for post in posts:
            by_drop[_spaced(post)].append(post)
        seen_at = datetime.now(UTC)
        # They are in the order they were said.
        newest = {drop: rules.clock(of_drop[-1].said_at, seen_at) for drop, of_drop in by_drop.items()}
        last_posted = await drop_store.lock_posted(conn, business_id, newest, rules.AHEAD)
        reviews = await store.find_reviews(conn, business_id, by_drop)
        old = [post for post in posts if not post.fresh]
        known = await store.known_submissions(conn, business_id, old) if old else set()
        decided: Decided = []
        for drop, of_drop in by_drop.items():
            new = [post for post in of_drop if (*drop, post.message_id) not in known] if known else of_drop
            since = (last_posted.get(drop) or reviews[drop][1] or newest[drop]) if drop in reviews else None
            decided.extend(rules.effects(new, since, seen_at))
        if decided:
            await store.add_submissions(conn, business_id, decided)
            await self._write_reviews(conn, business_id, decided, {drop: review[0] for drop, review in reviews.items()})
        return decided

    async def _write_reviews(
        self, conn: Conn, business_id: int, decided: Decided, reviews: dict[SpacedDrop, UUID]
    ) -> None:
        new = [post for post, effect in decided if effect is Effect.CREATED]
        again = [post for post, effect in decided if effect is Effect.RESUBMITTED]
        if new:
            made = await store.create_reviews(
                conn,
                business_id,
                new,
                [rules.business_date(post.said_at, self.zone) for post in new],
                [rules.created_note(post.said_at, self.zone) for post in new],
            )
            # A row written by hand in between makes of a first post one that was posted again.
            again = [post for post in new if _spaced(post) not in made] + again
            by_hand = [_spaced(post) for post in new if post.bridge == store.MANUAL and _spaced(post) in made]
            if by_hand:
                await list_store.sign_reviews(conn, business_id, by_hand)
        if again:
            unknown = {_spaced(post) for post in again} - reviews.keys()
            found = await store.find_reviews(conn, business_id, unknown) if unknown else {}
            ids = reviews | {drop: review[0] for drop, review in found.items()}
            await store.resubmit(conn, business_id, self._gathered(again, ids), rules.MAX_NOTED)

    def _gathered(self, again: Sequence[Post], ids: Mapping[SpacedDrop, UUID]) -> dict[UUID, tuple[Post, str]]:
        """Each review's newest post, and a note for each of its newest posts."""
        of_review: dict[UUID, list[Post]] = defaultdict(list)
        for post in again:
            of_review[ids[_spaced(post)]].append(post)
        return {
            review_id: (posts[-1], "\n".join(self._notes(posts[-rules.NOTES_AT_ONCE :])))
            for review_id, posts in of_review.items()
        }

    def _notes(self, posts: Sequence[Post]) -> list[str]:
        return [rules.resubmitted_note(post.said_at, self.zone) for post in posts]

    async def _activate(self, conn: Conn, business_id: int, judged: Judged) -> list[tuple[str, str]]:
        """Marketing takes every drop; whether a list knows it is noted beside it."""
        known = dict(sorted(judged.listed.valid))
        validity = {
            drop: said_of(known.get(drop), listed=not judged.listed.none)
            for drop in {post.drop_number for post in judged.activations}
        }
        return await marketing.activate(conn, business_id, judged.activations, validity)


def log_lines(filed: Filed, tag: str) -> list[str]:
    """What is written to the log for a batch, to the letter; ``tag`` is empty in prod, else e.g. ``[DEV] ``."""
    return [
        *(f"✅ {tag}VALIDATED: {drop} is in the list of {project}" for drop, project in filed.validated),
        *(f"⏭️ {tag}SKIPPED VALIDATION: {drop} in {project}, which needs no list" for drop, project in filed.unchecked),
        *(f"✅ {tag}Created QA review for {drop}" for drop, _ in filed.created),
        *(f"🔄 {tag}Resubmission detected: {drop} in {project}" for drop, project in filed.resubmitted),
        *(f"❌ {tag}INVALID DROP: {drop} is not in the list of {project}" for drop, project in filed.invalid),
        *(f"🚫 {tag}REJECTED: {drop} makes no review in {project}" for drop, project in filed.invalid),
        *(f"⏸️ {tag}HELD: {drop} waits until the list of {project} can be read" for drop, project in filed.held),
        *(f"✅ {tag}Created marketing activation for {drop}" for drop, _ in filed.activated),
    ]


def _needs_list(post: Post) -> bool:
    return post.project.validated or post.project.kind is Kind.MARKETING


def said_of(project: str | None, *, listed: bool) -> tuple[bool | None, str]:
    """What marketing notes of a drop: whether a list knows it, and in words. Pure."""
    if not listed:
        return None, NO_LIST
    return project is not None, f"In the list of {project}" if project is not None else "In no project's list"


def _when(post: Post) -> tuple[datetime, int]:
    return post.said_at, post.message_id


def _spaced(post: Post) -> SpacedDrop:
    return post.project.space, post.drop_number


def _told(decided: Decided, wanted: Effect) -> list[tuple[str, str]]:
    return [(post.drop_number, post.project.name) for post, effect in decided if effect is wanted]
