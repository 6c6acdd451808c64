"""The import of an older inbox: its customers, leads and messages become contacts, leads and threads of ours.

Whoever shares a number, a JID or a lead is one customer with one thread, however many conversations the old system made
of them. A customer at a time is all or nothing, some together in one transaction; each message bears a name of its own,
so that a second import, or one that was killed in between, adds nothing twice. Nobody is answered or told by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

import msgspec

from tallybook.core import audit, forgotten
from tallybook.core.businesses import Business
from tallybook.core.db import Conn, Database
from tallybook.core.errors import Invalid
from tallybook.core.import_book import Book, Outcome
from tallybook.core.wakeups import wake_up
from tallybook.inbox import legacy_rules, rules
from tallybook.inbox.legacy_rules import OldMessage, Row, Terms
from tallybook.inbox.store import contacts as contact_store
from tallybook.inbox.store import filing as filing_store
from tallybook.inbox.store import importing as store
from tallybook.inbox.store.importing import Came, OldLead, OldThread
from tallybook.inbox.store.numbers import hold
from tallybook.inbox.types import Customer, Said

from . import contacts, filing, people, phones
from .importing_bodies import Progress
from .importing_people import Person, Sorting

TOPIC = "inbox"
TOGETHER = 500  # messages of a transaction, as far as whole customers go
AT_ONCE = 2_000  # of one customer
JOINED = "joined with another conversation of the same customer"
EMPTY = "nothing was said in it"
FORGOTTEN = "of a customer who was forgotten here because they asked for it"
LEAD_TWICE = "the same customer as another lead"
NO_ROW = cast("int", None)  # an imported message has no row of core's


class Done(msgspec.Struct, frozen=True):
    """What came of some customers: those with a new lead or a new thread, and the ids of messages that were there.

    ``gone`` are those who were forgotten: nothing of theirs is written down.
    """

    new_leads: set[int]
    new_threads: set[int]
    there: set[tuple[str, str, str]]
    gone: set[int]


class _Undone(Exception):
    """A dry run takes back what it did; ``done`` is what it was."""

    def __init__(self, done: Done) -> None:
        super().__init__("a dry run")
        self.done = done


@dataclass
class Import:
    """One import of the tables ``rows``. ``progress`` is told how many messages are done, and of how many."""

    db: Database
    business: Business
    terms: Terms
    rows: Mapping[str, Sequence[Row]]
    progress: Progress

    def __post_init__(self) -> None:
        every = [row for rows in self.rows.values() for row in rows]
        found = legacy_rules.owners(every)
        if self.terms.business is None and len(found) > 1:
            named = ", ".join(str(one) for one in sorted(found))
            raise Invalid(f"The old tables hold several businesses: {named}. Say which with --old-business.")
        mine = {name: [row for row in rows if legacy_rules.is_of(row, self.terms)] for name, rows in self.rows.items()}
        self.books = {name: Book(name, rows) for name, rows in mine.items()}
        self.sorting = Sorting(self.books, self.terms)

    async def run(self, who: str, *, dry_run: bool = False) -> Outcome:
        """Imports it, or with ``dry_run`` says what would come of it. Raises a passing fault of the database."""
        persons = self.sorting.persons()
        total = sum(len(one.messages) for one in persons)
        done = 0
        for some in _batches(persons):
            came = await self._some(some, dry_run=dry_run)
            self._note(some, came)
            for number in came.gone:
                self._leave(some[number])
            done += sum(len(one.messages) for one in some)
            self.progress(done, total)
        tables = [book.table() for book in self.books.values()]
        if not dry_run and any(table.added for table in tables):
            added = {table.name: table.added for table in tables}
            await self.db.run("record import", lambda conn: self._record(conn, who, added))
        return Outcome(tables, [one for book in self.books.values() for one in book.remarks()], dry_run=dry_run)

    async def _record(self, conn: Conn, who: str, added: dict[str, int]) -> None:
        business = self.business
        await audit.record(conn, business.id, who, None, "legacy.imported", "legacy", business.name, after=added)
        await wake_up(conn, TOPIC, business.id)

    async def _some(self, some: Sequence[Person], *, dry_run: bool) -> Done:
        """Writes some customers down, all or none."""

        async def work(conn: Conn) -> Done:
            done = await self._written(conn, some)
            if dry_run:
                raise _Undone(done)
            return done

        try:
            return await self.db.run("import customers", work)
        except _Undone as undone:
            return undone.done

    async def _written(self, conn: Conn, some: Sequence[Person]) -> Done:
        places = {(one.channel, one.account) for person in some for one in person.messages}
        await hold(conn, self.business.id, places)
        gone = await self._forgotten(conn, some)
        kept = {number: one for number, one in enumerate(await self._as_then(conn, some)) if number not in gone}
        new_leads = {number for number, one in kept.items() if one.leads and await self._lead(conn, one)}
        spoke = [one.customer for one in kept.values() if one.messages]
        whose = await people.resolve(conn, self.business, spoke) if spoke else {}
        new_threads = {
            number
            for number, one in kept.items()
            if one.messages and not await store.has_thread(conn, self.business.id, whose[one.customer].id)
        }
        there: set[tuple[str, str, str]] = set()
        for number, person in kept.items():
            for start in range(0, len(person.messages), AT_ONCE):
                there |= await self._lay(conn, person, person.messages[start : start + AT_ONCE])
            if number in new_threads and person.threads:
                contact = (await people.resolve(conn, self.business, [person.customer]))[person.customer]
                await store.thread(conn, self.business.id, contact.id, _thread_of(person, self.terms))
        return Done(new_leads, new_threads, there, gone)

    async def _as_then(self, conn: Conn, some: Sequence[Person]) -> list[Person]:
        """Customers by what they were known by when last heard of: their phone may be somebody else's since.

        Of whom the old tables say no time is whoever they are now.
        """
        seen = {
            number: (one.customer, at)
            for number, one in enumerate(some)
            if (at := _last_heard_of(one, self.terms)) is not None
        }
        bearers = await phones.bearers(conn, self.business.id, list(seen.values()))
        return [
            replace(one, customer=bearers.customer(seen[number])) if number in seen else one
            for number, one in enumerate(some)
        ]

    async def _forgotten(self, conn: Conn, some: Sequence[Person]) -> set[int]:
        """Those of the customers of whom a message was forgotten: with it whoever wrote it, and the lead."""
        hashes = {forgotten.key(*_place(one)): number for number, who in enumerate(some) for one in who.messages}
        return {hashes[one] for one in await forgotten.among(conn, self.business.id, hashes)}

    async def _lead(self, conn: Conn, person: Person) -> bool:
        """Makes a customer the lead that they were; False where they are one already."""
        business_id = self.business.id
        contact = (await people.resolve(conn, self.business, [person.customer]))[person.customer]
        root = (await contacts.hold(conn, business_id, [contact.id]))[contact.id]
        old = _lead_of(person.leads[0], self.terms)
        lead_id, is_new = await contact_store.add_lead(conn, business_id, root, old.name)
        if is_new:
            await contacts.settle(conn, business_id, root)
            await contact_store.mark_lead(conn, business_id, root, lead_id)
            await store.lead(conn, business_id, lead_id, old)
        return is_new

    async def _lay(self, conn: Conn, person: Person, some: Sequence[OldMessage]) -> set[tuple[str, str, str]]:
        """Lays messages into a customer's thread; returns the names of those that were there."""
        now = datetime.now(UTC)
        said = [rules.dated(_said(one, person.customer), now) for one in some]
        there = await filing_store.there(conn, self.business.id, said)
        new = rules.once([one for one in said if filing.place_of(one) not in there])
        if new:
            await filing.lay(conn, self.business, new)
            await store.came(conn, self.business.id, [_came(one) for one in some if _place(one) not in there])
        return there

    def _note(self, some: Sequence[Person], done: Done) -> None:
        """Counts what came of some customers, once it is certain."""
        names = ("leads", "whatsapp_conversation", "whatsapp_message")
        leads, threads, said = (self.sorting.book(one) for one in names)
        for number, person in ((number, one) for number, one in enumerate(some) if number not in done.gone):
            for place, row in enumerate(person.leads):
                name = f"lead {row.get('id')}"
                if number in done.new_leads:
                    leads.add(name, [LEAD_TWICE] if place else [])
                else:
                    leads.know(name)
            for place, row in enumerate(person.threads):
                name = f"conversation {row.get('id')}"
                if not person.messages:
                    threads.leave(name, EMPTY)
                elif number in done.new_threads:
                    threads.add(name, [JOINED] if place else [])
                else:
                    threads.know(name)
            for one in person.messages:
                if _place(one) in done.there:
                    said.know(f"message {one.id}")
                else:
                    said.add(f"message {one.id}", one.how)

    def _leave(self, person: Person) -> None:
        """Counts somebody who was forgotten."""
        told = {
            "leads": [f"lead {row.get('id')}" for row in person.leads],
            "whatsapp_conversation": [f"conversation {row.get('id')}" for row in person.threads],
            "whatsapp_message": [f"message {one.id}" for one in person.messages],
        }
        for table, names in told.items():
            for name in names:
                self.sorting.book(table).leave(name, FORGOTTEN)


