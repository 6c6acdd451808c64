"""SQL of forgetting somebody: all that hangs on them at once, then whatever else names them, a stretch at a time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncServerCursor
from psycopg.types.json import Jsonb

from tallybook.core import arrays, inbox_keys
from tallybook.core.audit import Doer
from tallybook.core.db import Conn
from tallybook.inbox.personal import AUDIT, HOLDINGS

from .whole import Whole

AT_ONCE = 16  # deliveries
LOCK = """
select c.id from contacts c where c.business_id = %(business_id)s::int and c.id = any(%(contacts)s::bigint[])
order by c.id for update
"""
LOCK_THREADS = """
select t.id from whatsapp_conversation t where t.business_id = %(business_id)s::int
    and t.id = any(%(threads)s::bigint[]) order by t.canonical_key for update
"""
# Waits for whoever keeps one of them just now, so that it is among them.
FILES = """
with held as (
    select f.sha256 from inbox_files f
    join whatsapp_message m on m.business_id = f.business_id and m.id = f.message_id
    where f.business_id = %(business_id)s::int and m.conversation_id = any(%(threads)s::bigint[])
    order by f.id for update of f
)
select coalesce(array_agg(distinct sha256) filter (where sha256 is not null), '{}') from held
"""
_KEY = r"sha256(convert_to(concat_ws(E'\x1f', {}), 'UTF8'))"
_CORE = next(one for one in HOLDINGS if one.table == "messages")
TOMBSTONES = f"""
insert into forgotten_messages (business_id, key_sha256)
select distinct %(business_id)s::int, {_KEY.format("t.channel, t.scope, t.external_id")}
from messages t where t.business_id = %(business_id)s::int and {_CORE.where}
union
select %(business_id)s::int, {_KEY.format("m.channel, m.account, m.provider_message_id")} from whatsapp_message m
where m.business_id = %(business_id)s::int and m.conversation_id = any(%(threads)s::bigint[])
    and m.provider_message_id is not null
on conflict {inbox_keys.FORGOTTEN_MESSAGE.target} do nothing
"""
# The record says that something was done, by whom and when, and no longer what.
EMPTY_AUDIT = f"""
update audit_log t set before = null, after = null
where t.business_id = %(business_id)s::int and (t.before is not null or t.after is not null) and {AUDIT.where}
"""
BOUNDS = """
select coalesce((select max(d.id) from deliveries d), 0),
    coalesce((select max(a.id) from audit_log a where a.business_id = %(business_id)s::int), 0)
"""
BEGIN = """
insert into erasures (business_id, who, account_id, contacts, needles, plan, counts)
values (%(business_id)s::int, %(who)s, %(account_id)s, %(contacts)s::bigint[], %(needles)s, %(plan)s, %(counts)s)
returning id
"""


class Turn(msgspec.Struct, frozen=True):
    """Until when a phone was ``theirs``, or somebody else's; ``until`` None: it is so to this day."""

    until: datetime | None
    theirs: bool


class Needles(msgspec.Struct, frozen=True):
    """What somebody is known by, as it is sought in what does not hang on them; ``files`` are hashes in hex.

    Names are not among it: other people bear them too, and what is about them was emptied at once. ``turns`` are those
    phones, without their plus, that went from one to another, with who had them one after the other.
    """

    ids: list[str]
    files: list[str]
    turns: dict[str, list[Turn]] = {}

    def name(self, called: str, at: datetime, ids: Sequence[str]) -> bool:
        """Whether somebody who is called so is meant, as of that time; ``ids`` are what is told of them beside it."""
        turns = self.turns.get(_digits_of(called), ())
        if called.removeprefix("+") not in self.ids or not turns:
            return called.removeprefix("+") in self.ids
        if ids:
            return any(one in self.ids for one in ids)
        return next((turn.theirs for turn in turns if turn.until is None or at < turn.until), True)

    @property
    def still_theirs(self) -> list[str]:
        """The ids without phones that are somebody else's by now: what names those may be about either."""
        turns = {one: self.turns.get(_digits_of(one), ()) for one in self.ids}
        return [one for one, some in turns.items() if not some or some[-1].theirs]

    @property
    def always_theirs(self) -> list[str]:
        """The ids without phones that were ever another's: whatever names those may be about either."""
        return [one for one in self.ids if not self.turns.get(_digits_of(one))]


def _digits_of(called: str) -> str:
    return called.removeprefix("+").partition("@")[0]


class Plan(msgspec.Struct, frozen=True):
    """How far deliveries and the record were gone through, and how far there is to go."""

    deliveries: int
    deliveries_to: int
    audit: int
    audit_to: int


TURNS = """
select l.phone, l.until, l.contact_id = any(%(contacts)s::bigint[]) from left_phones l
where l.business_id = %(business_id)s::int and l.phone = any(%(phones)s::text[])
union all
select i.value, null, i.contact_id = any(%(contacts)s::bigint[]) from contact_identities i
where i.business_id = %(business_id)s::int and i.kind = 'phone' and i.value = any(%(phones)s::text[])
    and exists (select from left_phones l where l.business_id = %(business_id)s::int and l.phone = i.value)
order by 1, 2 nulls last
"""


