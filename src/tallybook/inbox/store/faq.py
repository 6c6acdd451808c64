"""SQL of what a business answers by itself, as people keep it: listed, written down, taken out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from psycopg.errors import UniqueViolation

from tallybook.core import arrays, inbox_keys, violations
from tallybook.core.db import Conn
from tallybook.inbox.answer_types import Kept, Line

_KEPT = "select a.id, a.language, a.question, a.answer, a.active from inbox_answers a"
LIST = f"{_KEPT} where a.business_id = %(business_id)s::int order by a.language, a.question, a.id"
ONE = f"{_KEPT} where a.business_id = %(business_id)s::int and a.id = %(id)s::bigint for update"


async def listed(conn: Conn, business_id: int) -> list[Kept]:
    """All answers of a business, by language and question."""
    return [Kept(*row) for row in await (await conn.execute(LIST, {"business_id": business_id})).fetchall()]


async def one(conn: Conn, business_id: int, number: int) -> Kept | None:
    """One answer, held until the transaction ends; None where the business has none of this number."""
    row = await (await conn.execute(ONE, {"business_id": business_id, "id": number})).fetchone()
    return Kept(*row) if row else None


WRITE = f"""
insert into inbox_answers as a (business_id, language, question, answer)
select %(business_id)s::int, u.language, u.question, u.answer
from unnest(%(languages)s::text[], %(questions)s::text[], %(answers)s::text[]) as u (language, question, answer)
order by 2, 3
on conflict {inbox_keys.INBOX_QUESTION.target} do update set answer = excluded.answer, active = true
where (a.answer, a.active) is distinct from (excluded.answer, true)
returning a.id, a.xmax = 0
"""


async def write(conn: Conn, business_id: int, lines: Sequence[Line]) -> tuple[list[int], list[int]]:
    """Writes answers down, no question twice among them; the numbers of those that are new, and that have changed."""
    values = {
        "business_id": business_id, "languages": arrays.texts([line.language for line in lines]),
        "questions": arrays.texts([line.question for line in lines]),
        "answers": arrays.texts([line.answer for line in lines]),
    }  # fmt: skip
    written = await (await conn.execute(WRITE, values)).fetchall()
    return [number for number, new in written if new], [number for number, new in written if not new]


TAKE_TURN = "select pg_advisory_xact_lock(hashtext('inbox answers'), %(business_id)s::int)"
WITHDRAW = """
update inbox_answers a set active = false
where a.business_id = %(business_id)s::int and a.id = any(%(ids)s::bigint[]) and a.active
returning a.id
"""


async def take_turn(conn: Conn, business_id: int) -> None:
    """Whoever changes answers waits for the one before, so that what is recorded is what was changed.

    Before any of the answers is held: who writes a list holds them in its turn.
    """
    await conn.execute(TAKE_TURN, {"business_id": business_id})


async def withdraw(conn: Conn, business_id: int, numbers: Sequence[int]) -> list[int]:
    """Has answers be given no more; those that were."""
    values = {"business_id": business_id, "ids": arrays.numbers(numbers)}
    return sorted(row[0] for row in await (await conn.execute(WITHDRAW, values)).fetchall())


CHANGE = """
update inbox_answers set language = %(language)s::text, question = %(question)s::text, answer = %(answer)s::text,
    active = %(active)s::bool
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""


async def change(conn: Conn, business_id: int, kept: Kept) -> bool:
    """Has an answer be as it is given here; False where another one stands for its question."""
    try:
        async with conn.transaction():
            await conn.execute(CHANGE, msgspec.structs.asdict(kept) | {"business_id": business_id})
    except UniqueViolation as error:
        if not violations.answers(error, inbox_keys.INBOX_QUESTION):
            raise
        return False
    return True


REMOVE = "delete from inbox_answers where business_id = %(business_id)s::int and id = %(id)s::bigint"


async def remove(conn: Conn, business_id: int, number: int) -> None:
    await conn.execute(REMOVE, {"business_id": business_id, "id": number})
