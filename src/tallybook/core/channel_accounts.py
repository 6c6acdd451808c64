"""Whose number is it? The accounts of the channels that are told by webhooks, each a business's.

What comes for an account of nobody's is kept and parked; whoever adds the account has it filed. The two do not miss
each other: who files holds the directory's lock shared until his transaction ends, who adds holds it alone.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

import msgspec

from . import audit, keys, receive
from .businesses import Business
from .callers import Caller, Right, require
from .db import Conn
from .deliveries import NOBODYS
from .errors import Conflict, Invalid, NotFound, WrongSetup
from .queue import DELIVERIES
from .sealing import Seal
from .wakeups import wake_up

LONGEST = 200
FASTEST = 1000  # messages a second of one number, at Meta


class NewAccount(msgspec.Struct, frozen=True):
    """An account to be added; ``token`` is what its API asks for, "" where none is known yet.

    One that ``may_be_silent`` is no number but what a provider tells news by, which may never come. ``per_second`` is
    how many messages its provider takes of it; None leaves that as it is, at first what the channel's numbers have.
    """

    channel: str
    account: str
    label: str = ""
    token: str = ""
    may_be_silent: bool = False
    per_second: int | None = None

    def __repr__(self) -> str:
        return f"NewAccount({self.channel}, {self.account})"


class Added(msgspec.Struct, frozen=True):
    """Whether the account is ``new``, and how many parked deliveries wait again because of it."""

    new: bool
    waiting_again: int


class ChannelAccount(msgspec.Struct, frozen=True):
    """An account as it is listed. ``messages`` and ``updates`` count what was filed for it.

    ``connection`` is what its gateway last said of it (``open``, ``closed``, ``logged_out``), '' where it said nothing.
    """

    channel: str
    account: str
    business_id: int
    business: str
    label: str
    has_token: bool
    added_at: datetime
    messages: int
    updates: int
    last_said_at: datetime | None
    last_seen_at: datetime | None
    may_be_silent: bool
    per_second: int | None
    connection: str
    connection_at: datetime | None


SHARE = "select pg_advisory_xact_lock_shared(hashtext('channel accounts'), hashtext(current_schema()))"
ALONE = "select pg_advisory_xact_lock(hashtext('channel accounts'), hashtext(current_schema()))"
OWNERS = """
select a.account, b.id, b.name, b.time_zone, b.locale
from channel_accounts a join businesses b on b.id = a.business_id
where a.channel = %(channel)s::text and a.account = any(%(accounts)s::text[])
"""


async def owners(conn: Conn, accounts: Collection[str], channel: str) -> dict[str, Business]:
    """The businesses of those of the accounts that somebody has. None is added until the transaction ends."""
    await conn.execute(SHARE)
    asked = {"channel": channel, "accounts": list(accounts)}
    return {row[0]: Business(*row[1:]) for row in await (await conn.execute(OWNERS, asked)).fetchall()}


ADD = f"""
insert into channel_accounts (channel, account, business_id, label, token_sealed, may_be_silent, per_second)
values (%(channel)s::text, %(account)s::text, %(business_id)s::int, %(label)s::text, %(token)s::bytea,
    %(may_be_silent)s::bool, %(per_second)s::int)
on conflict {keys.CHANNEL_ACCOUNT.target} do nothing
"""
AGAIN = """
update channel_accounts set token_sealed = coalesce(%(token)s::bytea, token_sealed),
    per_second = coalesce(%(per_second)s::int, per_second),
    label = case when %(label)s::text = '' then label else %(label)s::text end
where channel = %(channel)s::text and account = %(account)s::text and business_id = %(business_id)s::int
"""
WAITING = """
select id from deliveries
where channel = %(channel)s::text and state = 'parked' and reason = %(nobodys)s::text order by id
"""


async def add(conn: Conn, seal: Seal, caller: Caller, new: NewAccount) -> Added:
    """Gives the caller's business an account, or gives an account of its own a new token and label.

    What was parked because nobody had the account waits again. Raises Invalid, and Conflict for another business's.
    """
    require(caller, Right.ADMINISTER)
    if not new.account or len(new.account) > LONGEST or not new.account.isprintable():
        raise Invalid("An account needs its id, as the provider shows it.")
    if new.per_second is not None and not 1 <= new.per_second <= FASTEST:
        raise Invalid(f"A number sends 1 to {FASTEST} messages a second.")
    await conn.execute(ALONE)
    values = {
        "channel": new.channel, "account": new.account, "business_id": caller.business_id, "label": new.label.strip(),
        "token": seal.seal(new.token) if new.token else None, "may_be_silent": new.may_be_silent,
        "per_second": new.per_second,
    }  # fmt: skip
    fresh = (await conn.execute(ADD, values)).rowcount == 1
    if not fresh and (await conn.execute(AGAIN, values)).rowcount == 0:
        raise Conflict("This account belongs to another business of this installation already.")
    after = {"label": new.label.strip(), "with_token": bool(new.token)}
    after |= {"per_second": new.per_second} if new.per_second is not None else {}
    action = "channel.added" if fresh else "channel.changed"
    await audit.record_by(conn, caller, action, "channel", f"{new.channel} {new.account}", None, after)
    cursor = await conn.execute(WAITING, {"channel": new.channel, "nobodys": NOBODYS})
    again = await DELIVERIES.replay(conn, [row[0] for row in await cursor.fetchall()])
    if again:
        await wake_up(conn, receive.TOPIC)
    return Added(fresh, len(again))


LISTED = """
select a.channel, a.account, a.business_id, b.name, a.label, a.token_sealed is not null, a.added_at,
    coalesce(r.messages, 0), coalesce(r.updates, 0), r.last_said_at, r.last_seen_at, a.may_be_silent,
    a.per_second, coalesce(r.connection, ''), r.connection_at
from channel_accounts a join businesses b on b.id = a.business_id
left join channel_arrivals r on r.business_id = a.business_id and r.channel = a.channel and r.account = a.account
where %(business_id)s::int is null or a.business_id = %(business_id)s::int
order by a.business_id, a.channel, a.account
"""


async def listed(conn: Conn, business_id: int | None = None) -> list[ChannelAccount]:
    """The accounts of a business, or with None of all, with what came for each. No token is among it."""
    rows = await (await conn.execute(LISTED, {"business_id": business_id})).fetchall()
    return [ChannelAccount(*row) for row in rows]


SEALED_ONE = """
select token_sealed from channel_accounts
where channel = %(channel)s::text and account = %(account)s::text and business_id = %(business_id)s::int
"""


async def token(conn: Conn, seal: Seal, business_id: int, channel: str, account: str) -> str | None:
    """The access token of an account of the business; None where none was given.

    Raises NotFound where the business has no such account, WrongSetup where no key opens it.
    """
    asked = {"business_id": business_id, "channel": channel, "account": account}
    row = await (await conn.execute(SEALED_ONE, asked)).fetchone()
    if row is None:
        raise NotFound("This business has no such account.")
    return seal.open(bytes(row[0])) if row[0] is not None else None


SEALED_OF = "select account, token_sealed from channel_accounts where channel = %(channel)s::text"


async def tokens(conn: Conn, seal: Seal, channel: str) -> dict[str, str | None]:
    """The access tokens of a channel's accounts, None where none was given; without those that no key opens."""
    found: dict[str, str | None] = {}
    for account, sealed in await (await conn.execute(SEALED_OF, {"channel": channel})).fetchall():
        with suppress(WrongSetup):
            found[account] = seal.open(bytes(sealed)) if sealed is not None else None
    return found