async def turns(conn: Conn, one: Whole) -> dict[str, list[Turn]]:
    """Who had those of their phones one after the other that were ever left and taken."""
    phones = {f"+{_digits_of(chat)}" for chat in one.chats}
    cursor = await conn.execute(TURNS, one.values | {"phones": arrays.texts(sorted(phones))})
    found = defaultdict[str, list[Turn]](list)
    for phone, until, is_theirs in await cursor.fetchall():
        found[_digits_of(phone)].append(Turn(until, is_theirs))
    return dict(found)


async def hold(conn: Conn, one: Whole) -> None:
    """Nobody joins them, or files anything for them, until the transaction ends."""
    await conn.execute(LOCK, one.values)
    await conn.execute(LOCK_THREADS, one.values)


async def files(conn: Conn, one: Whole) -> list[bytes]:
    """The hashes of the files in their threads, to which nobody does anything until the transaction ends."""
    row = await (await conn.execute(FILES, one.values)).fetchone()
    return [bytes(sha256) for sha256 in row[0]] if row else []


async def bounds(conn: Conn, business_id: int) -> Plan:
    """What is there by now: what comes later is not looked at."""
    ((deliveries, audit),) = await (await conn.execute(BOUNDS, {"business_id": business_id})).fetchall()
    return Plan(0, deliveries, 0, audit)


async def take_away(conn: Conn, one: Whole) -> None:
    """Takes away all that is theirs, and sees to it that no message of theirs comes back. The caller holds them."""
    await conn.execute(TOMBSTONES, one.values)
    await conn.execute(EMPTY_AUDIT, one.values)
    for holding in HOLDINGS:
        if holding.goes:
            statement = holding.taken
            await conn.execute(statement, one.values)


class Begun(msgspec.Struct, frozen=True):
    """What is written down of an erasure: what is to be gone through, what went, whose numbers are nobody's now."""

    needles: Needles
    plan: Plan
    counts: dict[str, int]
    contacts: list[int]


async def begin(conn: Conn, doer: Doer, begun: Begun) -> int:
    """Writes it down; the number of the erasure."""
    values = {
        "business_id": doer.business_id, "who": doer.name[:100], "account_id": doer.account_id,
        "contacts": arrays.numbers(begun.contacts),
        "counts": Jsonb(begun.counts), "plan": Jsonb(msgspec.to_builtins(begun.plan)),
        "needles": Jsonb(msgspec.to_builtins(begun.needles)),
    }  # fmt: skip
    ((number,),) = await (await conn.execute(BEGIN, values)).fetchall()
    return int(number)


HELD = """
select e.needles, e.plan from erasures e
where e.business_id = %(business_id)s::int and e.id = %(id)s::bigint and e.done_at is null for update
"""
MOVE = """
update erasures set plan = %(plan)s where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
DONE = """
update erasures set needles = null, plan = null, done_at = now(), counts = counts || %(counts)s
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def held(conn: Conn, business_id: int, number: int) -> tuple[Needles, Plan] | None:
    """What is still to be gone through, held; None where all of it was."""
    row = await (await conn.execute(HELD, {"business_id": business_id, "id": number})).fetchone()
    return (msgspec.convert(row[0], Needles), msgspec.convert(row[1], Plan)) if row else None


async def move(conn: Conn, business_id: int, number: int, plan: Plan) -> None:
    values: dict[str, Any] = {"business_id": business_id, "id": number, "plan": Jsonb(msgspec.to_builtins(plan))}
    await conn.execute(MOVE, values)


async def done(conn: Conn, business_id: int, number: int, counts: dict[str, int]) -> None:
    """All was gone through: nothing by which they were known is kept."""
    await conn.execute(DONE, {"business_id": business_id, "id": number, "counts": Jsonb(counts)})


_NAMING = """d.channel in ('whatsapp', 'gateway')
    and exists (select from unnest(%(needles)s::bytea[]) n where position(n in d.body) > 0)"""
ASIDE = f"select count(*) from deliveries d where d.state = 'parked' and {_NAMING}"
WAITING = f"""
select min(d.id) from deliveries d
where d.id > %(above)s::bigint and d.id <= %(upto)s::bigint and d.state = 'waiting' and {_NAMING}
"""
NAMING = f"""
select d.id, d.channel, d.body, d.state = 'parked' from deliveries d
where d.id > %(above)s::bigint and d.id <= %(upto)s::bigint and d.state <> 'waiting' and {_NAMING}
"""
RAW = f"""
select d.channel, d.body, d.received_at from deliveries d
where d.id > %(above)s::bigint and d.id <= %(upto)s::bigint and {_NAMING} order by d.id
"""
LAST = "select coalesce(max(d.id), 0) from deliveries d"
ACCOUNTS = "select a.channel, a.account from channel_accounts a where a.business_id = %(business_id)s::int"
# The hash stays, so that the very same body is never taken for a new one.
EMPTY_DELIVERIES = """
update deliveries d set body = '' where d.id = any(%(ids)s::bigint[]) and d.state = 'done'
"""
# What was replayed meanwhile is filed without what is theirs, and emptied then.
REWRITE = "update deliveries d set body = %(body)s::bytea where d.id = %(id)s::bigint and d.state = 'parked'"
# Ids are sought in values, never in keys: keys are our own words.
_SAYS = """exists (select from jsonb_path_query({}, '$.**') as s (said)
        where jsonb_typeof(s.said) = 'string' and (s.said #>> array[]::text[]) ~ any(%(patterns)s::text[]))"""
