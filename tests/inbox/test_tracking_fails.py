"""Session tracking that fails: the message comes with its conversation all the same, and the bot is not held up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from psycopg import sql
from structlog.testing import capture_logs

from tallybook.core import parked
from tallybook.core.businesses import Business
from tallybook.core.db import Database
from tallybook.core.deliveries import Filing
from tallybook.core.parked import Ref, Replayer
from tallybook.inbox.answer_types import Choice
from tallybook.inbox.service import answering
from tallybook.inbox.service.filing import TOPIC, Inbox
from tests.channels.whatsapp.bodies import CUSTOMER, OTHER, body, change, contact
from tests.channels.whatsapp.test_received import come, process
from tests.conftest import Broom
from tests.core.worked import rows
from tests.inbox.test_answering import shop, turn, written
from tests.proof.shop import WORRIES

__all__ = ["shop"]

# The statement that makes or finds a conversation is refused: so often, and for one customer alone where told.
REFUSE = """
create sequence public.refusals;
create function public.refuse() returns trigger language plpgsql as $$
begin
    if new.canonical_key like {whose} and nextval('public.refusals') <= {times} then
        raise exception 'refused by the test' using errcode = {code}, constraint = {constraint};
    end if;
    return new;
end $$;
grant usage, select on sequence public.refusals to public;
create trigger refuse before insert on public.whatsapp_conversation for each row execute function public.refuse();
"""
NO_MORE = "drop trigger if exists refuse on public.whatsapp_conversation"
GONE = "drop function if exists public.refuse; drop sequence if exists public.refusals"
FILED = """
select c.customer_number, m.body, m.seq from whatsapp_message m
join whatsapp_conversation c on c.business_id = m.business_id and c.id = m.conversation_id
where m.direction = 'in' order by 1, 3
"""
COUNTED = "select customer_number, last_seq, inbound from whatsapp_conversation order by 1"
LEFT = "select (select count(*) from deliveries where state <> 'done'), (select count(*) from contacts)"
DECIDED = "select decision from reply_decisions order by conversation_id"
ALWAYS = 10**9
OPENING = "What are your opening hours?"
FAILURES = {
    "serialization": "40001", "deadlock": "40P01", "lock timeout": "55P03", "statement timeout": "57014",
    "unique violation": "23505", "check violation": "23514", "disk full": "53100",
}  # fmt: skip

Refuse = Callable[..., None]


@pytest.fixture
def refuse(broom: Broom, db: Database) -> Iterator[Refuse]:
    def begin(code: str, times: int = 1, whose: str = "%") -> None:
        constraint = "uq_wa_conv_canonical_key" if code == "23505" else ""
        values = {"code": code, "times": times, "whose": whose, "constraint": constraint}
        literals = {name: sql.Literal(value) for name, value in values.items()}
        broom.run(sql.SQL(REFUSE).format(**literals).as_string(None))

    yield begin
    broom.run(NO_MORE)
    broom.run(GONE)


def asks(number: int, who: str = CUSTOMER, words: str = OPENING) -> bytes:
    one = written(words, number) | {"from": who}
    return body(change("messages", one, contacts=[contact(who, None)]))


@pytest.mark.parametrize("code", FAILURES.values(), ids=FAILURES)
async def test_refused_once_every_message_comes_with_its_conversation_and_is_answered(
    db: Database, shop: Business, refuse: Refuse, code: str
) -> None:
    refuse(code)
    with capture_logs() as logs:
        await come(db, asks(1), asks(2, OTHER), asks(3, OTHER, "Anybody?"))
        await process(db)  # what was given back waits for nobody
    assert await rows(db, FILED) == [
        (f"+{CUSTOMER}", OPENING, 1), (f"+{OTHER}", OPENING, 1), (f"+{OTHER}", "Anybody?", 2),
    ]  # fmt: skip
    assert await rows(db, COUNTED) == [(f"+{CUSTOMER}", 1, 1), (f"+{OTHER}", 2, 2)]
    assert await rows(db, LEFT) == [(0, 2)]
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 2}
    assert await rows(db, DECIDED) == [("answered",)] * 2
    assert [one for one in WORRIES if one in str(logs)] == []


@pytest.mark.parametrize("code", ["23505", "23514", "57014"])
async def test_refused_for_ever_it_alone_is_parked_and_its_neighbours_are_answered(
    db: Database, shop: Business, refuse: Refuse, broom: Broom, code: str
) -> None:
    refuse(code, ALWAYS, f"%{CUSTOMER}")
    await come(db, asks(1), asks(2, OTHER))
    await process(db)
    assert await rows(db, FILED) == [(f"+{OTHER}", OPENING, 1)]
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    (aside,) = await db.run("list", parked.listed)
    assert "refused" in aside.reason
    assert CUSTOMER not in str(aside)

    broom.run(NO_MORE)
    await Replayer(db, {"whatsapp": Filing(Inbox(), TOPIC)}).replay([Ref.of(aside.ref)])
    await process(db)
    assert await rows(db, FILED) == [(f"+{CUSTOMER}", OPENING, 1), (f"+{OTHER}", OPENING, 1)]
    assert await answering.decide_due(db, turn(shop)) == {Choice.ANSWERED: 1}
    assert await db.run("list", parked.listed) == []
