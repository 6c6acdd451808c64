"""Broadcasts: looked at before they begin, begun once, paused, resumed and stopped. broadcast_jobs.py runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tallybook.core import audit, channel_accounts, expiry, outbox, withdrawing
from tallybook.core.callers import Caller, Right, require
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotFound
from tallybook.core.messages import Status
from tallybook.core.outcomes import Became
from tallybook.core.regions import region_of
from tallybook.core.wakeups import wake_up
from tallybook.core.withdrawing import UNTIL_LET_GO, Claimed, NotNow
from tallybook.inbox import broadcast_rules as rules
from tallybook.inbox import template_rules
from tallybook.inbox.broadcast_rules import PhoneList
from tallybook.inbox.broadcast_types import Audience, Broadcast, New, Preview, Recipient, Sample
from tallybook.inbox.rules_phones import RESTS
from tallybook.inbox.store import broadcast_runs
from tallybook.inbox.store import broadcasts as store
from tallybook.inbox.template_types import Template

from . import consent, outcomes, phones, templates

TOPIC = "broadcasts"
TURNING = NotNow(seconds=1.0)  # somebody is pausing, resuming or stopping it at this moment
SAMPLES = 3
AT_ONCE = 500  # contacts made at a time
LONGEST_KEY, LONGEST_NAME, LONGEST_TEXT = 200, 100, 1024
LAST = 2**63 - 1
KINDS = ("all", "label", "status", "list")
FURTHEST = timedelta(days=90)
NOWHERE = "There is no such broadcast."
TURNS = {"pause": ({"queued", "running"}, "paused"), "resume": ({"paused"}, "queued"),
         "stop": ({"queued", "running", "paused"}, "cancelled")}  # fmt: skip


async def numbers(conn: Conn, caller: Caller) -> list[str]:
    """The business's numbers by which templates can be sent."""
    known = await channel_accounts.listed(conn, caller.business_id)
    return [one.account for one in known if one.channel == "whatsapp" and not one.account.startswith("waba:")]


async def offered(conn: Conn, caller: Caller) -> list[Template]:
    """The templates that a broadcast may have: approved, marketing or utility. Raises NotAllowed."""
    found = (await templates.board(conn, caller)).templates
    return [one for one in found if template_rules.why_not(one) is None and one.category in rules.CATEGORIES]


async def look(conn: Conn, caller: Caller, new: New) -> Preview:
    """What a broadcast would do; nothing is done. Raises NotAllowed, NotFound, Invalid."""
    require(caller, Right.LEAD)
    template = await _template(conn, caller, new)
    listed = _listed(caller, new)
    audience, fresh = await _audience(conn, caller, new, listed)
    counted = await store.counts(conn, caller.business_id, audience)
    first = await store.first(conn, caller.business_id, audience, SAMPLES)
    given = {one.phone: one.given for one in listed.people} if listed else {}
    people_shown = [(name, phone, given.get(phone, {})) for _, name, phone in first]
    people_shown += [("", one.phone, one.given) for one in fresh[: SAMPLES - len(first)]]
    return Preview(
        reaches=counted.get("", 0) + len(fresh),
        new=len(fresh),
        out={why: count for why, count in counted.items() if why},
        invalid=listed.invalid if listed else [],
        duplicates=listed.duplicates if listed else [],
        columns=listed.columns if listed else [],
        samples=[_sample(template, new.places, one) for one in people_shown],
    )


def _sample(template: Template, places: Mapping[str, str], who: tuple[str, str, Mapping[str, str]]) -> Sample:
    values = values_for(places, *who)
    try:
        return Sample(who[0] or who[1], template_rules.fill(template, values).text)
    except Invalid as error:
        return Sample(who[0] or who[1], template_rules.shown(template, values).text, error.message)


def values_for(places: Mapping[str, str], name: str, phone: str, given: Mapping[str, str]) -> dict[str, str]:
    """What stands in each place of the template for one recipient. Pure."""
    known = {heading.casefold(): value for heading, value in given.items()} | {"phone": phone}
    if name or "name" not in known:
        known["name"] = name
    return {place: rules.filled(text, known) for place, text in places.items()}


