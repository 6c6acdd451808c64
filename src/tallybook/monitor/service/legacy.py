"""Brings the old system's tables in: judged row by row, all of it or nothing, and twice changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.db import Conn
from tallybook.monitor.store import legacy as store
from tallybook.monitor.types import Effect

from . import legacy_rows
from .legacy_rows import Post, Review, Row, Terms, Unusable, after, number_of

BATCH = 1000
TWICE = "the old table holds the same drop and day twice"
TAKEN = "the drop has another review of this day already"
DATED = "the drop has a review of another day already: added as a further dated one"
REPEATED = "posted again: kept as history beside the first"
OTHER = "the drop is activated already, by another post: kept as history beside it"

Progress = Callable[[int, int], None]
Judged = TypeVar("Judged", Review, Post)


class Remark(msgspec.Struct, frozen=True):
    """Something about rows of one table: what becomes of them, why, how many they are, and a few of them by name."""

    table: str
    becomes: str
    why: str
    rows: int
    examples: list[str]


class Table(msgspec.Struct, frozen=True):
    """What came of one table: rows read, added, there already, and left out."""

    name: str
    read: int
    added: int
    known: int
    left_out: int


class Outcome(msgspec.Struct, frozen=True):
    """What came of the import, or would come of it. ``beside`` are old tables that nothing is taken from."""

    tables: list[Table]
    remarks: list[Remark]
    beside: list[str] = []
    dry_run: bool = False


class _Book:
    """Counts one table's rows, and remembers why."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self.name, self.rows = name, rows
        self.added = self.known = self.left_out = 0
        self._why: Counter[tuple[str, str]] = Counter()
        self._examples: dict[tuple[str, str], list[str]] = {}

    def leave(self, what: str, why: str) -> None:
        self.left_out += 1
        self._note("left out", what, why)

    def add(self, what: str, remarks: Iterable[str]) -> None:
        self.added += 1
        for why in remarks:
            self._note("added", what, why)

    def _note(self, becomes: str, what: str, why: str) -> None:
        self._why[becomes, why] += 1
        self._examples.setdefault((becomes, why), []).append(what)

    def table(self) -> Table:
        return Table(self.name, len(self.rows), self.added, self.known, self.left_out)

    def remarks(self) -> list[Remark]:
        return [
            Remark(self.name, becomes, why, count, self._examples[becomes, why][:5])
            for (becomes, why), count in self._why.most_common()
        ]


class Import:
    """One import into one business. ``progress`` hears of rows done and rows in all."""

    def __init__(
        self, business: Business, terms: Terms, rows: dict[str, list[Any]], progress: Progress = lambda _, __: None
    ) -> None:
        self._business, self._terms, self._progress = business, terms, progress
        self._books = {name: _Book(name, rows[name]) for name in store.READ if name in rows}
        self._total, self._done = sum(len(one) for one in rows.values()), 0

    async def run(self, conn: Conn, who: str, *, dry_run: bool) -> Outcome:
        """Judges every row and, unless it is a dry run, adds what is new, in the caller's transaction."""
        self._done = 0
        self._books = {name: _Book(name, book.rows) for name, book in self._books.items()}
        await store.take_turns(conn, self._business.id)
        for name, work in (
            ("valid_drop_numbers", self._valid), ("qa_photo_reviews", self._reviews),
            ("marketing_activations", self._activations), ("invalid_drop_submissions", self._refused),
        ):  # fmt: skip
            if name in self._books:
                await work(conn, self._books[name], write=not dry_run)
        tables = [book.table() for book in self._books.values()]
        if not dry_run and any(table.added for table in tables):
            added = {table.name: table.added for table in tables}
            await audit.record(
                conn, self._business.id, who, None, "legacy.imported", "legacy", self._business.name, after=added
            )
        return Outcome(tables, [one for book in self._books.values() for one in book.remarks()], dry_run=dry_run)

    def _judged(self, book: _Book, judge: Callable[[Row, Terms], Judged]) -> list[Judged]:
        """The rows that can be taken; the others are told."""
        found = []
        for row in book.rows:
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

    async def _valid(self, conn: Conn, book: _Book, *, write: bool) -> None:
        there = (await store.known(conn, self._business.id))[0]
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

    async def _reviews(self, conn: Conn, book: _Book, *, write: bool) -> None:
        judged = sorted(self._judged(book, legacy_rows.review), key=lambda one: (one.posts[0], one.id or ""))
        ids = {one.id for one in judged if one.id}
        found = await store.reviews(conn, self._business.id, {one.drop_number for one in judged}, ids)
        there = {(space, drop, day): number for number, space, drop, day in found}
        numbers, drops = set(there.values()), {(space, drop) for space, drop, _ in there}
        new: list[tuple[Review, Effect]] = []
        mine: set[tuple[str, str]] = set()
        for one in judged:
            name, drop = f"{one.drop_number} {one.project} {one.review_date}", (one.space, one.drop_number)
            if one.id in numbers:
                book.known += 1
            elif one.key in there:
                book.leave(name, TWICE if there[one.key] == "" else TAKEN)
            else:
                there[one.key] = ""
                first = drop not in drops | mine
                book.add(name, [*one.remarks, *([] if first else [DATED])])
                mine.add(drop)
                new.append((one, Effect.CREATED if first else Effect.RESUBMITTED))
        for batch in _batches(new) if write else ():
            await self._write_reviews(conn, batch)

    async def _write_reviews(self, conn: Conn, batch: Sequence[tuple[Review, Effect]]) -> None:
        newest: dict[tuple[str, str], datetime] = {}
        for one, _ in batch:
            key = (one.space, one.drop_number)
            newest[key] = max(after(one.posts[-1]), newest.get(key, after(one.posts[-1])))
        await store.lock_drops(conn, self._business.id, newest)
        await store.add_reviews(conn, self._business.id, [_row(one) for one, _ in batch])
        await store.add_submissions(
            conn,
            self._business.id,
            [
                (one.space, one.drop_number, number_of(at), one.project, one.phone and f"+{one.phone}", at,
                 effect if at == one.posts[0] else Effect.RESUBMITTED)
                for one, effect in batch for at in one.posts
            ],
        )  # fmt: skip

    async def _activations(self, conn: Conn, book: _Book, *, write: bool) -> None:
        judged = sorted(self._judged(book, legacy_rows.activation), key=lambda one: one.said_at)
        _, there, posts, _ = await store.known(conn, self._business.id)
        new, history, before = [], [], set(there)
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

    async def _refused(self, conn: Conn, book: _Book, *, write: bool) -> None:
        there = (await store.known(conn, self._business.id))[3]
        new = []
        for one in self._judged(book, legacy_rows.refused):
            key = (one.project, one.drop_number, one.said_at)
            if key in there:
                book.known += 1
                continue
            there.add(key)
            new.append(one)
            book.add(f"{one.drop_number} {one.project}", one.remarks)
        for batch in _batches(new) if write else ():
            await store.add_refused(conn, self._business.id, [_post(one, None) for one in batch])


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
