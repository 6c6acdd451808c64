"""An account belongs to one business; its token is sealed, opened for that business alone, and in no record."""

from __future__ import annotations

import pytest

from tallybook.core import audit, channel_accounts
from tallybook.core.businesses import Business
from tallybook.core.callers import Caller
from tallybook.core.channel_accounts import Added, NewAccount
from tallybook.core.db import Conn
from tallybook.core.errors import Conflict, Invalid, NotAllowed, NotFound, WrongSetup
from tallybook.core.sealing import Seal
from tests import world

SEAL, ANOTHER = Seal([b"k" * 32]), Seal([b"o" * 32])
FRONT_DESK = NewAccount("whatsapp", "1065", "Front desk", "a token of the tests")


@pytest.fixture
async def root(conn: Conn, business: Business) -> Caller:
    return (await world.root(conn, business)).caller


async def test_a_token_is_opened_for_its_own_business_alone(conn: Conn, business: Business, root: Caller) -> None:
    caio = await world.caio(conn)
    assert await channel_accounts.add(conn, SEAL, root, FRONT_DESK) == Added(new=True, waiting_again=0)
    assert await channel_accounts.token(conn, SEAL, business.id, "whatsapp", "1065") == FRONT_DESK.token
    with pytest.raises(NotFound):
        await channel_accounts.token(conn, SEAL, caio.business.id, "whatsapp", "1065")
    with pytest.raises(Conflict):
        await channel_accounts.add(conn, SEAL, caio.caller, FRONT_DESK)
    assert await channel_accounts.listed(conn, caio.business.id) == []
    assert await channel_accounts.owners(conn, ["1065", "2"], "whatsapp") == {"1065": business}
    assert await channel_accounts.owners(conn, ["1065"], "gateway") == {}


async def test_adding_it_again_changes_what_is_given_and_leaves_the_rest(
    conn: Conn, business: Business, root: Caller
) -> None:
    await channel_accounts.add(conn, SEAL, root, FRONT_DESK)
    assert not (await channel_accounts.add(conn, SEAL, root, NewAccount("whatsapp", "1065"))).new
    assert await channel_accounts.token(conn, SEAL, business.id, "whatsapp", "1065") == FRONT_DESK.token
    await channel_accounts.add(conn, SEAL, root, NewAccount("whatsapp", "1065", token="a newer one"))
    assert await channel_accounts.token(conn, SEAL, business.id, "whatsapp", "1065") == "a newer one"
    (account,) = await channel_accounts.listed(conn)
    assert (account.label, account.has_token) == ("Front desk", True)


async def test_the_record_says_who_added_it_and_holds_no_token(conn: Conn, business: Business, root: Caller) -> None:
    await channel_accounts.add(conn, SEAL, root, FRONT_DESK)
    (entry,) = await audit.recent(conn, business.id, "channel")
    assert (entry.who, entry.action, entry.after) == (
        "Root", "channel.added", {"label": "Front desk", "with_token": True},
    )  # fmt: skip
    assert "a token of the tests" not in f"{entry} {FRONT_DESK!r}"


async def test_only_an_admin_adds_one_and_only_one_with_an_id(conn: Conn, business: Business, root: Caller) -> None:
    ana = (await world.ana(conn, business)).caller
    with pytest.raises(NotAllowed):
        await channel_accounts.add(conn, SEAL, ana, FRONT_DESK)
    for wrong in ("", "x" * 300, "a\nb"):
        with pytest.raises(Invalid):
            await channel_accounts.add(conn, SEAL, root, NewAccount("whatsapp", wrong))


async def test_a_token_that_no_key_opens_is_told(conn: Conn, business: Business, root: Caller) -> None:
    await channel_accounts.add(conn, SEAL, root, FRONT_DESK)
    with pytest.raises(WrongSetup, match="TALLYBOOK_SECRET_KEY"):
        await channel_accounts.token(conn, ANOTHER, business.id, "whatsapp", "1065")
