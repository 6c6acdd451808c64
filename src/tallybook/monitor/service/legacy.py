"""Brings the old system's tables in: judged row by row, all of it or nothing, and twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.core.import_book import Book, Outcome
from tallybook.monitor.store import drops as drop_store
from tallybook.monitor.store import legacy as store
from tallybook.monitor.types import Effect

from . import legacy_rows
from .legacy_rows import Post, Review, Row, Terms, Unusable, after, has_marks, is_untouched, number_of, says_the_same

BATCH = 1000
TWICE = "the old table holds the same drop and day twice"
TAKEN = "the drop has another review of this day already"
DATED = "the drop has a review of another day already: added as a further dated one"
REPEATED = "posted again: kept as history beside the first"
LAID = "its ticks and words are laid over the review that the bridge made, which nobody had touched"
SAME_ID = "another row has its id: it has a new one"
MARKETING = "it is of a marketing project: kept as an activation"
OTHER = "the drop is activated already, by another post: kept as history beside it"

Progress = Callable[[int, int], None]
Judged = TypeVar("Judged", Review, Post)


class Import:
    """One import into one business. ``progress`` hears of rows done and rows in all."""

    def __init__(
        self, business: Business, terms: Terms, rows: dict[str, list[Any]], progress: Progress = lambda _, __: None
    ) -> None:
        self._business, self._terms, self._progress = business, terms, progress
        self._books = {name: Book(name, rows[name]) for name in store.READ if name in rows}
        self._total, self._done = sum(len(one) for one in rows.values()), 0
        self._marketing: tuple[dict[tuple[str, str], datetime], set[tuple[str, str, int]]] | None = None

    async def run(self, conn: Conn, who: str, *, dry_run: bool) -> Outcome:
        """Judges every row and, unless it is a dry run, adds what is new, in the caller's transaction."""
        self._done, self._marketing = 0, None
        self._books = {name: Book(name, book.rows) for name, book in self._books.items()}
        await store.take_turns(conn, self._business.id)
        for name, work in (
            ("valid_drop_numbers", self._valid), ("qa_photo_reviews", self._reviews),
            ("marketing_activations", self._activations), ("invalid_drop_submissions", self._refused),
        ):  # fmt: skip
            if name in self._books:
                await work(conn, self._books[name], write=not dry_run)
        if "qa_photo_reviews" in self._books:
            await self._moved(conn, self._books["qa_photo_reviews"], write=not dry_run)
        tables = [book.table() for book in self._books.values()]
        if not dry_run and any(table.added for table in tables):
            added = {table.name: table.added for table in tables}
            await audit.record(
                conn, self._business.id, who, None, "legacy.imported", "legacy", self._business.name, after=added
            )
        return Outcome(tables, [one for book in self._books.values() for one in book.remarks()], dry_run=dry_run)

    def _judged(self, book: Book, rows: Sequence[Row], judge: Callable[[Row, Terms], Judged]) -> list[Judged]:
        """The rows that can be taken; the others are told."""
        found = []
        for row in rows:
            try:
                found.append(judge(row, self._terms))
            except (Unusable, ValueError) as error:
                why = str(error) if isinstance(error, Unusable) else "a value of it cannot be read"
                book.leave(f"{row.get('drop_number')} (id {row.get('id')})", why)
            self._done += 1
            if self._done % BATCH == 0:
                self._progress(self._done, self._total)
        self._progress(self._done, self._total)
        return found

    async def _valid(self, conn: Conn, book: Book, *, write: bool) -> None:
        there = await store.valid_drops(conn, self._business.id)
        new: dict[tuple[str, str], None] = {}
        for row in book.rows:
            try:
                entry = legacy_rows.valid(row, self._terms)
            except Unusable as error:
                book.leave(str(row.get("drop_number")), str(error))
                continue
            if entry in there or entry in new:
                book.known += 1
            else:
                new[entry] = None
                book.add(entry[0], ())
        self._done += len(book.rows)
        self._progress(self._done, self._total)
        for batch in _batches(sorted(new)) if write else ():
            await store.add_valid(conn, self._business.id, batch)

    async def _reviews(self, conn: Conn, book: Book, *, write: bool) -> None:
        rows = [row for row in book.rows if not self._terms.is_marketing(row)]
        judged = sorted(self._judged(book, rows, legacy_rows.review), key=lambda one: (one.posts[0], one.id))
        if write:
            # Before anybody looks: what the bridge files meanwhile waits, or is seen.
            first = {(one.space, one.drop_number): one.posts[0] for one in reversed(judged)}
            await drop_store.lock(conn, self._business.id, first)
        drops, ids = {one.drop_number for one in judged}, {one.id for one in judged}
        sorting = _Sorting(await store.reviews(conn, self._business.id, drops, ids))
        for one in judged:
            sorting.sort(one, book)
        for batch in _batches(sorting.new) if write else ():
            await self._write_reviews(conn, book, batch)
        for laid in _batches(sorting.laid) if write else ():
            await store.lay_over(conn, self._business.id, [{"ours": ours} | one.columns for ours, one in laid])

    async def _write_reviews(self, conn: Conn, book: Book, batch: Sequence[tuple[Review, Effect]]) -> None:
        newest: dict[tuple[str, str], datetime] = {}
        for one, _ in batch:
            key = (one.space, one.drop_number)
            newest[key] = max(after(one.posts[-1]), newest.get(key, after(one.posts[-1])))
        await drop_store.lock_imported(conn, self._business.id, newest)
        made = await store.add_reviews(conn, self._business.id, [_row(one) for one, _ in batch])
        for one, _ in batch:
            if one.id not in made:  # written by hand since we looked, by somebody who asks for no lock
                book.turn_away(_name(one), TAKEN)
        kept = [(one, effect) for one, effect in batch if one.id in made]
        posts = [
            (one.space, one.drop_number, number_of(at), one.project, one.phone and f"+{one.phone}", at,
             effect if at == one.posts[0] else Effect.RESUBMITTED)
            for one, effect in kept for at in one.posts
        ]  # fmt: skip
        if posts:
            await store.add_submissions(conn, self._business.id, posts)

    async def _activations(self, conn: Conn, book: Book, *, write: bool) -> None:
        await self._activate(conn, book, self._judged(book, book.rows, legacy_rows.activation), write=write)

    async def _moved(self, conn: Conn, book: Book, *, write: bool) -> None:
        """Rows of marketing that the old system kept among its reviews."""
        rows = [row for row in book.rows if self._terms.is_marketing(row)]
        found = self._judged(book, rows, legacy_rows.activation)
        moved = [msgspec.structs.replace(one, remarks=(*one.remarks, MARKETING)) for one in found]
        await self._activate(conn, book, moved, write=write)

    async def _activate(self, conn: Conn, book: Book, found: list[Post], *, write: bool) -> None:
        judged = sorted(found, key=lambda one: one.said_at)
        if self._marketing is None:  # a dry run adds nothing, and the next table must know what it would have added
            business = self._business.id
            self._marketing = await store.activations(conn, business), await store.marketing_posts(conn, business)
        there, posts = self._marketing
        new, history, before = list[Post](), list[Post](), set(there)
        for one in judged:
            key = (one.project, one.drop_number)
            if (*key, number_of(one.said_at)) in posts or there.get(key) == one.said_at:
                book.known += 1
                continue
            posts.add((*key, number_of(one.said_at)))
            history.append(one)
            why = [] if key not in there else [OTHER if key in before else REPEATED]
            book.add(f"{one.drop_number} {one.said_at:%Y-%m-%d}", [*one.remarks, *why])
            if key not in there:
                there[key] = one.said_at
                new.append(one)
        if write:
            for batch in _batches(new):
                await store.add_activations(conn, self._business.id, [_post(one, None) for one in batch])
            for batch in _batches(history):
                rows = [_post(one, "+") | {"message_id": number_of(one.said_at)} for one in batch]
                await store.add_marketing_posts(conn, self._business.id, rows)

    async def _refused(self, conn: Conn, book: Book, *, write: bool) -> None:
        there = await store.refused_posts(conn, self._business.id)
        new = []
        for one in self._judged(book, book.rows, legacy_rows.refused):
            key = (one.project, one.drop_number, one.said_at.replace(microsecond=0))
            if key in there:
                book.known += 1
                continue
            there.add(key)
            new.append(one)
            book.add(f"{one.drop_number} {one.project}", one.remarks)
        for batch in _batches(new) if write else ():
            await store.add_refused(conn, self._business.id, [_post(one, None) for one in batch])


