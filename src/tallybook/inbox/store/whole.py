"""SQL of one customer as a whole: who they are under all their names, and every row that is of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from psycopg import AsyncServerCursor

from tallybook.core import arrays
from tallybook.core.db import Conn
from tallybook.inbox.personal import AUDIT, HOLDINGS, Holding

AT_ONCE = 500  # rows


class Whole(msgspec.Struct, frozen=True):
    """A customer under all their names: contacts, threads, leads, how providers call them.

    ``chats`` are phones with and without their plus, ids and LIDs; ``known`` the same as ``kind:value``.
    """

    business_id: int
    contacts: list[int]
    threads: list[int]
    leads: list[int]
    chats: list[str]
    known: list[str]

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of every statement about them."""
        return {
            "business_id": self.business_id, "contacts": arrays.numbers(self.contacts),
            "threads": arrays.numbers(self.threads), "leads": arrays.numbers(self.leads),
            "chats": arrays.texts(self.chats), "known": arrays.texts(self.known),
        }  # fmt: skip


WHOLE = """
with recursive up as (
    select c.id, c.merged_into from contacts c
    join whatsapp_conversation t on t.business_id = c.business_id and t.contact_id = c.id
    where t.business_id = %(business_id)s::int and t.id = %(id)s::bigint
    union select c.id, c.merged_into from up join contacts c on c.business_id = %(business_id)s::int
        and c.id = up.merged_into
), one as (
    select id from up where merged_into is null
    union select c.id from one join contacts c on c.business_id = %(business_id)s::int and c.merged_into = one.id)
select array(select id from one order by id)
"""
OF_THEM = """
select
    array(select t.id from whatsapp_conversation t
        where t.business_id = %(business_id)s::int and t.contact_id = any(%(contacts)s::bigint[]) order by t.id),
    array(select l.id from leads l
        where l.business_id = %(business_id)s::int and l.contact_id = any(%(contacts)s::bigint[]) order by l.id),
    array(select i.kind || ':' || i.value from contact_identities i
        where i.business_id = %(business_id)s::int and i.contact_id = any(%(contacts)s::bigint[]) order by 1),
    array(select distinct k.chat from whatsapp_conversation t
        join whatsapp_message m on m.business_id = t.business_id and m.conversation_id = t.id
        join messages k on k.business_id = m.business_id and k.id = m.message_id
        where t.business_id = %(business_id)s::int and t.contact_id = any(%(contacts)s::bigint[]) and k.chat <> ''),
    array(select distinct x.phone from (
        select c.phone from contacts c where c.business_id = %(business_id)s::int and c.id = any(%(contacts)s::bigint[])
        union select t.customer_number from whatsapp_conversation t
            where t.business_id = %(business_id)s::int and t.contact_id = any(%(contacts)s::bigint[])
        union select t.customer_wa_id from whatsapp_conversation t
            where t.business_id = %(business_id)s::int and t.contact_id = any(%(contacts)s::bigint[])) x
        where x.phone <> '')
"""


async def whole(conn: Conn, business_id: int, conversation_id: int) -> Whole | None:
    """The customer of a thread as a whole; None where there is no such thread in the business."""
    row = await (await conn.execute(WHOLE, {"business_id": business_id, "id": conversation_id})).fetchone()
    if row is None or not row[0]:
        return None
    values = {"business_id": business_id, "contacts": arrays.numbers(row[0])}
    ((threads, leads, known, chats, numbers),) = await (await conn.execute(OF_THEM, values)).fetchall()
    called = {value for one in known for value in [one.partition(":")[2]]} | set(chats) | set(numbers)
    called |= {f"+{one}" for one in called if one.isdecimal()} | {one[1:] for one in called if one.startswith("+")}
    return Whole(business_id, row[0], threads, leads, sorted(called), known)


async def count(conn: Conn, one: Whole) -> dict[str, int]:
    """How many rows of each table are of them, of those that have any."""
    found = {}
    for holding in (*HOLDINGS, AUDIT):
        statement = holding.counted
        row = await (await conn.execute(statement, one.values)).fetchone()
        if row is not None and row[0]:
            found[holding.table] = int(row[0])
    return found


async def rows(conn: Conn, one: Whole, holding: Holding) -> AsyncIterator[list[dict[str, Any]]]:
    """Every row of a table that is of them, in batches; one batch lies in memory at a time."""
    statement = holding.told
    async with AsyncServerCursor(conn, "rows_of_one") as cursor:
        await cursor.execute(statement, one.values)
        while some := await cursor.fetchmany(AT_ONCE):
            yield [row[0] for row in some]
