"""Who is who in an older inbox: its leads, conversations and messages by customer, each customer once. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from tallybook.core.import_book import Book
from tallybook.inbox import legacy_rules, rules
from tallybook.inbox.legacy_rules import OldMessage, Row, Terms, Unusable
from tallybook.inbox.types import Customer, Known

TWICE = "the same message stands there twice"


@dataclass
class Person:
    """A customer of the old inbox with everything of theirs."""

    customer: Customer
    leads: list[Row] = field(default_factory=list)
    threads: list[Row] = field(default_factory=list)
    messages: list[OldMessage] = field(default_factory=list)


@dataclass(frozen=True)
class Sorting:
    """Sorts what the old tables hold by customer, and tells the books what is nobody's."""

    books: Mapping[str, Book]
    terms: Terms

    def book(self, name: str) -> Book:
        """The book of a table, an empty one where the table is not there."""
        return self.books.get(name) or Book(name, ())

    def persons(self) -> list[Person]:
        """The old customers, each once, with what is of theirs; what is nobody's is told."""
        leads = self._leads()
        threads = self._threads(leads)
        messages = self._messages(leads, threads)
        told = [*leads.values(), *threads.values(), *(known for known, _ in messages)]
        groups = rules.same_people(legacy_rules.customer_of(known) for known in dict.fromkeys(told))
        persons = [Person(rules.together(group)) for group in groups]
        whose = {known: one for one in persons for known in one.customer.known}
        for row in self.book("leads").rows:
            if (lead := legacy_rules.number(row.get("id"))) in leads:
                whose[leads[lead][0]].leads.append(row)
        for row in self.book("whatsapp_conversation").rows:
            if (thread := legacy_rules.number(row.get("id"))) in threads:
                whose[threads[thread][0]].threads.append(row)
        for known, message in messages:
            whose[known[0]].messages.append(message)
        return [_named(one) for one in persons]

    def _leads(self) -> dict[int, tuple[Known, ...]]:
        """Leads by what they are known, beside what the old identities say of them."""
        book = self.book("leads")
        more = defaultdict[int, list[Known]](list)
        others = self.book("contact_identities")
        for row in others.rows:
            lead, known = (
                legacy_rules.number(row.get("lead_id")),
                legacy_rules.known_by(row.get("external_id"), self.terms),
            )
            if lead is None or not known:
                others.leave(f"id {row.get('id')}", legacy_rules.NOBODY)
                continue
            others.know(f"id {row.get('id')}")
            more[lead].extend(known)
        found: dict[int, tuple[Known, ...]] = {}
        for row in book.rows:
            lead = legacy_rules.number(row.get("id"))
            known = (*legacy_rules.of_lead(row, self.terms), *more.get(lead or 0, ()))
            if lead is None or not known:
                book.leave(f"lead {row.get('id')}", legacy_rules.NOBODY)
            else:
                found[lead] = known
        return found

    def _threads(self, leads: Mapping[int, tuple[Known, ...]]) -> dict[int, tuple[Known, ...]]:
        """Old conversations by whose they are."""
        book = self.book("whatsapp_conversation")
        found: dict[int, tuple[Known, ...]] = {}
        for row in book.rows:
            thread, lead = legacy_rules.number(row.get("id")), legacy_rules.number(row.get("lead_id"))
            fields = (row.get("customer_number"), row.get("customer_wa_id"), _key_s_phone(row))
            known = tuple(one for told in fields for one in legacy_rules.known_by(told, self.terms))
            whole = (*known, *leads.get(lead or 0, ()))
            if thread is None or not whole:
                book.leave(f"conversation {row.get('id')}", legacy_rules.NOBODY)
            else:
                found[thread] = whole
        return found

    def _messages(
        self, leads: Mapping[int, tuple[Known, ...]], threads: Mapping[int, tuple[Known, ...]]
    ) -> list[tuple[tuple[Known, ...], OldMessage]]:
        """Messages with whose they are; one without a conversation goes by its number, or by its lead."""
        book = self.book("whatsapp_message")
        read: list[OldMessage] = []
        for row in book.rows:
            try:
                read.append(legacy_rules.message(row, self.terms))
            except Unusable as error:
                book.leave(f"message {row.get('id')}", str(error))
        kept, twice = legacy_rules.repeats(read)
        for one in twice:
            book.know(f"message {one.id}", [TWICE])
        found = []
        for one in kept:
            known, how = threads.get(one.conversation or 0, ()), one.how
            if not known:
                known = one.known or leads.get(one.lead or 0, ())
                how = (*how, legacy_rules.BY_NUMBER if one.known else legacy_rules.BY_LEAD)
            if known:
                found.append((known, msgspec.structs.replace(one, how=how)))
            else:
                book.leave(f"message {one.id}", legacy_rules.NOBODY)
        return found


def _named(person: Person) -> Person:
    """The customer with a name, and what they said in the order in which it was said."""
    rows = [
        *person.leads,
        *sorted(person.threads, key=lambda row: legacy_rules.number(row.get("id")) or 0, reverse=True),
    ]
    name = next(filter(None, (legacy_rules.name_of(row) for row in rows)), "")
    customer = legacy_rules.customer_of(person.customer.known, name)
    person.messages.sort(key=lambda one: (one.at, one.id))
    return Person(customer, person.leads, person.threads, person.messages)


def _key_s_phone(row: Row) -> str:
    """The phone that a conversation's key names; empty where it names a lead."""
    kind, _, rest = legacy_rules.words(row.get("canonical_key")).partition(":")
    return rest.partition(":")[2] if kind == "phone" else ""
