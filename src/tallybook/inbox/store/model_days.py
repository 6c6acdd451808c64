"""SQL of what a language model is told and what it uses: a thread, its customer, and the tokens of a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tallybook.core import inbox_keys
from tallybook.core.db import Conn
from tallybook.inbox.responder_prompt import Known, Line


@dataclass(frozen=True)
class Use:
    """Tokens that the model is given and gives, with their prices for a million of them."""

    tokens_in: int
    tokens_out: int
    price_in: float = 0.0
    price_out: float = 0.0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    @property
    def cost(self) -> int:
        """In millionths of the prices' currency."""
        return round(self.tokens_in * self.price_in + self.tokens_out * self.price_out)


@dataclass(frozen=True)
class Budget:
    """What may be used on one day of a business's; 0 of ``cost`` is no limit."""

    business_id: int
    day: date
    tokens: int
    cost: int


# One statement: of any number of workers none sees room that another takes.
TAKE = f"""
insert into inbox_model_days as d (business_id, day, requests, tokens, cost)
select %(business_id)s::int, %(day)s::date, 1, %(tokens)s::bigint, %(cost)s::bigint
where %(tokens)s::bigint <= %(most)s::bigint
    and (%(most_cost)s::bigint = 0 or %(cost)s::bigint <= %(most_cost)s::bigint)
on conflict {inbox_keys.INBOX_MODEL_DAY.target} do update set requests = d.requests + 1,
    tokens = d.tokens + excluded.tokens, cost = d.cost + excluded.cost
where d.tokens + excluded.tokens <= %(most)s::bigint
    and (%(most_cost)s::bigint = 0 or d.cost + excluded.cost <= %(most_cost)s::bigint)
"""
PUT_RIGHT = """
update inbox_model_days set tokens = greatest(tokens + %(tokens)s::bigint, 0),
    cost = greatest(cost + %(cost)s::bigint, 0)
where business_id = %(business_id)s::int and day = %(day)s::date
"""


async def take(conn: Conn, budget: Budget, use: Use) -> bool:
    """Takes so many tokens from the day before they are used; False where there are not so many left."""
    values = {
        "business_id": budget.business_id, "day": budget.day, "tokens": use.tokens, "cost": use.cost,
        "most": budget.tokens, "most_cost": budget.cost,
    }  # fmt: skip
    return (await conn.execute(TAKE, values)).rowcount == 1


async def put_right(conn: Conn, budget: Budget, taken: Use, used: Use) -> None:
    """Counts what was really used in place of what was taken."""
    values = {
        "business_id": budget.business_id, "day": budget.day, "tokens": used.tokens - taken.tokens,
        "cost": used.cost - taken.cost,
    }  # fmt: skip
    await conn.execute(PUT_RIGHT, values)


HISTORY = """
select source, message_type, body from whatsapp_message
where business_id = %(business_id)s::int and conversation_id = %(thread)s::bigint and seq <= %(seq)s::bigint
    and status <> 'deleted' and (status <> 'failed' or source <> 'bot') and source <> 'system'
order by seq desc limit %(limit)s::int
"""


async def history(conn: Conn, business_id: int, thread: int, seq: int, limit: int) -> list[Line]:
    """The last messages of a thread up to a place, the oldest first."""
    values = {"business_id": business_id, "thread": thread, "seq": seq, "limit": limit}
    rows = await (await conn.execute(HISTORY, values)).fetchall()
    return [Line(*row) for row in reversed(rows)]


CUSTOMER = """
select coalesce(nullif(l.name, ''), p.name, p.profile_name, ''), p.created_at
from whatsapp_conversation c
join contacts p on p.business_id = c.business_id and p.id = c.contact_id
left join leads l on l.business_id = c.business_id and l.contact_id = c.contact_id
where c.business_id = %(business_id)s::int and c.id = %(thread)s::bigint
"""


async def customer(conn: Conn, business_id: int, thread: int) -> Known | None:
    """What is known of a thread's customer, without a number by which they could be reached."""
    row = await (await conn.execute(CUSTOMER, {"business_id": business_id, "thread": thread})).fetchone()
    return Known(*row) if row else None
