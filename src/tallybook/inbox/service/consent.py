"""Who wants no marketing: told by WhatsApp, by a customer's own word, by one of ours, or by a refusal.

Held where anything leaves (leaving.may_leave) and again when the outbox takes it in hand (stands).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from tallybook.core import audit
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import NotFound
from tallybook.core.wakeups import wake_up
from tallybook.core.withdrawing import Claimed
from tallybook.inbox import broadcast_rules as rules
from tallybook.inbox.broadcast_rules import Preference, Words
from tallybook.inbox.store import broadcast_runs
from tallybook.inbox.store import consent as store
from tallybook.inbox.store.consent import Word
from tallybook.inbox.store.identities import Contact
from tallybook.inbox.types import Customer, Known, Place, Said

from . import hooks, people, phones

TOPIC = "inbox"
BROADCAST = "broadcast:"
SPEAK = frozenset({"text", "button", "interactive"})  # what is pressed has the button's words for its text
WANTS_NONE = "They said that they want no more marketing messages."
# WhatsApp's refusal, in our words or with its code.
REFUSED = ["The customer wants no more marketing messages.%", "%(131050)%"]


class Consent(msgspec.Struct, frozen=True):
    """Whether somebody wants no marketing; ``history`` is what was said of it, the newest first."""

    stopped: bool
    history: list[Word]


async def heard(conn: Conn, business_id: int, said: Sequence[Said], contacts: Mapping[Customer, Contact]) -> None:
    """Hears customers' own words in what they wrote just now. What was imported says nothing any more."""
    short = [one for one in said if one.counts and one.type in SPEAK and 0 < len(one.body) <= rules.LONGEST_WORD]
    if not short:
        return
    words = await store.words(conn, business_id)
    found = [(one, stopped) for one in short if (stopped := rules.said(one.body, words)) is not None]
    told = [
        Word(contacts[one.customer].id, stopped, "keyword", f"message:{one.message_id}", one.said_at)
        for one, stopped in found
    ]
    await _keep(conn, business_id, told)


async def told(conn: Conn, business: Business, preferences: Sequence[Preference]) -> None:
    """Hears what WhatsApp tells that people want; somebody nobody knows yet is made a contact."""
    known = [(one, _customer(one)) for one in preferences]
    known = [(one, customer) for one, customer in known if customer.known]
    if not known:
        return
    now = datetime.now(UTC)
    bearers = await phones.bearers(conn, business.id, [(customer, min(one.at, now)) for one, customer in known])
    known = [(one, bearers.customer((customer, min(one.at, now)))) for one, customer in known]
    contacts = await people.resolve(conn, business, [customer for _, customer in known])
    words = [
        Word(contacts[customer].id, one.stopped, "preference", one.key, min(one.at, now)) for one, customer in known
    ]
    await _keep(conn, business.id, words)
    takers = bearers.takers({one: contacts[who].id for who in contacts for one in who.known})
    await phones.note_takers(conn, business, takers)


def _customer(told: Preference) -> Customer:
    pairs = (("phone", told.phone), ("user_id", told.user_id))
    return Customer(tuple(Known(kind, value) for kind, value in pairs if value))


async def refused_of(conn: Conn, business_id: int, outgoing_keys: Sequence[str]) -> None:
    """Hears it of messages of these keys, which were just written down as failed."""
    now = datetime.now(UTC)
    found = await store.refused_of(conn, business_id, REFUSED, outgoing_keys)
    await _refused(conn, business_id, [(contact, message, now) for contact, message in found])


async def refused_at(conn: Conn, business_id: int, failed: Mapping[Place, datetime]) -> None:
    """Hears it of messages that a provider just told to have failed, each with when it failed.

    A customer who asked for more since then has the last word.
    """
    if failed:
        await _refused(conn, business_id, await store.refused_at(conn, business_id, REFUSED, failed))


async def _refused(conn: Conn, business_id: int, found: Sequence[tuple[int, int, datetime]]) -> None:
    words = [
        Word(contact, how="refused", cause=f"message:{message}", at=at, stopped=True) for contact, message, at in found
    ]
    await _keep(conn, business_id, words)


async def _keep(conn: Conn, business_id: int, words: Sequence[Word]) -> None:
    new = await store.add(conn, business_id, words) if words else set()
    if new:
        await hooks.contact_changed(conn, business_id, sorted(new), "consent")
        await wake_up(conn, TOPIC, business_id)


async def of_thread(conn: Conn, caller: Caller, conversation_id: int) -> Consent:
    """What the customer of a thread said of marketing. Raises NotFound."""
    require(caller, Right.SEE)
    contact_id = await store.contact_of(conn, caller.business_id, conversation_id)
    if contact_id is None:
        raise NotFound("There is no such conversation.")
    found = await store.history(conn, caller.business_id, contact_id)
    return Consent(bool(found) and found[0].stopped, found)


async def say(conn: Conn, caller: Caller, conversation_id: int, *, stopped: bool) -> Consent:
    """One of ours says what a thread's customer told them. What holds already is not said again. Raises NotFound."""
    require(caller, Right.ANSWER)
    before = await of_thread(conn, caller, conversation_id)
    contact_id = await store.contact_of(conn, caller.business_id, conversation_id)
    if contact_id is None or before.stopped == stopped:
        return before
    word = Word(contact_id, stopped, "person", str(uuid4()), datetime.now(UTC), caller.name[:100])
    await _keep(conn, caller.business_id, [word])
    action = "consent.stopped" if stopped else "consent.resumed"
    await audit.record_by(conn, caller, action, "contact", str(contact_id))
    return await of_thread(conn, caller, conversation_id)


async def wants_none(conn: Conn, business_id: int, conversation_id: int) -> bool:
    """Whether the customer of a thread wants no marketing."""
    contact_id = await store.contact_of(conn, business_id, conversation_id)
    found = await store.history(conn, business_id, contact_id) if contact_id is not None else []
    return bool(found) and found[0].stopped


async def is_held(conn: Conn, business_id: int, conversation_id: int, template: tuple[str, str]) -> bool:
    """Whether a template, by (name, language), may not be sent in a thread: it is marketing, and they want none."""
    return await broadcast_runs.is_marketing(conn, business_id, template) and await wants_none(
        conn, business_id, conversation_id
    )


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> str | None:
    """Why a template that is about to leave no longer stands; None where it does. See core/withdrawing.py."""
    out = claimed.outgoing
    if "template" not in out.body:
        return None
    found = await broadcast_runs.leaving(conn, business_id, out.dedup_key)
    held = found is not None and (found.marketing or out.dedup_key.startswith(BROADCAST))
    if found is None or not held or not await wants_none(conn, business_id, found.conversation_id):
        return None
    return WANTS_NONE


async def words(conn: Conn, caller: Caller) -> Words:
    """By which words customers say so. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.words(conn, caller.business_id)


async def keep_words(conn: Conn, caller: Caller, kept: Words) -> None:
    """Has these be the words from now on. Raises NotAllowed."""
    require(caller, Right.LEAD)
    await store.keep_words(conn, caller.business_id, kept)
    after = {"stop": list(kept.stop), "resume": list(kept.resume)}
    about = ("consent.words", "business", str(caller.business_id), None, after)
    await audit.record_by(conn, caller, *about)