async def start(conn: Conn, caller: Caller, new: New) -> int:
    """Begins a broadcast, now or at its time; its number. A repeat of its key begins nothing.

    Raises NotAllowed, NotFound, and Invalid for what would reach nobody or could not be sent as it is.
    """
    require(caller, Right.LEAD)
    before = await store.of_key(conn, caller.business_id, _checked(new))
    if before is not None:
        return before
    template = await _template(conn, caller, new)
    listed = _listed(caller, new)
    preview = await look(conn, caller, new)
    if not preview.reaches:
        raise Invalid("This would reach nobody.")
    number = await store.add(conn, caller.business_id, new, template, _told(new), (caller.name, caller.account_id))
    if number is None:
        return await store.of_key(conn, caller.business_id, new.key) or 0
    await _fill(conn, caller, number, new, listed)
    after = {"template": template.name, "audience": new.kind, "recipients": preview.reaches}
    await _note(conn, caller, "broadcast.begun", number, after)
    return number


async def _fill(conn: Conn, caller: Caller, number: int, new: New, listed: PhoneList | None) -> None:
    """Writes the recipients down; whoever is new on a list is made a contact, by the one resolver."""
    given: dict[int, dict[str, str]] = {}
    takers: dict[int, int] = {}
    people_listed = listed.people if listed else []
    for begin in range(0, len(people_listed), AT_ONCE):
        some = people_listed[begin : begin + AT_ONCE]
        contacts, took = await phones.contacts_of(conn, caller.business, [one.phone for one in some])
        given |= {contacts[one.phone]: one.given for one in some}
        takers |= took
    await store.make_threads(conn, caller.business_id, list(given), new.account)
    await phones.note_takers(conn, caller.business, takers)
    audience = Audience(new.kind, new.label, new.status, tuple(given))
    await store.fill(conn, caller.business_id, number, audience, given, rules.WHY)


def _told(new: New) -> str:
    return {"label": f"label:{new.label}", "status": f"status:{new.status}"}.get(new.kind, new.kind)


async def _template(conn: Conn, caller: Caller, new: New) -> Template:
    """The template, with its places checked. Raises NotFound, Invalid."""
    _checked(new)
    template = next((one for one in await offered(conn, caller) if one.id == new.template), None)
    if template is None:
        raise NotFound("There is no such template.")
    if new.account not in await numbers(conn, caller):
        raise Invalid("Choose one of the numbers of this business.")
    strange = sorted(set(new.places) - {one.key for one in template_rules.fields(template)})
    if strange:
        raise Invalid("The template has no such place.", place=strange[0][:60])
    missing = [one.key for one in template_rules.fields(template) if not new.places.get(one.key, "").strip()]
    if missing:
        raise Invalid("Each place of the template needs a value.", place=missing[0])
    return template


def _checked(new: New) -> str:
    """The key. Raises Invalid for what no broadcast can be."""
    if not 1 <= len(new.key) <= LONGEST_KEY or not new.key.isprintable():
        raise Invalid("A broadcast needs a key of at most 200 characters.")
    if not 1 <= len(new.name.strip()) <= LONGEST_NAME or not new.name.isprintable():
        raise Invalid("A broadcast needs a name of at most 100 characters.")
    if (
        new.kind not in KINDS
        or (new.kind == "label" and new.label is None)
        or (new.kind == "status" and not new.status)
    ):
        raise Invalid("Say who is to get it.")
    if any("\0" in text or len(text) > LONGEST_TEXT for text in (*new.places.values(), new.status)):
        raise Invalid("A value of the template is too long.")
    if new.starts_at is not None and new.starts_at - datetime.now(UTC) > FURTHEST:
        raise Invalid("A broadcast begins within 90 days.")
    return new.key


def _listed(caller: Caller, new: New) -> PhoneList | None:
    """Raises Invalid for a list that cannot be read, or a place that it has no column for."""
    listed = rules.read_list(new.listed, region_of(caller.business.time_zone)) if new.kind == "list" else None
    columns = listed.columns if listed else []
    for text in new.places.values():
        unknown = rules.unknown_places(text, columns)
        if unknown:
            raise Invalid("A name in braces is no column of the list.", name=unknown[0])
    return listed


async def _audience(
    conn: Conn, caller: Caller, new: New, listed: PhoneList | None
) -> tuple[Audience, list[rules.Person]]:
    """Whom it is for, and those of a list who never wrote to us."""
    if listed is None:
        return Audience(new.kind, new.label, new.status), []
    rested = datetime.now(UTC) - RESTS
    known = await store.of_phones(conn, caller.business_id, [one.phone for one in listed.people], rested)
    fresh = [one for one in listed.people if not known.get(one.phone, (0, False))[1]]
    return Audience("list", contacts=tuple(number for number, has in known.values() if has)), fresh