def _batches(persons: Sequence[Person]) -> Iterator[list[Person]]:
    batch: list[Person] = []
    size = 0
    for one in persons:
        batch.append(one)
        size += len(one.messages) + 1
        if size >= TOGETHER:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _last_heard_of(person: Person, terms: Terms) -> datetime | None:
    if person.messages:
        return max(one.at for one in person.messages)
    told = [row.get(column) for row in person.threads for column in ("last_message_at", "started_at")]
    told += [row.get("created_at") for row in person.leads]
    return max((at for one in told if (at := legacy_rules.moment(one, terms)) is not None), default=None)


def _place(one: OldMessage) -> tuple[str, str, str]:
    return (one.channel, one.account, one.external_id)


def _said(one: OldMessage, customer: Customer) -> Said:
    return Said(
        NO_ROW, one.channel, one.account, one.external_id, customer, one.at, one.source, one.body, one.type, one.quotes,
        past=True,
    )  # fmt: skip


def _came(one: OldMessage) -> Came:
    return Came(_place(one), one.status, one.delivered_at, one.read_at, one.media_url, one.reason)


def _thread_of(person: Person, terms: Terms) -> OldThread:
    """What the newest of somebody's old conversations says of their thread."""

    def at(row: Row, column: str) -> datetime | None:
        return legacy_rules.moment(row.get(column), terms)

    newest = max(person.threads, key=lambda row: at(row, "last_message_at") or datetime.min.replace(tzinfo=UTC))
    began = [one for row in person.threads if (one := at(row, "started_at")) is not None]
    read = [one for row in person.threads if (one := at(row, "last_read_at")) is not None]
    is_open = legacy_rules.truth(newest.get("is_open")) if newest.get("is_open") is not None else True
    summary = legacy_rules.words(newest.get("summary")) or None
    return OldThread(min(began, default=None), is_open, summary, max(read, default=None))


def _lead_of(row: Row, terms: Terms) -> OldLead:
    status = legacy_rules.words(row.get("status"), legacy_rules.LONGEST_STATUS)
    email = legacy_rules.words(row.get("email"), legacy_rules.LONGEST_EMAIL) or None
    made = legacy_rules.moment(row.get("created_at"), terms)
    return OldLead(legacy_rules.name_of(row), status, email, legacy_rules.words(row.get("notes")), made)
