"""All that is kept sealed, sealed with the newest key, so that an older one may be taken out of the settings.

A column that is not here would be lost with the older key. Rows are held in the order of their keys.
"""

from __future__ import annotations

from .db import Conn
from .errors import WrongSetup
from .sealing import Seal

TOKENS = """
select channel, account, token_sealed from channel_accounts where token_sealed is not null
order by channel, account for update
"""
SEAL_ACCOUNT = """
update channel_accounts set token_sealed = %(token)s::bytea
where channel = %(channel)s::text and account = %(account)s::text
"""
# A secret that signs no more is let go.
HOOKS = """
select business_id, id, url_sealed, secret_sealed, case when old_until > now() then old_secret_sealed end from hooks
order by business_id, id for update
"""
SEAL_HOOK = """
update hooks set url_sealed = %(url)s::bytea, secret_sealed = %(secret)s::bytea, old_secret_sealed = %(old)s::bytea
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
CALENDARS = "select business_id, id, address from triage_calendars order by business_id, id for update"
SEAL_CALENDAR = """
update triage_calendars set address = %(address)s::bytea
where business_id = %(business_id)s::int and id = %(id)s::bigint
"""
# The tables' columns that hold what is sealed.
COLUMNS = {
    "channel_accounts": ("token_sealed",),
    "hooks": ("url_sealed", "secret_sealed", "old_secret_sealed"),
    "triage_calendars": ("address",),
}
UNOPENED = (
    "{what} cannot be opened: the key with which it was sealed is not in TALLYBOOK_SECRET_KEY. "
    "Put that key behind the newest one, or give it again. Nothing was changed."
)


async def seal_again(conn: Conn, seal: Seal) -> int:
    """Seals everything anew; returns how many secrets there are.

    Raises WrongSetup, with nothing changed, where one cannot be opened.
    """
    return await _tokens(conn, seal) + await _hooks(conn, seal) + await _calendars(conn, seal)


async def _tokens(conn: Conn, seal: Seal) -> int:
    rows = await (await conn.execute(TOKENS)).fetchall()
    for channel, account, token in rows:
        values = {"channel": channel, "account": account}
        await conn.execute(SEAL_ACCOUNT, values | {"token": _again(seal, token, f"The token of {channel} {account}")})
    return len(rows)


async def _hooks(conn: Conn, seal: Seal) -> int:
    count = 0
    for business_id, number, *sealed in await (await conn.execute(HOOKS)).fetchall():
        what = f"The secret or the address of webhook {number}"
        url, secret, old = (_again(seal, one, what) if one is not None else None for one in sealed)
        values = {"business_id": business_id, "id": number}
        await conn.execute(SEAL_HOOK, values | {"url": url, "secret": secret, "old": old})
        count += sum(one is not None for one in sealed)
    return count


async def _calendars(conn: Conn, seal: Seal) -> int:
    rows = await (await conn.execute(CALENDARS)).fetchall()
    for business_id, number, address in rows:
        again = _again(seal, address, f"The address of calendar {number}")
        await conn.execute(SEAL_CALENDAR, {"business_id": business_id, "id": number, "address": again})
    return len(rows)


def _again(seal: Seal, sealed: bytes, what: str) -> bytes:
    try:
        return seal.again(bytes(sealed))
    except WrongSetup:
        raise WrongSetup(UNOPENED.format(what=what)) from None
