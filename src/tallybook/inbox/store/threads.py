"""SQL of the list of threads: a page at a time, by key and never by offset, each from one range of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallybook.core.callers import Caller
from tallybook.core.db import Conn
from tallybook.inbox import naming
from tallybook.inbox.thread_types import Filter, Place, Shown, Sought, Thread

COUNTED = 1000  # threads; counting more takes longer than showing some of them
# Threads at a time, in which those are sought that one person has not read, or that very many of have a label.
LOOKED_THROUGH = 1000
# Threads under one label, from which on it is very many. Fewer are all read and sorted: in a large business the newest
# threads may have none of them.
VERY_MANY = 5_000
_HIDDEN = "(select %(business_id)s::int)"  # from the planner: docs/decisions/0007

# Of a person by his own pointer, else the team's. A sub-select stays a look-up by key, however many threads there are.
_UNREAD = f"""case when %(person)s::int is null then c.inbound - c.read_inbound
    else c.inbound - coalesce((
        select r.inbound from conversation_reads r where r.business_id = {_HIDDEN} and r.conversation_id = c.id
        and r.account_id = %(person)s::int), 0) end"""
# By two indexes of words, of which each holds a business's own: docs/decisions/0033. No LID is among the words.
_SEARCH = f"""
and (%(contacts)s::bigint[] is null or c.contact_id = any(%(contacts)s::bigint[]))
and (%(words)s::text is null or c.contact_id in (
    select t.id from contacts t where t.business_id = {_HIDDEN}
        and called_words(t.business_id, t.name, t.profile_name, t.username, t.phone)
            @@ to_tsquery('simple', %(words)s::text)
    union all
    select l.contact_id from leads l where l.business_id = {_HIDDEN}
        and called_words(l.business_id, l.name, null, null, null) @@ to_tsquery('simple', %(words)s::text)))
"""
# Each is off when its parameter is null or false. Nothing is prepared on the server, so that the planner knows which
# those are, and takes the index that holds just what is asked for.
_FILTERS = f"""
where c.business_id = {_HIDDEN}
and (%(open)s::bool is null or c.is_open = %(open)s::bool)
and (not %(nobodys)s::bool or c.assigned_to is null and c.team_id is null)
and (not %(waits)s::bool or c.inbound > c.read_inbound)
and (%(snoozed)s::bool is null or (c.snoozed_until is not null) = %(snoozed)s::bool)
and (%(team)s::bigint is null or c.team_id = %(team)s::bigint)
and (%(blocked)s::bool or c.blocked_at is null) and (not %(blocked)s::bool or c.blocked_at is not null)
"""
_BEFORE = """
and (c.last_message_at, c.id) < (
    coalesce(%(at)s::timestamptz, 'infinity'), coalesce(%(id)s::bigint, 9223372036854775807))
"""
_IN_ORDER = "order by c.last_message_at desc, c.id desc"
_REST = f"{_FILTERS} {_SEARCH} {_BEFORE}"
_FOUND = f"select c.id, c.last_message_at from whatsapp_conversation c {_REST} {_IN_ORDER}"
# What waits for one person no index can know: it is sought in the newest after a place, so that it takes no longer
# where he has read everything, and how far was looked is the place from which to go on.
_FOUND_UNREAD = f"""
select c.id, c.last_message_at from (
    select * from whatsapp_conversation c {_FILTERS} {_BEFORE} {_IN_ORDER} limit {LOOKED_THROUGH}) c
