"""API tokens: shown once, stored hashed, scoped, revocable. A token never allows more than its owner's role does."""

from __future__ import annotations

from datetime import datetime

import msgspec

from . import audit, secret_tokens
from .businesses import Business
from .callers import Caller, Right, Role, Scope, require
from .db import Conn
from .errors import Invalid, NotAllowed, NotFound

NAME_LENGTH = 100


class ApiToken(msgspec.Struct, frozen=True):
    """A token as it is listed: everything but the token."""

    id: int
    name: str
    scopes: list[Scope]
    owner: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


CREATE = """
insert into api_tokens (token_hash, business_id, account_id, name, scopes)
values (%(token_hash)s, %(business_id)s, %(account_id)s, %(name)s, %(scopes)s::text[])
returning id
"""
RESOLVE = """
with found as (
    select t.id, t.name as token_name, t.business_id, t.scopes, t.account_id, a.display_name, r.role,
        b.name, b.time_zone, b.locale as business_locale, a.locale
    from api_tokens t
    join businesses b on b.id = t.business_id
    left join accounts a on a.id = t.account_id and a.active and not a.must_change
    left join account_roles r on r.account_id = a.id and r.business_id = t.business_id
    where t.token_hash = %(token_hash)s and t.revoked_at is null
        and (t.account_id is null or r.role is not null)
),
used as (
    update api_tokens t set last_used_at = now()
    from found f
    where t.id = f.id and (t.last_used_at is null or t.last_used_at < now() - interval '1 minute')
)
select id, token_name, business_id, scopes, account_id, display_name, role, name, time_zone,
    business_locale, locale
from found
"""
LIST = """
select t.id, t.name, t.scopes, a.display_name, t.created_at, t.last_used_at, t.revoked_at
from api_tokens t
left join accounts a on a.id = t.account_id
where t.business_id = %(business_id)s
order by t.revoked_at is not null, t.id desc
"""
REVOKE = """
update api_tokens set revoked_at = now()
where business_id = %(business_id)s and id = %(id)s and revoked_at is null
returning name
"""


async def create(conn: Conn, caller: Caller, name: str, scopes: frozenset[Scope]) -> str:
    """A new token of the caller's; returns it, for the only time.

    A caller without an account (a command on the server) makes one that belongs to nobody and has its scopes alone.
    Raises NotAllowed for who is no admin or asks for more scopes than it has, Invalid for no name or scope.
    """
    require(caller, Right.ADMINISTER)
    name = name.strip()
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise Invalid("A token needs a name of at most 100 characters that says what it is for.", field="name")
    if not scopes:
        raise Invalid("A token needs at least one scope.", field="scopes")
    if not scopes <= caller.scopes:
        raise NotAllowed("A token cannot make one that may do more than itself.")
    token = secret_tokens.new_api_token()
    listed = sorted(scopes)
    cursor = await conn.execute(CREATE, {
        "token_hash": secret_tokens.digest(token), "business_id": caller.business_id, "account_id": caller.account_id,
        "name": name, "scopes": listed,
    })  # fmt: skip
    row = await cursor.fetchone()
    after = {"name": name, "scopes": listed}
    await audit.record_by(conn, caller, "token.created", "token", str(row and row[0]), None, after)
    return token


async def resolve(conn: Conn, token: str) -> Caller | None:
    """Who calls with this token, or None when it is unknown, revoked, or its owner may not log in any more."""
    if not token.startswith(secret_tokens.API_PREFIX):
        return None
    row = await (await conn.execute(RESOLVE, {"token_hash": secret_tokens.digest(token)})).fetchone()
    if row is None:
        return None
    return Caller(
        account_id=row[4], name=row[5] or row[1], business=Business(row[2], *row[7:10]),
        role=Role(row[6]) if row[6] else None, scopes=frozenset(Scope(scope) for scope in row[3]), token_id=row[0],
        locale=row[10],
    )  # fmt: skip


async def listed(conn: Conn, business_id: int) -> list[ApiToken]:
    """A business's tokens, the revoked ones last."""
    rows = await (await conn.execute(LIST, {"business_id": business_id})).fetchall()
    return [ApiToken(row[0], row[1], [Scope(scope) for scope in row[2]], *row[3:]) for row in rows]


async def revoke(conn: Conn, caller: Caller, token_id: int) -> None:
    """Ends a token of the caller's business, at once. Raises NotFound when there is no such live token."""
    require(caller, Right.ADMINISTER)
    row = await (await conn.execute(REVOKE, {"business_id": caller.business_id, "id": token_id})).fetchone()
    if row is None:
        raise NotFound("There is no such token, or it is revoked already.")
    await audit.record_by(conn, caller, "token.revoked", "token", str(token_id), {"name": row[0]})