class _Sorting:
    """Which old reviews are new to us, which are laid over one of ours, and which are left out."""

    def __init__(self, ours: Sequence[store.Standing]) -> None:
        self.new: list[tuple[Review, Effect]] = []
        self.laid: list[tuple[str, Review]] = []
        self._ours = {(one.space, one.drop_number, one.review_date): one for one in ours}
        self._numbers = {one.id for one in ours}
        self._drops = {(one.space, one.drop_number) for one in ours}
        self._keys: set[tuple[str, str, date]] = set()
        self._ids: set[str] = set()

    def sort(self, one: Review, book: Book) -> None:
        ours = self._ours.get(one.key)
        if one.id in self._numbers:
            book.known += 1
        elif one.key in self._keys:
            book.leave(_name(one), TWICE)
        elif ours is None:
            self._add(one, book)
        elif says_the_same(ours.columns, one.columns):
            book.known += 1
        elif is_untouched(ours.columns) and has_marks(one.columns):
            book.add(_name(one), [*one.remarks, LAID])
            self.laid.append((ours.id, one))
            self._keys.add(one.key)
        else:
            book.leave(_name(one), TAKEN)

    def _add(self, one: Review, book: Book) -> None:
        drop = (one.space, one.drop_number)
        first = drop not in self._drops
        remarks = [*one.remarks, *([] if first else [DATED])]
        if one.id in self._ids:
            one = msgspec.structs.replace(one, id=legacy_rows.id_of(f"{one.id} {one.key}"))
            remarks.append(SAME_ID)
        book.add(_name(one), remarks)
        self._ids.add(one.id)
        self._keys.add(one.key)
        self._drops.add(drop)
        self.new.append((one, Effect.CREATED if first else Effect.RESUBMITTED))


def _name(one: Review) -> str:
    return f"{one.drop_number} {one.project} {one.review_date}"


def _batches(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))


def _row(one: Review) -> dict[str, Any]:
    return {
        "id": one.id, "space": one.space, "drop_number": one.drop_number, "review_date": one.review_date.isoformat(),
        **one.columns,
    }  # fmt: skip


def _post(one: Post, plus: str | None) -> dict[str, Any]:
    phone = one.phone and f"{plus or ''}{one.phone}"
    return {
        "project": one.project, "drop_number": one.drop_number, "said_at": one.said_at.isoformat(), "phone": phone,
        **one.columns,
    }  # fmt: skip