EMPTY_NAMED = f"""
update audit_log a set before = null, after = null,
    subject_id = case when a.subject_id ~ any(%(patterns)s::text[]) then 'forgotten' else a.subject_id end
where a.business_id = %(business_id)s::int and a.id > %(above)s::bigint and a.id <= %(upto)s::bigint
    and (a.subject_id ~ any(%(patterns)s::text[]) or {_SAYS.format("jsonb_build_array(a.before, a.after)")})
"""
EMPTY_VIOLATIONS = f"""
update constraint_violations v set existing = null, key_masked = null
where v.existing->>'business_id' = %(business_id)s::int::text and {_SAYS.format("v.existing")}
"""
DROP_JOBS = f"""
delete from jobs j where j.business_id = %(business_id)s::int and j.kind <> %(kind)s::text
    and {_SAYS.format("j.args")}
"""


class Naming(msgspec.Struct, frozen=True):
    """A raw delivery in which an id of theirs stands, filed already or put aside."""

    id: int
    channel: str
    body: bytes
    aside: bool


async def aside(conn: Conn, needles: Needles) -> int:
    """How many deliveries that were put aside name them."""
    row = await (await conn.execute(ASIDE, _named(needles))).fetchone()
    return int(row[0]) if row else 0


async def waiting(conn: Conn, needles: Needles, above: int, upto: int) -> int | None:
    """The first delivery of a stretch that names them and waits to be filed."""
    row = await (await conn.execute(WAITING, _named(needles) | {"above": above, "upto": upto})).fetchone()
    return row[0] if row else None


async def naming(conn: Conn, needles: Needles, above: int, upto: int) -> AsyncIterator[Naming]:
    """The deliveries of a stretch that name them; some lie in memory at a time, since one may have 3 MB."""
    async with AsyncServerCursor(conn, "naming_one") as cursor:
        await cursor.execute(NAMING, _named(needles) | {"above": above, "upto": upto})
        while some := await cursor.fetchmany(AT_ONCE):
            for row in some:
                yield Naming(*row)


class Raw(msgspec.Struct, frozen=True):
    """A raw delivery as it came."""

    channel: str
    body: bytes
    received_at: datetime


async def raw(conn: Conn, needles: Needles, stretch: int) -> AsyncIterator[Raw]:
    """All deliveries that name them, whatever became of them, by ``stretch`` at a time and a few in memory."""
    ((last,),) = await (await conn.execute(LAST)).fetchall()
    for above in range(0, last, stretch):
        async with AsyncServerCursor(conn, "raw_one") as cursor:
            await cursor.execute(RAW, _named(needles) | {"above": above, "upto": above + stretch})
            while some := await cursor.fetchmany(AT_ONCE):
                for row in some:
                    yield Raw(*row)


async def accounts(conn: Conn, business_id: int) -> set[tuple[str, str]]:
    """The channels' accounts that are the business's."""
    return set(await (await conn.execute(ACCOUNTS, {"business_id": business_id})).fetchall())


async def empty_deliveries(conn: Conn, ids: Iterable[int]) -> None:
    """Empties the bodies of deliveries that were filed."""
    await conn.execute(EMPTY_DELIVERIES, {"ids": arrays.numbers(ids)})


async def rewrite(conn: Conn, number: int, body: bytes) -> None:
    """Keeps less of a delivery that was put aside. By its hash a repeat is known as before."""
    await conn.execute(REWRITE, {"id": number, "body": body})


def _named(needles: Needles) -> dict[str, Any]:
    return {"needles": arrays.hexes(one.encode() for one in needles.ids)}


async def empty_named(conn: Conn, business_id: int, needles: Needles, above: int, upto: int) -> int:
    """Empties what a stretch of the record says of them anywhere; how many entries."""
    values = {"business_id": business_id, "above": above, "upto": upto, "patterns": _patterns(needles)}
    return (await conn.execute(EMPTY_NAMED, values)).rowcount


async def empty_others(conn: Conn, business_id: int, needles: Needles, kind: str) -> None:
    """Empties what refused rows say of them, and drops jobs that name them, but for those of a kind."""
    values = {"business_id": business_id, "patterns": _patterns(needles)}
    await conn.execute(EMPTY_VIOLATIONS, values)
    await conn.execute(DROP_JOBS, values | {"kind": kind, "patterns": _patterns(needles, "^[+]?{}$")})


def _patterns(needles: Needles, around: str = "(^|[^0-9A-Za-z]){}([^0-9A-Za-z]|$)") -> str:
    """Regular expressions for the ids, each as a word of its own and no part of a longer one. Pure."""
    return arrays.texts([around.format(re.escape(one)) for one in needles.still_theirs])