where {_UNREAD} > 0 {_SEARCH} {_IN_ORDER}
"""
END = f"""
select c.last_message_at, c.id from whatsapp_conversation c {_FILTERS} {_BEFORE} {_IN_ORDER}
offset {LOOKED_THROUGH - 1} limit 1
"""
# What is mine, and what is of my teams and nobody's there: each team's own range of the index, never all of them.
_MY_TEAMS = f"select m.team_id from inbox_team_members m where m.business_id = {_HIDDEN} and m.account_id = %(me)s::int"
_FOUND_MINE = f"""
select c.id, c.last_message_at from (
    (select c.id, c.last_message_at from whatsapp_conversation c {_REST} and c.assigned_to = %(me)s::int
     {_IN_ORDER} limit %(limit)s)
    union all
    (select f.id, f.last_message_at from ({_MY_TEAMS}) t
     cross join lateral (
        select c.id, c.last_message_at from whatsapp_conversation c {_REST}
            and c.team_id = t.team_id and c.assigned_to is null {_IN_ORDER} limit %(limit)s) f)) c
{_IN_ORDER}
"""
_MENTIONED = f"""
select n.conversation_id from note_mentions m
join conversation_notes n on n.business_id = m.business_id and n.id = m.note_id and n.removed_at is null
where m.business_id = {_HIDDEN} and m.account_id = %(me)s::int
"""
_FOUND_MENTIONS = f"""
select c.id, c.last_message_at from (select distinct f.conversation_id from ({_MENTIONED}) f) x
join whatsapp_conversation c on c.id = x.conversation_id {_REST} {_IN_ORDER}
"""
_OF_ME = f"""
and (not %(mine)s::bool or c.assigned_to = %(me)s::int or c.assigned_to is null and c.team_id in ({_MY_TEAMS}))
and (not %(mentions)s::bool or c.id in ({_MENTIONED}))
and (not %(own)s::bool or {_UNREAD} > 0)
"""
_LABELLED = f"x.business_id = {_HIDDEN} and x.label_id = %(label)s::bigint"
_FOUND_LABEL = f"""
select c.id, c.last_message_at from conversation_labels x
join whatsapp_conversation c on c.business_id = x.business_id and c.id = x.conversation_id
{_REST} and {_LABELLED} {_OF_ME} {_IN_ORDER}
"""
# Nothing orders the threads of a label, so of a label on very many the newest threads are looked through instead.
_FOUND_OFTEN = f"""
select c.id, c.last_message_at from (
    select * from whatsapp_conversation c {_FILTERS} {_BEFORE} {_IN_ORDER} limit {LOOKED_THROUGH}) c
where exists (select from conversation_labels x where {_LABELLED} and x.conversation_id = c.id) {_OF_ME} {_SEARCH}
{_IN_ORDER}
"""
OFTEN = f"""
select exists (select from conversation_labels x where {_LABELLED} offset %(very_many)s::int)
"""
# Outside of what is sorted, so that only the rows of the page are read whole.
_COLUMNS = f"""
c.id, c.canonical_key, coalesce(l.id, c.lead_id), nullif(l.name, ''), t.name, t.profile_name, t.username,
    c.customer_name, t.phone, c.last_body, c.last_type, c.last_source, c.last_message_at, greatest({_UNREAD}, 0),
    greatest(c.inbound - c.read_inbound, 0), c.is_open, c.assigned_to, c.channel, c.account, c.bot_active, c.team_id,
    c.blocked_at is not null, c.snoozed_until, c.back_at
"""
_ABOUT = f"""
left join lateral (
    select * from contacts x where x.business_id = {_HIDDEN} and x.id = c.contact_id offset 0) t on true
left join lateral (
    select * from leads x where x.business_id = {_HIDDEN} and x.contact_id = c.contact_id offset 0) l on true