async def listed(conn: Conn, caller: Caller, before: int, limit: int) -> list[Broadcast]:
    """The newest broadcasts below a number, 0 for all. Raises NotAllowed."""
    require(caller, Right.SEE)
    return await store.listed(conn, caller.business_id, before if 0 < before <= LAST else LAST, limit, rules.STOPPED)


async def one(conn: Conn, caller: Caller, broadcast_id: int) -> Broadcast:
    """Raises NotAllowed, NotFound."""
    require(caller, Right.SEE)
    known = 0 < broadcast_id <= LAST
    found = await store.one(conn, caller.business_id, broadcast_id, rules.STOPPED) if known else None
    if found is None:
        raise NotFound(NOWHERE)
    return found


async def recipients(
    conn: Conn, caller: Caller, broadcast_id: int, state: str, after: int, limit: int
) -> list[Recipient]:
    """Recipients of a broadcast and what became of them. Raises NotAllowed, NotFound."""
    await one(conn, caller, broadcast_id)
    asked = (state, min(max(after, 0), 2**31 - 1), limit)
    return await store.recipients(conn, caller.business_id, broadcast_id, asked, rules.STOPPED)


async def turn(conn: Conn, caller: Caller, broadcast_id: int, what: str) -> Broadcast:
    """Pauses, resumes or stops a broadcast; what is so already stays so. Raises NotFound, Conflict, Invalid.

    Once it is paused nothing of it leaves but what was in hand, until it is resumed; of one that is stopped nobody else
    gets it: what waits in the outbox is taken back.
    """
    require(caller, Right.LEAD)
    if what not in TURNS:
        raise Invalid("A broadcast can be paused, resumed or stopped.")
    held = await store.hold(conn, caller.business_id, broadcast_id) if 0 < broadcast_id <= LAST else None
    if held is None:
        raise NotFound(NOWHERE)
    may, state = TURNS[what]
    if held in may:
        await store.turn(conn, caller.business_id, broadcast_id, state)
        await _turned(conn, caller.business_id, broadcast_id, state)
        await _note(conn, caller, f"broadcast.{what}", broadcast_id, {"was": held})
    elif held != state and not (what == "resume" and held == "running"):
        raise Conflict("This broadcast is over.")
    return await one(conn, caller, broadcast_id)


async def _turned(conn: Conn, business_id: int, broadcast_id: int, state: str) -> None:
    """Has what of it is in the outbox wait, leave or be taken back, as its broadcast is from now on."""
    prefix = f"{consent.BROADCAST}{broadcast_id}:"
    if state == "paused":
        await withdrawing.hold_all(conn, business_id, prefix)
        return
    if state == "cancelled":  # then only what may have been sent is left, which a person is asked about
        await _take_back(conn, business_id, broadcast_id)
    if await withdrawing.let_go(conn, business_id, prefix, datetime.now(UTC) + rules.USEFUL):
        await wake_up(conn, outbox.TOPIC, business_id)


async def _take_back(conn: Conn, business_id: int, broadcast_id: int) -> None:
    """What is in hand at that moment still leaves; of the rest the thread hears that it did not."""
    waiting = await store.cancel(conn, business_id, broadcast_id, rules.STOPPED)
    for channel in sorted({one[0] for one in waiting}):
        found = [key for of, key in waiting if of == channel]
        await expiry.take_back(conn, business_id, channel, found, rules.STOPPED)
        await outcomes.told(conn, business_id, [Became(channel, key, Status.DROPPED) for key in found])


async def stands(conn: Conn, business_id: int, claimed: Claimed) -> str | NotNow | None:
    """Whether a broadcast's message that is about to leave is to wait, or why it is not sent. See core/withdrawing.py.

    Whoever turns the broadcast waits until it is in hand.
    """
    key = claimed.outgoing.dedup_key
    if not key.startswith(consent.BROADCAST):
        return None
    number = int(key.removeprefix(consent.BROADCAST).partition(":")[0])
    state = await broadcast_runs.standing(conn, business_id, number)
    if state is None:
        return TURNING
    if state == "paused":
        return UNTIL_LET_GO
    return rules.STOPPED if state == "cancelled" else None


async def _note(conn: Conn, caller: Caller, action: str, number: int, after: Mapping[str, object]) -> None:
    await audit.record_by(conn, caller, action, "broadcast", str(number), None, dict(after))
    await wake_up(conn, TOPIC, caller.business_id)
    await wake_up(conn, outcomes.TOPIC, caller.business_id)


def keys_of(broadcast_id: int, contacts: Sequence[int]) -> list[str]:
    """Under which keys the outbox holds what a broadcast says to contacts."""
    return [f"broadcast:{broadcast_id}:{one}" for one in contacts]
