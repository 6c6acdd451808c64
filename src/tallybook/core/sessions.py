"""Server-side sessions: the cookie holds a random token, the table its hash.

A session ends 12 hours after it was last used and 30 days after the login, whichever comes first.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from . import audit, keys, secret_tokens
from .businesses import Business
from .callers import Caller, Elsewhere, Role
from .db import Conn
from .errors import NotAllowed

LONGEST_DAYS = 30
ENTERED = "session.business_entered"  # by which the next login finds the business that was used last
MOST = 2**31  # the numbers of businesses end here

START = f"""
insert into sessions (token_hash, account_id, business_id, expires_at)
values (%(token_hash)s, %(account_id)s, %(business_id)s, now() + make_interval(days => %(days)s))
on conflict {keys.SESSION.target} do nothing
"""
# One statement tells who it is and moves the sliding end, at most once a minute.
RESOLVE = """
with found as (
    select s.token_hash, a.id, a.display_name, s.business_id, r.role, a.must_change,
        b.name, b.time_zone, b.locale as business_locale, a.locale, a.theme
    from sessions s
    join accounts a on a.id = s.account_id and a.active
    join account_roles r on r.account_id = s.account_id and r.business_id = s.business_id
    join businesses b on b.id = s.business_id
    where s.token_hash = %(token_hash)s and s.expires_at > now() and s.seen_at > now() - interval '12 hours'
),
seen as (
    update sessions s set seen_at = now()
    from found f
    where s.token_hash = f.token_hash and s.seen_at < now() - interval '1 minute'
)
select id, display_name, business_id, role, must_change, name, time_zone, business_locale,
    locale, theme,
    (select coalesce(jsonb_agg(jsonb_build_array(b.id, b.name) order by b.name, b.id), '[]')
     from account_roles r join businesses b on b.id = r.business_id
     where r.account_id = found.id and r.business_id <> found.business_id)
from found
"""
LIVE = """
select encode(token_hash, 'hex'), created_at, seen_at
from sessions
where account_id = %(account_id)s and expires_at > now() and seen_at > now() - interval '12 hours'
order by seen_at desc, token_hash
"""
END = """
delete from sessions
where account_id = %(account_id)s and token_hash = decode(%(handle)s, 'hex')
"""
END_ALL = """
delete from sessions
where account_id = %(account_id)s
    and (%(business_id)s::int is null or business_id = %(business_id)s::int)
    and (%(except_hash)s::bytea is null or token_hash <> %(except_hash)s::bytea)
"""
END_BY_COOKIE = """
with ended as (
    delete from sessions where token_hash = %(token_hash)s returning account_id, business_id
)
select e.business_id, a.display_name, e.account_id from ended e join accounts a on a.id = e.account_id
"""
# A session is moved only to where its account has a role at this moment.
SWITCH = """
update sessions s set business_id = r.business_id
from account_roles r
where s.token_hash = decode(%(handle)s, 'hex') and s.account_id = %(account_id)s
    and r.account_id = s.account_id and r.business_id = %(business_id)s
"""
SHA256_HEX = 64


class LiveSession(msgspec.Struct, frozen=True):
    """A session as its owner sees it. ``handle`` names it in forms and opens nothing."""

    handle: str
    created_at: datetime
    seen_at: datetime


async def start(conn: Conn, account_id: int, business_id: int) -> str:
    """A new session; returns the token for the cookie, which is stored nowhere else."""
    token = secret_tokens.new()
    await conn.execute(START, {
        "token_hash": secret_tokens.digest(token), "account_id": account_id, "business_id": business_id,
        "days": LONGEST_DAYS,
    })  # fmt: skip
    return token


async def resolve(conn: Conn, token: str) -> Caller | None:
    """Who holds this cookie, or None when it is unknown, over, or its account was deactivated."""
    token_hash = secret_tokens.digest(token)
    row = await (await conn.execute(RESOLVE, {"token_hash": token_hash})).fetchone()
    if row is None:
        return None
    return Caller(
        account_id=row[0], name=row[1], business=Business(row[2], *row[5:8]), role=Role(row[3]), must_change=row[4],
        session=token_hash.hex(), locale=row[8], theme=row[9], elsewhere=tuple(Elsewhere(*one) for one in row[10]),
    )  # fmt: skip


async def switch(conn: Conn, caller: Caller, business_id: int) -> None:
    """Takes the caller's session to another business of theirs; both records say so, and neither names the other.

    Raises NotAllowed for an API token, and for a business in which the caller has no role, whether there is one or not.
    """
    if caller.account_id is None or caller.session is None:
        raise NotAllowed("An API token belongs to one business.")
    if business_id == caller.business_id:
        return
    values = {"handle": caller.session, "account_id": caller.account_id, "business_id": business_id}
    if not 0 < business_id < MOST or not (await conn.execute(SWITCH, values)).rowcount:
        raise NotAllowed("You have no role in this business.")
    about = (caller.name, caller.account_id)
    for business, action in ((caller.business_id, "session.business_left"), (business_id, ENTERED)):
        await audit.record(conn, business, *about, action, "account", str(caller.account_id))


async def live(conn: Conn, account_id: int) -> list[LiveSession]:
    """An account's open sessions, the last used first."""
    return [LiveSession(*row) for row in await (await conn.execute(LIVE, {"account_id": account_id})).fetchall()]


async def end(conn: Conn, caller: Caller, handle: str) -> bool:
    """Ends one of the caller's own sessions. False when there is none of that handle."""
    if caller.account_id is None or len(handle) != SHA256_HEX or not set(handle) <= set("0123456789abcdef"):
        return False
    ended = await conn.execute(END, {"account_id": caller.account_id, "handle": handle})
    if ended.rowcount:
        await audit.record_by(conn, caller, "session.ended", "account", str(caller.account_id))
    return bool(ended.rowcount)


async def end_all(
    conn: Conn, account_id: int, *, business_id: int | None = None, except_handle: str | None = None
) -> int:
    """Ends an account's sessions, or only those in one business; returns how many."""
    kept = bytes.fromhex(except_handle) if except_handle else None
    values = {"account_id": account_id, "business_id": business_id, "except_hash": kept}
    return (await conn.execute(END_ALL, values)).rowcount


async def end_token(conn: Conn, token: str) -> None:
    """Ends the session of this cookie, if there is one: nothing to say when there is none."""
    row = await (await conn.execute(END_BY_COOKIE, {"token_hash": secret_tokens.digest(token)})).fetchone()
    if row is not None:
        business_id, name, account_id = row
        await audit.record(conn, business_id, name, account_id, "session.logged_out", "account", str(account_id))