"""
_WHOLE = f"""
cross join lateral (
    select * from whatsapp_conversation x where x.business_id = {_HIDDEN} and x.id = o.id offset 0) c
{_ABOUT} order by o.last_message_at desc, o.id desc
"""

PAGE = f"select {_COLUMNS} from ({_FOUND} limit %(limit)s) o {_WHOLE}"
UNREAD_PAGE = f"select {_COLUMNS} from ({_FOUND_UNREAD} limit %(limit)s) o {_WHOLE}"
MINE_PAGE = f"select {_COLUMNS} from ({_FOUND_MINE} limit %(limit)s) o {_WHOLE}"
MENTIONS_PAGE = f"select {_COLUMNS} from ({_FOUND_MENTIONS} limit %(limit)s) o {_WHOLE}"
LABEL_PAGE = f"select {_COLUMNS} from ({_FOUND_LABEL} limit %(limit)s) o {_WHOLE}"
OFTEN_PAGE = f"select {_COLUMNS} from ({_FOUND_OFTEN} limit %(limit)s) o {_WHOLE}"


@dataclass(frozen=True)
class Range:
    """What is asked for, and ``of`` which index it is a range."""

    of: str
    values: dict[str, Any]


async def page(conn: Conn, asked: Range, after: Place | None, limit: int) -> list[Thread]:
    """The newest threads that fit, or those that come after a place."""
    values = asked.values | {"at": after and after.at, "id": after and after.id, "limit": limit}
    statement = _PAGES[asked.of]
    return [_thread(row) for row in await (await conn.execute(statement, values)).fetchall()]


# A thread that is written to comes first: among pages read one after the other it would be there twice, or not at all.
STAND_STILL = "set transaction isolation level repeatable read"


async def stand_still(conn: Conn) -> None:
    """Has a transaction in which nothing was asked yet see the threads as they are now, until its end."""
    await conn.execute(STAND_STILL)


async def looked_to(conn: Conn, asked: Range, after: Place | None) -> Place | None:
    """How far a page was looked for, where that was not to the end: what waits for one person, a label on very many."""
    if asked.of not in {"unread", "often"}:
        return None
    values = asked.values | {"at": after and after.at, "id": after and after.id}
    row = await (await conn.execute(END, values)).fetchone()
    return Place(*row) if row else None


COUNT = f"select count(*) from ({_FOUND} limit %(limit)s) o"
UNREAD_COUNT = f"select count(*) from ({_FOUND_UNREAD} limit %(limit)s) o"
MINE_COUNT = f"select count(*) from ({_FOUND_MINE} limit %(limit)s) o"
MENTIONS_COUNT = f"select count(*) from ({_FOUND_MENTIONS} limit %(limit)s) o"
LABEL_COUNT = f"select count(*) from ({_FOUND_LABEL} limit %(limit)s) o"
OFTEN_COUNT = f"select count(*) from ({_FOUND_OFTEN} limit %(limit)s) o"


async def count(conn: Conn, asked: Range) -> int:
    """How many fit; COUNTED at most; of what ``looked_to`` speaks of those among the newest LOOKED_THROUGH."""
    values = asked.values | {"at": None, "id": None, "limit": COUNTED}
    statement = _COUNTS[asked.of]
    row = await (await conn.execute(statement, values)).fetchone()
    return int(row[0]) if row else 0


_PAGES = {
    "all": PAGE, "unread": UNREAD_PAGE, "mine": MINE_PAGE, "mentions": MENTIONS_PAGE, "label": LABEL_PAGE,
    "often": OFTEN_PAGE,
}  # fmt: skip
_COUNTS = {
    "all": COUNT, "unread": UNREAD_COUNT, "mine": MINE_COUNT, "mentions": MENTIONS_COUNT, "label": LABEL_COUNT,
    "often": OFTEN_COUNT,
}  # fmt: skip


ONE = (
    f"select {_COLUMNS} from whatsapp_conversation c {_ABOUT} where c.business_id = {_HIDDEN} and c.id = %(id)s::bigint"
)
BY_KEY = f"""
select c.id from whatsapp_conversation c where c.business_id = {_HIDDEN} and c.canonical_key = %(key)s::text
"""
BY_PHONE = f"""
select c.id from contact_identities i
join whatsapp_conversation c on c.business_id = i.business_id and c.contact_id = i.contact_id
where i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = %(phone)s::text
"""


async def one(conn: Conn, caller: Caller, conversation_id: int) -> Thread | None:
    """A thread by its number, as the caller sees it."""
    values = {"business_id": caller.business_id, "person": caller.account_id, "id": conversation_id}
    row = await (await conn.execute(ONE, values)).fetchone()
    return _thread(row) if row else None


# A thread that is gone by a joining stands in what was kept of that, and whose it was knows who they are now.
KEPT = f"""
with recursive up as (
    select c.id, c.merged_into from contact_merges g
    join contacts c on c.business_id = g.business_id and c.id = g.gone_id
    where g.business_id = {_HIDDEN} and g.undone_at is null
        and (g.gone #>> '{{thread,id}}')::bigint = %(id)s::bigint
    union
    select c.id, c.merged_into from up join contacts c on c.business_id = {_HIDDEN} and c.id = up.merged_into)
select t.id from up join whatsapp_conversation t on t.business_id = {_HIDDEN} and t.contact_id = up.id
where up.merged_into is null
"""


async def kept(conn: Conn, business_id: int, conversation_id: int) -> int | None:
    """The number of the thread into which one went by joinings; None where it went into none."""
    row = await (await conn.execute(KEPT, {"business_id": business_id, "id": conversation_id})).fetchone()
    return row[0] if row else None


async def by_key(conn: Conn, business_id: int, key: str) -> int | None:
    """The number of the thread of that canonical key."""
    row = await (await conn.execute(BY_KEY, {"business_id": business_id, "key": key})).fetchone()
    return row[0] if row else None


async def by_phone(conn: Conn, business_id: int, phone: str) -> int | None:
    """The number of the thread of whoever has that phone, in E.164."""
    row = await (await conn.execute(BY_PHONE, {"business_id": business_id, "phone": phone})).fetchone()
    return row[0] if row else None


CONTACTS = f"""
select i.contact_id from contact_identities i
where i.business_id = {_HIDDEN} and i.kind = 'phone' and i.value = %(phone)s::text
"""


async def contacts_of(conn: Conn, business_id: int, phone: str) -> tuple[int, ...]:
    """Who has that phone, in E.164."""
    cursor = await conn.execute(CONTACTS, {"business_id": business_id, "phone": phone})
    return tuple(row[0] for row in await cursor.fetchall())


async def range_of(conn: Conn, caller: Caller, shown: Shown, sought: Sought) -> Range:
    """From where the threads come for every page of a list; of a label it is asked how many have it."""
    return Range(await _index(conn, caller, shown), _parameters(caller, shown, sought))


async def _index(conn: Conn, caller: Caller, shown: Shown) -> str:
    if shown.narrow.label is not None:
        values = {"business_id": caller.business_id, "label": shown.narrow.label, "very_many": VERY_MANY}
        row = await (await conn.execute(OFTEN, values)).fetchone()
        return "often" if row == (True,) else "label"
    if shown.filter in {Filter.MINE, Filter.MENTIONS}:
        return str(shown.filter)
    return "unread" if _is_personal(caller, shown) else "all"


def _is_personal(caller: Caller, shown: Shown) -> bool:
    return shown.filter is Filter.UNREAD and caller.account_id is not None


def _parameters(caller: Caller, shown: Shown, sought: Sought) -> dict[str, Any]:
    """What is asked for. Nobody's number is 0: it is what a caller who is no person has for his own."""
    only = shown.filter
    return {
        "business_id": caller.business_id,
        "person": caller.account_id,
        "me": caller.account_id or 0,
        "open": {Filter.CLOSED: False, Filter.UNASSIGNED: True}.get(only),
        "snoozed": {Filter.SNOOZED: True, Filter.MINE: False, Filter.UNASSIGNED: False}.get(only),
        "nobodys": only is Filter.UNASSIGNED,
        "waits": only is Filter.UNREAD and not _is_personal(caller, shown),
        "own": _is_personal(caller, shown),
        "mine": only is Filter.MINE,
        "mentions": only is Filter.MENTIONS,
        "blocked": only is Filter.BLOCKED,
        "team": shown.narrow.team,
        "label": shown.narrow.label,
        "contacts": None if sought.contacts is None else list(sought.contacts),
        "words": sought.words,
    }


def _thread(row: tuple[Any, ...]) -> Thread:
    number, key, lead_id, lead_name, given, profile, username, customer_name, phone, *more = row
    names = naming.Names(lead_name, given, profile or customer_name, phone, username)
    return Thread(number, key, lead_id, naming.shown(names), lead_name, naming.told(names.profile), phone, *more)
